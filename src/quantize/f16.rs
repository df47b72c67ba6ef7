//! A float32 model in float16: half its size, and twice its speed where a machine computes in it.
//!
//! Weights and activations become float16, with a Cast wherever a value goes over to a node that
//! stays in float32 or back; inputs and outputs stay float32. Every value has one type, as
//! strongly typed engines (TensorRT 10) want it.

use super::calibrate::{Sample, calibrate};
use crate::backend;
use crate::onnx::edit::{Edit, node};
use crate::onnx::precision::Precision;
use crate::{Error, Result};
use half::f16;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, NodeProto, attribute_proto::AttributeType};

/// The largest magnitude of an activation that is trusted to float16, whose largest number is
/// 65504: other pictures may have eight times as much.
const LARGEST: f32 = 8188.0;

/// A model in float16.
#[derive(Clone, Debug)]
pub struct Half {
    /// The model, as ONNX.
    pub onnx: Vec<u8>,
    /// Nodes that compute in float16.
    pub nodes: usize,
    /// Those that stay in float32, by their operator.
    pub kept: BTreeMap<String, usize>,
    /// Values that stay in float32 because they are too large, and how large they get.
    pub large: BTreeMap<String, f32>,
}

/// Rewrites a float32 model. What gets too large for float16 on the samples stays in float32.
///
/// # Errors
/// [`Error::Model`] where the model isn't of float32, or a constant is beyond float16's range.
pub(super) fn halve(onnx: &[u8], samples: &[Sample], options: &backend::Options) -> Result<Half> {
    let graph = Edit::parse(onnx)?;
    check(&graph)?;
    let precision = Precision::of(&graph, &BTreeSet::new());
    let large = if samples.is_empty() {
        BTreeMap::new()
    } else {
        let nodes = graph.nodes().iter().enumerate().filter(|(at, _)| !precision.is_wide(*at));
        let values =
            nodes.flat_map(|(_, node)| &node.output).filter(|value| precision.floats.contains(*value));
        let values: Vec<String> = values.cloned().collect();
        let seen = calibrate(&graph, &values, samples, options, &|| {})?;
        let highest = |seen: super::calibrate::Seen| seen.highest.iter().fold(0.0f32, |a, b| a.max(*b));
        let highest = seen.into_iter().map(|(name, seen)| (name, highest(seen)));
        highest.filter(|(_, highest)| *highest > LARGEST).collect()
    };
    narrow(graph, large)
}

/// Refuses what this has no rule for.
fn check(graph: &Edit) -> Result<()> {
    let is_narrow = |tensor: &&tract_onnx::pb::TensorProto| tensor.data_type == DataType::Float16 as i32;
    if graph.nodes().iter().any(|node| node.op_type.ends_with("QuantizeLinear"))
        || graph.proto().initializer.iter().any(|tensor| is_narrow(&tensor))
    {
        return Err(Error::Model("this model is quantized already: give the float32 one".into()));
    }
    let nested = |node: &&NodeProto| node.attribute.iter().any(|attribute| attribute.g.is_some());
    match graph.nodes().iter().find(nested) {
        Some(node) => Err(Error::Model(format!(
            "{} is a {} with a graph of its own, which can't be put in float16",
            node.name, node.op_type
        ))),
        None => Ok(()),
    }
}

fn narrow(mut graph: Edit, large: BTreeMap<String, f32>) -> Result<Half> {
    let precision = Precision::of(&graph, &large.keys().cloned().collect());
    let old = graph.nodes().to_vec();
    let casts = Casts::of(&graph, &precision);
    let constants = narrow_constants(&mut graph, &precision)?;
    let mut nodes = Vec::with_capacity(old.len());
    let inputs: Vec<String> = graph.proto().input.iter().map(|input| input.name.clone()).collect();
    nodes.extend(inputs.iter().filter_map(|input| casts.after(input)));
    let (mut narrowed, mut kept) = (0, BTreeMap::new());
    for (at, mut current) in old.into_iter().enumerate() {
        let wide = precision.is_wide(at);
        if precision.computes(&current) {
            if wide {
                *kept.entry(current.op_type.clone()).or_default() += 1;
            } else {
                narrowed += 1;
            }
            for input in &mut current.input {
                if let Some(name) = casts.named(input, wide).or(constants.get(input).filter(|_| !wide)) {
                    input.clone_from(name);
                }
            }
        }
        let outputs = current.output.clone();
        nodes.push(current);
        nodes.extend(outputs.iter().filter_map(|output| casts.after(output)));
    }
    graph.set_nodes(nodes);
    graph.drop_unused_constants();
    Ok(Half { onnx: graph.into_bytes(), nodes: narrowed, kept, large })
}

/// Puts the constants of nodes in float16 into that; their new names where others read them in
/// float32.
fn narrow_constants(graph: &mut Edit, precision: &Precision) -> Result<BTreeMap<String, String>> {
    let (mut narrow, mut wide) = (BTreeSet::new(), BTreeSet::new());
    for (at, node) in graph.nodes().iter().enumerate() {
        let floats = node.input.iter().filter(|input| {
            graph.is_constant(input) && precision.floats.contains(*input) && precision.computes(node)
        });
        (if precision.is_wide(at) { &mut wide } else { &mut narrow }).extend(floats.cloned());
    }
    let mut names = BTreeMap::new();
    for name in narrow {
        let values = graph.floats(&name)?;
        // Infinity masks what attention must not see; it is one of float16's numbers.
        let lost =
            |value: &&f32| value.is_nan() || (value.is_finite() && f16::from_f32(**value).is_infinite());
        if let Some(value) = values.iter().find(lost) {
            return Err(Error::Model(format!(
                "the constant {name} holds {value}, which float16 (up to 65504) has no number for"
            )));
        }
        let bytes = values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect();
        let is_shared = wide.contains(&name);
        let new = if is_shared { format!("{name}.f16") } else { name.clone() };
        graph.set_constant(&new, DataType::Float16, values.shape(), bytes);
        if is_shared {
            names.insert(name, new);
        }
    }
    Ok(names)
}

/// The casts that a graph needs, one for each value that is read in another width than its own.
struct Casts {
    /// What a value is called in the other width; whether that is float32.
    names: HashMap<String, (String, bool)>,
}

impl Casts {
    fn of(graph: &Edit, precision: &Precision) -> Self {
        let nodes = graph.nodes();
        let made = nodes.iter().enumerate().flat_map(|(at, node)| {
            let wide = precision.is_wide(at);
            node.output.iter().map(move |output| (output.as_str(), wide))
        });
        let made: HashMap<&str, bool> = made.collect();
        let mut names: HashMap<String, (String, bool)> = HashMap::new();
        let mut numbers = 0..;
        for (at, node) in nodes.iter().enumerate().filter(|(_, node)| precision.computes(node)) {
            let wide = precision.is_wide(at);
            // What no node has made is an input of the model, of float32.
            let differs = |value: &&String| made.get(value.as_str()).copied().unwrap_or(true) != wide;
            let is_float = |value: &&String| precision.floats.contains(*value) && !graph.is_constant(value);
            for value in node.input.iter().filter(is_float).filter(differs) {
                let letter = if wide { 'f' } else { 'h' };
                let mut fresh = numbers.by_ref().map(|number: usize| format!("{letter}{number}"));
                let is_free = |name: &String| !made.contains_key(name.as_str()) && !graph.is_constant(name);
                if !names.contains_key(value)
                    && let Some(name) = fresh.find(is_free)
                {
                    names.insert(value.clone(), (name, wide));
                }
            }
        }
        Self { names }
    }

    /// The name of a value for a node of this width, where it isn't the value's own.
    fn named(&self, value: &str, wide: bool) -> Option<&String> {
        self.names.get(value).filter(|(_, is_wide)| *is_wide == wide).map(|(name, _)| name)
    }

    /// The Cast that follows a value.
    fn after(&self, value: &str) -> Option<NodeProto> {
        let (name, wide) = self.names.get(value)?;
        let to = if *wide { DataType::Float } else { DataType::Float16 };
        let mut cast = node("Cast", name, &[value], None);
        cast.attribute.push(AttributeProto {
            name: "to".into(),
            i: to as i64,
            r#type: AttributeType::Int as i32,
            ..Default::default()
        });
        Some(cast)
    }
}

#[cfg(test)]
mod tests;
