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
pub struct Range {
    /// The size of a step.
    pub scale: f32,
    /// uint8, for values that are never below zero; else int8.
    pub unsigned: bool,
}

impl Range {
    /// The least and the greatest integer.
    pub fn bounds(&self) -> [f32; 2] {
        if self.unsigned { [0.0, 255.0] } else { [-128.0, 127.0] }
    }
}

/// The share of a step of the output from which on a shift of its mean is made up for.
const SHIFT: f32 = 0.1;

/// Rewrites the graph so that `layers` take integers, and give them where their output is one of
/// `outputs`; `ranges` are those of these and of the inputs. `means` are those of the layers' inputs
/// by channel, where biases are to be corrected.
pub(super) fn insert(
    graph: &mut Edit,
    layers: &[Layer],
    outputs: &BTreeSet<&str>,
    ranges: &BTreeMap<String, Range>,
    means: Option<&BTreeMap<String, Vec<f32>>>,
) -> Result<()> {
    let by_name: BTreeMap<&str, &Layer> = layers.iter().map(|layer| (layer.name.as_str(), layer)).collect();
    let old = graph.nodes().to_vec();
    // What comes into the graph has no node to follow.
    let produced: BTreeSet<&str> = old.iter().flat_map(|node| &node.output).map(String::as_str).collect();
    let entering = ranges.keys().filter(|value| !produced.contains(value.as_str()));
    let entering: Vec<String> = entering.cloned().collect();
    let mut coder = Coder { graph, nodes: Vec::with_capacity(2 * old.len()), decoded: BTreeMap::new() };
    for value in &entering {
        coder.round_trip(value, ranges[value]);
    }
    for mut current in old {
        let layer = by_name.get(current.name.as_str());
        for (at, input) in current.input.iter_mut().enumerate() {
            // A layer's rounded output is what everybody sees; a value that isn't one is rounded
            // for the layers alone.
            let is_seen = (at == 0 && layer.is_some()) || outputs.contains(input.as_str());
            if let Some(decoded) = coder.decoded.get(input).filter(|_| is_seen) {
                input.clone_from(decoded);
            }
        }
        if let Some(layer) = layer {
            coder.integer_weights(layer, ranges, means, &mut current)?;
        }
        let results = current.output.clone();
        coder.nodes.push(current);
        for value in &results {
            if let Some(range) = ranges.get(value) {
                coder.round_trip(value, *range);
            }
        }
    }
    let nodes = coder.nodes;
    graph.set_nodes(nodes);
    graph.drop_unused_constants();
    Ok(())
}

/// Nodes in the making. What it adds has short names: they would be a tenth of a small model.
struct Coder<'a> {
    graph: &'a mut Edit,
    nodes: Vec<NodeProto>,
    /// What a value is called behind its rounding.
    decoded: BTreeMap<String, String>,
}

impl Coder<'_> {
    /// Rounds a value to integers and back.
    fn round_trip(&mut self, value: &str, range: Range) {
        let name = format!("a{}", self.decoded.len());
        let [scale, integers, decoded] = ["s", "q", "d"].map(|end| format!("{name}.{end}"));
        let (zero, element) =
            if range.unsigned { ("zero.u8", DataType::Uint8) } else { ("zero.i8", DataType::Int8) };
        self.graph.set_floats(&scale, &ndarray::arr0(range.scale).into_dyn());
        self.graph.set_constant(zero, element, &[], vec![0]);
        self.nodes.push(node("QuantizeLinear", &integers, &[value, &scale, zero], None));
        self.nodes.push(node("DequantizeLinear", &decoded, &[&integers, &scale, zero], None));
        self.decoded.insert(value.to_owned(), decoded);
    }

    /// Decodes integers of one scale for each index along an axis; the decoded constant's name.
    fn constant(
        &mut self,
        element: DataType,
        shape: &[usize],
        bytes: Vec<u8>,
        scales: &[f32],
        axis: usize,
    ) -> String {
        let name = format!("w{}", self.nodes.len());
        let [scale, integers, decoded] = ["s", "q", "d"].map(|end| format!("{name}.{end}"));
        let channels = scales.len();
        let (letter, width) = if element == DataType::Int32 { ("i32", 4) } else { ("i8", 1) };
        let zero = format!("zero.{letter}.{channels}");
        self.graph.set_constant(&integers, element, shape, bytes);
        self.graph.set_floats(&scale, &vector(scales));
        self.graph.set_constant(&zero, element, &[channels], vec![0; width * channels]);
        self.nodes.push(node("DequantizeLinear", &decoded, &[&integers, &scale, &zero], Some(axis as i64)));
        decoded
    }

    /// Replaces a layer's weights by integers, and its bias by one that makes up for what
    /// rounding the weights does to the mean, where that is worth it.
    fn integer_weights(
        &mut self,
        layer: &Layer,
        ranges: &BTreeMap<String, Range>,
        means: Option<&BTreeMap<String, Vec<f32>>>,
        current: &mut NodeProto,
    ) -> Result<()> {
        let weights = self.graph.floats(&layer.weight)?;
        let axis = layer.channel_axis;
        let rounded = quantize(weights.view(), axis);
        let bytes = rounded.values.iter().map(|value| value.to_le_bytes()[0]).collect();
        current.input[1] =
            self.constant(DataType::Int8, rounded.values.shape(), bytes, &rounded.scales, axis);
        if current.op_type != "Conv" {
            return Ok(());
        }
        let given = layer.bias.as_ref().map(|bias| self.graph.floats(bias)).transpose()?;
        let mut bias: Option<Vec<f32>> = given.map(|given| given.iter().copied().collect());
        let step = |value: &String| ranges.get(value).map(|range| range.scale);
        if let Some(means) = means.and_then(|means| means.get(&layer.input)) {
            let shift = shift(layer.kind, &(&rounded.decoded - &weights), means);
            let least = step(&layer.output).map_or(0.0, |step| SHIFT * step);
            if shift.iter().any(|shift| shift.abs() > least) {
                let given = bias.unwrap_or_else(|| vec![0.0; shift.len()]);
                bias = Some(given.iter().zip(shift).map(|(given, shift)| given - shift).collect());
            }
        }
        let Some(bias) = bias else { return Ok(()) };
        let input_step = step(&layer.input).unwrap_or(1.0);
        let scales: Vec<f32> = rounded.scales.iter().map(|scale| scale * input_step).collect();
        let integers = bias.iter().zip(&scales).map(|(bias, scale)| (bias / scale).round_ties_even() as i32);
        let bytes = integers.flat_map(i32::to_le_bytes).collect();
        current.input.resize(3, String::new());
        current.input[2] = self.constant(DataType::Int32, &[bias.len()], bytes, &scales, 0);
        Ok(())
    }
}

/// What an error of a convolution's weights does to the mean of each output channel.
fn shift(kind: Kind, error: &ArrayD<f32>, means: &[f32]) -> Vec<f32> {
    let channels = error.axis_iter(Axis(0)).enumerate();
    let shifts = channels.map(|(channel, error)| {
        // The mean that each weight of this channel meets; depthwise ones meet their own.
        let mean = |input| means.get(if kind == Kind::Depthwise { channel } else { input });
        let inputs = error.axis_iter(Axis(0)).enumerate();
        inputs.map(|(input, kernel)| kernel.sum() * mean(input).copied().unwrap_or(0.0)).sum()
    });
    shifts.collect()
}

pub(super) fn vector(values: &[f32]) -> ArrayD<f32> {
    ArrayD::from_shape_fn(IxDyn(&[values.len()]), |at| values[at[0]])
}
