//! A graph with QuantizeLinear and DequantizeLinear around its layers: the form that ONNX
//! Runtime, TensorRT and our own engine run on integers.

use super::layers::{Kind, Layer};
use super::weights::quantize;
use crate::Result;
use crate::onnx::edit::{Edit, node};
use ndarray::{ArrayD, Axis, IxDyn};
use std::collections::{BTreeMap, BTreeSet};
use tract_onnx::pb::NodeProto;
use tract_onnx::pb::tensor_proto::DataType;

/// How an activation becomes an integer: round(x / scale), zero at 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) scale: f32,
    /// uint8, for values that are never below zero; else int8.
    pub(super) unsigned: bool,
}

/// Rewrites the graph so that `layers` take integers, and give them where `ranges` has their
/// outputs. `means` are those of the layers' inputs by channel, where biases are to be corrected.
pub(super) fn insert(
    graph: &mut Edit,
    layers: &[Layer],
    ranges: &BTreeMap<String, Range>,
    means: Option<&BTreeMap<String, Vec<f32>>>,
) -> Result<()> {
    let outputs: BTreeSet<&str> = layers.iter().map(|layer| layer.output.as_str()).collect();
    let by_name: BTreeMap<&str, &Layer> = layers.iter().map(|layer| (layer.name.as_str(), layer)).collect();
    let old = graph.nodes().to_vec();
    let mut nodes = Vec::with_capacity(2 * old.len());
    // What comes into the graph has no node to follow.
    let produced: BTreeSet<&str> = old.iter().flat_map(|node| &node.output).map(String::as_str).collect();
    for (value, range) in ranges.iter().filter(|(value, _)| !produced.contains(value.as_str())) {
        nodes.extend(round_trip(graph, value, *range));
    }
    for mut current in old {
        for (at, input) in current.input.iter_mut().enumerate() {
            // A layer's rounded output is what everybody sees; a value that isn't one is rounded
            // for the layers alone.
            let is_layers_input = at == 0 && by_name.contains_key(current.name.as_str());
            if ranges.contains_key(input) && (is_layers_input || outputs.contains(input.as_str())) {
                *input = decoded(input);
            }
        }
        if let Some(layer) = by_name.get(current.name.as_str()) {
            let scale = ranges.get(&layer.input).map_or(1.0, |range| range.scale);
            nodes.extend(integer_weights(graph, layer, scale, means, &mut current)?);
        }
        let results = current.output.clone();
        nodes.push(current);
        for value in &results {
            if let Some(range) = ranges.get(value) {
                nodes.extend(round_trip(graph, value, *range));
            }
        }
    }
    graph.set_nodes(nodes);
    graph.drop_unused_constants();
    Ok(())
}

fn decoded(value: &str) -> String {
    format!("{value}.dq")
}

/// Rounds a value to integers and back.
fn round_trip(graph: &mut Edit, value: &str, range: Range) -> [NodeProto; 2] {
    let (scale, zero) = (format!("{value}.scale"), format!("{value}.zero"));
    let element = if range.unsigned { DataType::Uint8 } else { DataType::Int8 };
    graph.set_floats(&scale, &ndarray::arr0(range.scale).into_dyn());
    graph.set_constant(&zero, element, &[], vec![0]);
    let integers = format!("{value}.q");
    [
        node("QuantizeLinear", &integers, &[value, &scale, &zero], None),
        node("DequantizeLinear", &decoded(value), &[&integers, &scale, &zero], None),
    ]
}

/// Replaces a layer's weights by integers, and its bias by one that makes up for what rounding
/// the weights does to the mean.
fn integer_weights(
    graph: &mut Edit,
    layer: &Layer,
    input_scale: f32,
    means: Option<&BTreeMap<String, Vec<f32>>>,
    current: &mut NodeProto,
) -> Result<Vec<NodeProto>> {
    let weights = graph.floats(&layer.weight)?;
    let axis = layer.channel_axis;
    let rounded = quantize(weights.view(), axis);
    let channels = rounded.scales.len();
    // The name of a layer is its own; its weights might be another's, too.
    let name = format!("{}.weight", layer.name);
    let (integers, scale, zero) = (format!("{name}.q"), format!("{name}.scale"), format!("{name}.zero"));
    let bytes = rounded.values.iter().map(|value| value.to_le_bytes()[0]).collect();
    graph.set_constant(&integers, DataType::Int8, rounded.values.shape(), bytes);
    graph.set_floats(&scale, &vector(&rounded.scales));
    graph.set_constant(&zero, DataType::Int8, &[channels], vec![0; channels]);
    let mut nodes =
        vec![node("DequantizeLinear", &decoded(&name), &[&integers, &scale, &zero], Some(axis as i64))];
    current.input[1] = decoded(&name);
    if current.op_type != "Conv" {
        return Ok(nodes);
    }

    let shift = means.and_then(|means| means.get(&layer.input)).map(|means| {
        let error = &rounded.decoded - &weights;
        error
            .axis_iter(Axis(0))
            .enumerate()
            .map(|(channel, error)| {
                // The mean that each weight of this channel meets; depthwise ones meet their own.
                let mean = |input| means.get(if layer.kind == Kind::Depthwise { channel } else { input });
                let sum = error.axis_iter(Axis(0)).enumerate();
                -sum.map(|(input, kernel)| kernel.sum() * mean(input).copied().unwrap_or(0.0)).sum::<f32>()
            })
            .collect::<Vec<f32>>()
    });
    let given = layer.bias.as_ref().map(|bias| graph.floats(bias)).transpose()?;
    let bias: Vec<f32> = match (given, shift) {
        (None, None) => return Ok(nodes),
        (Some(given), None) => given.iter().copied().collect(),
        (None, Some(shift)) => shift,
        (Some(given), Some(shift)) => given.iter().zip(shift).map(|(given, shift)| given + shift).collect(),
    };
    let name = format!("{}.bias", layer.name);
    let scales: Vec<f32> = rounded.scales.iter().map(|scale| scale * input_scale).collect();
    let (integers, scale, zero) = (format!("{name}.q"), format!("{name}.scale"), format!("{name}.zero"));
    let rounded = bias.iter().zip(&scales).map(|(bias, scale)| (bias / scale).round_ties_even() as i32);
    graph.set_constant(&integers, DataType::Int32, &[channels], rounded.flat_map(i32::to_le_bytes).collect());
    graph.set_floats(&scale, &vector(&scales));
    graph.set_constant(&zero, DataType::Int32, &[channels], vec![0; 4 * channels]);
    nodes.push(node("DequantizeLinear", &decoded(&name), &[&integers, &scale, &zero], Some(0)));
    current.input.resize(3, String::new());
    current.input[2] = decoded(&name);
    Ok(nodes)
}

pub(super) fn vector(values: &[f32]) -> ArrayD<f32> {
    ArrayD::from_shape_fn(IxDyn(&[values.len()]), |at| values[at[0]])
}
