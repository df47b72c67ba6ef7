//! Moving scales between layers so that no channel is lost in the range of another.
//!
//! An activation has one scale for all its channels, weights have one for each output channel.
//! Where nothing between two layers minds a factor, a quiet channel is made as loud as the
//! others by its weights before, and brought back by those behind: in exact arithmetic the network
//! gives the same.

use super::calibrate::Seen;
use super::layers::{Kind, Layer};
use crate::Result;
use crate::onnx::edit::Edit;
use ndarray::{ArrayD, Axis};
use std::collections::{BTreeMap, HashMap};
use tract_onnx::pb::NodeProto;

/// No channel is made louder than by this: what hardly ever stirs is noise.
const MOST: f32 = 1e3;

/// Equalises the activations between the layers of a graph; `seen` are their values.
pub(super) fn equalise(graph: &mut Edit, layers: &[Layer], seen: &BTreeMap<String, Seen>) -> Result<()> {
    let by_node: HashMap<&str, &Layer> = layers.iter().map(|layer| (layer.name.as_str(), layer)).collect();
    for layer in layers {
        let Some(output) = seen.get(&layer.output) else { continue };
        match layer.kind {
            Kind::Pointwise => before_depthwise(graph, layer, output, &by_node)?,
            Kind::Depthwise => before_split(graph, layer, output, &by_node)?,
            Kind::Spatial | Kind::Linear => {}
        }
    }
    for layer in layers {
        if let Some(input) = seen.get(&layer.input) {
            behind_norm(graph, layer, input, &by_node)?;
        }
    }
    Ok(())
}

/// A 1x1 convolution whose only reader is a depthwise one.
fn before_depthwise(
    graph: &mut Edit,
    layer: &Layer,
    output: &Seen,
    by_node: &HashMap<&str, &Layer>,
) -> Result<()> {
    let Some(reader) = only_reader(graph, &layer.output).and_then(|node| by_node.get(node.name.as_str()))
    else {
        return Ok(());
    };
    if reader.kind != Kind::Depthwise {
        return Ok(());
    }
    let loudest = output.highest.iter().copied().fold(0.0, f32::max);
    let factors: Vec<f32> = output.highest.iter().map(|highest| gain(loudest, *highest)).collect();
    scale_outputs(graph, layer, &factors)?;
    let inverse: Vec<f32> = factors.iter().map(|factor| 1.0 / factor).collect();
    // A depthwise kernel has its channel along the first axis.
    scale(graph, &reader.weight, 0, &inverse)
}

/// A depthwise convolution whose channels are split: q and k are brought to unit length anyhow,
/// and the half of a gate that goes into a plain product can be scaled behind it.
fn before_split(
    graph: &mut Edit,
    layer: &Layer,
    output: &Seen,
    by_node: &HashMap<&str, &Layer>,
) -> Result<()> {
    let channels = output.highest.len();
    let parts: Vec<String> = match only_reader(graph, &layer.output) {
        Some(node) if node.op_type == "Split" => node.output.clone(),
        // k of a D-GDM stands alone.
        Some(_) => vec![layer.output.clone()],
        None => return Ok(()),
    };
    let part = channels / parts.len();
    let free: Vec<Option<Free>> = parts.iter().map(|value| freedom(graph, value, by_node)).collect();
    let highest = |index: usize| &output.highest[index * part..(index + 1) * part];
    let loudest = |bound: bool| {
        let wanted = (0..parts.len()).filter(|&index| free[index].is_none() == bound);
        wanted.flat_map(highest).copied().fold(0.0, f32::max)
    };
    let target = if free.iter().all(Option::is_some) { loudest(false) } else { loudest(true) };
    let mut factors = vec![1.0; channels];
    for (index, free) in free.iter().enumerate() {
        let Some(free) = free else { continue };
        let gains: Vec<f32> = highest(index).iter().map(|highest| gain(target, *highest)).collect();
        if let Free::Before(weight) = free {
            let inverse: Vec<f32> = gains.iter().map(|gain| 1.0 / gain).collect();
            scale(graph, weight, 1, &inverse)?;
        }
        factors[index * part..(index + 1) * part].copy_from_slice(&gains);
    }
    scale_outputs(graph, layer, &factors)
}

/// Why the channels of a value may be scaled.
enum Free {
    /// They are brought to unit length.
    Normalised,
    /// They go, by a product, into the 1x1 convolution of these weights.
    Before(String),
}

fn freedom(graph: &Edit, value: &str, by_node: &HashMap<&str, &Layer>) -> Option<Free> {
    let reader = only_reader(graph, value)?;
    match reader.op_type.as_str() {
        "Reshape" => {
            let mut readers: Vec<&str> =
                graph.consumers(&reader.output[0]).map(|node| node.op_type.as_str()).collect();
            readers.sort_unstable();
            (readers == ["Div", "ReduceL2"]).then_some(Free::Normalised)
        }
        "Mul" if !reader.input.iter().all(|input| input == value) => {
            let behind = only_reader(graph, &reader.output[0])?;
            let layer = by_node.get(behind.name.as_str())?;
            // The other operand is an activation of the same shape, not this value's own GELU.
            let product = reader.input.iter().all(|input| !graph.is_constant(input));
            (layer.kind == Kind::Pointwise && product).then(|| Free::Before(layer.weight.clone()))
        }
        _ => None,
    }
}

/// A LayerNorm before a layer: outlying channels move into its weights, half of the way.
fn behind_norm(graph: &mut Edit, layer: &Layer, input: &Seen, by_node: &HashMap<&str, &Layer>) -> Result<()> {
    let norm = norm_before(graph, &layer.input);
    let alone = only_reader(graph, &layer.input).is_some_and(|node| by_node.contains_key(node.name.as_str()));
    let (Some([gamma, beta]), true, Kind::Pointwise) = (norm, alone, layer.kind) else { return Ok(()) };
    let weights = graph.floats(&layer.weight)?;
    let largest =
        weights.axis_iter(Axis(1)).map(|column| column.iter().fold(0.0f32, |most, w| most.max(w.abs())));
    let factors: Vec<f32> = input
        .highest
        .iter()
        .zip(largest)
        .map(|(highest, largest)| {
            let usable = *highest > 1e-6 && largest > 1e-6;
            if usable { (largest / highest).sqrt().clamp(1.0 / MOST, MOST) } else { 1.0 }
        })
        .collect();
    let inverse: Vec<f32> = factors.iter().map(|factor| 1.0 / factor).collect();
    scale(graph, &gamma, 0, &factors)?;
    scale(graph, &beta, 0, &factors)?;
    scale(graph, &layer.weight, 1, &inverse)
}

/// Weight and bias of the LayerNorm that gives a value, perhaps through a transposition that
/// nobody else reads.
fn norm_before(graph: &Edit, value: &str) -> Option<[String; 2]> {
    let producer = |value: &str| graph.nodes().iter().find(|node| node.output.iter().any(|out| out == value));
    let mut node = producer(value)?;
    if node.op_type == "Transpose" {
        node = producer(&node.input[0])?;
    }
    let alone = only_reader(graph, &node.output[0]).is_some();
    match node.input.as_slice() {
        [_, gamma, beta] if node.op_type == "LayerNormalization" && alone => {
            let once = |constant: &str| graph.consumers(constant).count() == 1;
            (once(gamma) && once(beta)).then(|| [gamma.clone(), beta.clone()])
        }
        _ => None,
    }
}

/// What brings a channel of that highest value to the loudness of the loudest.
fn gain(loudest: f32, highest: f32) -> f32 {
    if highest > 1e-6 && loudest > 1e-6 { (loudest / highest).clamp(1.0 / MOST, MOST) } else { 1.0 }
}

fn only_reader<'a>(graph: &'a Edit, value: &'a str) -> Option<&'a NodeProto> {
    let mut readers = graph.consumers(value);
    let first = readers.next().filter(|_| !graph.is_output(value))?;
    readers.next().is_none().then_some(first)
}

fn scale_outputs(graph: &mut Edit, layer: &Layer, factors: &[f32]) -> Result<()> {
    scale(graph, &layer.weight, 0, factors)?;
    layer.bias.as_ref().map_or(Ok(()), |bias| scale(graph, bias, 0, factors))
}

fn scale(graph: &mut Edit, constant: &str, axis: usize, factors: &[f32]) -> Result<()> {
    let mut tensor: ArrayD<f32> = graph.floats(constant)?;
    for (mut part, factor) in tensor.axis_iter_mut(Axis(axis)).zip(factors) {
        part *= *factor;
    }
    graph.set_floats(constant, &tensor);
    Ok(())
}
