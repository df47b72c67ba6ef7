//! Which nodes of a graph stay in float32 where the rest computes in float16.

use super::edit::Edit;
use super::element::floats;
use std::collections::{BTreeSet, HashMap, HashSet};
use tract_onnx::pb::NodeProto;

/// Sums over many numbers, functions that are steep, and what interpolates: they lose too much in
/// float16, or leave its range.
const SENSITIVE: [&str; 24] = [
    "BatchNormalization",
    "CumSum",
    "Exp",
    "GlobalAveragePool",
    "InstanceNormalization",
    "LayerNormalization",
    "Log",
    "LogSoftmax",
    "Pow",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMean",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "Resize",
    "Softmax",
    "Sqrt",
    // Not sensitive, but of float32 by their definition.
    "Cast",
    "Constant",
    "ConstantOfShape",
];

/// Nodes that move values about.
const MOVERS: [&str; 12] = [
    "Concat",
    "DepthToSpace",
    "Expand",
    "Flatten",
    "Gather",
    "Identity",
    "Reshape",
    "Slice",
    "SpaceToDepth",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// Nodes that work on each element by itself, at the cost of a cast or less.
const ELEMENTWISE: [&str; 10] = ["Abs", "Add", "Clip", "Div", "Max", "Min", "Mul", "Neg", "Relu", "Sub"];

/// The width in which each node of a graph computes.
pub(crate) struct Precision {
    /// Names of the values that are floats.
    pub(crate) floats: HashSet<String>,
    /// By node: it takes and gives float32.
    wide: Vec<bool>,
}

impl Precision {
    /// What is sensitive stays in float32: normalisations and their divisions, softmax, means,
    /// products of what was normalised (the attention's, whose sums run over all pixels), what
    /// the model gives out, and all that takes or gives a value of `large`. So does what only
    /// such nodes read and costs nothing there.
    pub(crate) fn of(graph: &Edit, large: &BTreeSet<String>) -> Self {
        let nodes = graph.nodes();
        let floats = floats(graph.proto());
        let mut readers: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut makers: HashMap<&str, usize> = HashMap::new();
        for (at, node) in nodes.iter().enumerate() {
            node.input.iter().for_each(|input| readers.entry(input).or_default().push(at));
            makers.extend(node.output.iter().map(|output| (output.as_str(), at)));
        }
        let mut wide: Vec<bool> = nodes.iter().map(|node| is_sensitive(graph, node, large)).collect();
        loop {
            let before = wide.clone();
            for (at, node) in nodes.iter().enumerate() {
                wide[at] |= node.op_type == "MatMul"
                    && node.input.iter().all(|input| comes_from_wide(nodes, &makers, &wide, input));
            }
            for (at, node) in nodes.iter().enumerate().rev() {
                let op = node.op_type.as_str();
                if wide[at] || !(MOVERS.contains(&op) || ELEMENTWISE.contains(&op)) {
                    continue;
                }
                let readers = || {
                    let of = |output: &String| readers.get(output.as_str()).into_iter().flatten();
                    node.output.iter().flat_map(of).filter(|reader| computes(&floats, &nodes[**reader]))
                };
                wide[at] = readers().next().is_some() && readers().all(|reader| wide[*reader]);
            }
            if wide == before {
                return Self { floats, wide };
            }
        }
    }

    /// Whether the node at this place takes and gives float32.
    pub(crate) fn is_wide(&self, node: usize) -> bool {
        self.wide.get(node).copied().unwrap_or(true)
    }

    /// Whether a node gives floats; others, as Shape, take either width.
    pub(crate) fn computes(&self, node: &NodeProto) -> bool {
        computes(&self.floats, node)
    }
}

fn computes(floats: &HashSet<String>, node: &NodeProto) -> bool {
    node.output.iter().any(|output| floats.contains(output))
}

fn is_sensitive(graph: &Edit, node: &NodeProto, large: &BTreeSet<String>) -> bool {
    let divides = node.op_type == "Div" && node.input.get(1).is_some_and(|by| !graph.is_constant(by));
    SENSITIVE.contains(&node.op_type.as_str())
        || divides
        || node.output.iter().any(|output| graph.is_output(output))
        || node.input.iter().chain(&node.output).any(|value| large.contains(value))
}

/// Whether a value was made in float32, and only moved since.
fn comes_from_wide(nodes: &[NodeProto], makers: &HashMap<&str, usize>, wide: &[bool], value: &str) -> bool {
    let mut value = value;
    // A graph has no circle; a broken file may.
    for _ in 0..nodes.len() {
        let Some(&at) = makers.get(value) else { return false };
        if wide[at] {
            return true;
        }
        match (MOVERS.contains(&nodes[at].op_type.as_str()), nodes[at].input.first()) {
            (true, Some(source)) => value = source,
            _ => return false,
        }
    }
    false
}
