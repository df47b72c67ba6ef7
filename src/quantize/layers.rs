//! Which parts of a graph can run on integers.

use crate::onnx::edit::{Edit, int_attribute};
use std::collections::BTreeMap;
use tract_onnx::pb::NodeProto;

/// What a layer does with its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A 1x1 convolution.
    Pointwise,
    /// A convolution over several pixels and all channels.
    Spatial,
    /// A convolution of each channel with itself.
    Depthwise,
    /// A matrix product with constants.
    Linear,
}

/// A product of an activation with constant weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layer {
    /// Its node's.
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) input: String,
    pub(super) weight: String,
    pub(super) bias: Option<String>,
    pub(super) output: String,
    /// Axis of the weights that runs over output channels.
    pub(super) channel_axis: usize,
}

/// The layers of a graph that `wanted` takes, in the order in which they run.
pub(super) fn layers(graph: &Edit, wanted: impl Fn(&Layer) -> bool) -> Vec<Layer> {
    graph.nodes().iter().filter_map(|node| layer(graph, node)).filter(wanted).collect()
}

/// Operators that multiply activations by weights.
const PRODUCTS: [&str; 4] = ["Conv", "ConvTranspose", "Gemm", "MatMul"];

/// The products with constant weights that [`layers`] has no rule for, and what is odd about them.
pub(super) fn without_rule(graph: &Edit) -> BTreeMap<String, String> {
    let weighted = |node: &&NodeProto| {
        let by_weights = node.input.get(1).is_some_and(|weights| graph.is_constant(weights));
        PRODUCTS.contains(&node.op_type.as_str())
            && by_weights
            && node.input.first().is_some_and(|input| !graph.is_constant(input))
            && layer(graph, node).is_none()
    };
    let reason = |node: &NodeProto| {
        let op = &node.op_type;
        let name =
            [Some(&node.name), node.output.first()].into_iter().flatten().find(|name| !name.is_empty());
        let shape = node.input.get(1).and_then(|weights| graph.floats(weights).ok());
        let odd = match (shape, int_attribute(node, "group").unwrap_or(1)) {
            (None, _) => format!("there is no rule for a {op} whose weights aren't of float32"),
            (Some(weights), 1) => format!("there is no rule for a {op} with weights {:?}", weights.shape()),
            (Some(weights), groups) => {
                format!("there is no rule for a {op} of {groups} groups with weights {:?}", weights.shape())
            }
        };
        (name.cloned().unwrap_or_default(), odd)
    };
    graph.nodes().iter().filter(weighted).map(reason).collect()
}

fn layer(graph: &Edit, node: &NodeProto) -> Option<Layer> {
    let [input, weight, ..] = node.input.as_slice() else { return None };
    let shape = graph.floats(weight).ok()?.shape().to_vec();
    let group = int_attribute(node, "group").unwrap_or(1);
    let (kind, channel_axis) = match (node.op_type.as_str(), shape.as_slice()) {
        ("Conv", &[outputs, 1, _, _]) if group == outputs as i64 => (Kind::Depthwise, 0),
        ("Conv", &[_, _, 1, 1]) if group == 1 => (Kind::Pointwise, 0),
        ("Conv", &[_, _, _, _]) if group == 1 => (Kind::Spatial, 0),
        ("MatMul", &[_, _]) => (Kind::Linear, 1),
        _ => return None,
    };
    // A convolution of a constant would be a constant.
    let applies = !graph.is_constant(input) && node.output.len() == 1;
    applies.then(|| Layer {
        name: node.name.clone(),
        kind,
        input: input.clone(),
        weight: weight.clone(),
        bias: node.input.get(2).filter(|bias| !bias.is_empty()).cloned(),
        output: node.output[0].clone(),
        channel_axis,
    })
}
