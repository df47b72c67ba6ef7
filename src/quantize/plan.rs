//! A model that is ready to be quantized: its layers, and the ranges of what goes through them.

use super::Options;
use super::agreement::COMPARED;
use super::calibrate::{Sample, calibrate};
use super::layers::{Layer, layers, without_rule};
use super::qdq::{self, Range};
use super::weights;
use crate::onnx::edit::{Edit, node};
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use tract_onnx::pb::NodeProto;
use tract_onnx::pb::tensor_proto::DataType;

/// The smallest range that is told from zero.
const LEAST: f32 = 1e-9;

/// Constants of at least so many numbers are stored as integers, whatever reads them.
const LARGE: usize = 1 << 12;

/// A model in int8.
#[derive(Clone, Debug)]
pub struct Int8 {
    /// The model, as ONNX.
    pub onnx: Vec<u8>,
    /// The layers that run on integers.
    pub layers: Vec<String>,
    /// Those that stay in float though they could, and why.
    pub kept: BTreeMap<String, String>,
}

/// What stays in float though it could be integers, by the names of layers.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Float {
    /// Layers that run in float.
    pub layers: BTreeSet<String>,
    /// Layers that take integers and give floats: what they sum up is not rounded again.
    pub outputs: BTreeSet<String>,
}

/// The model, equalised, and everything that its int8 form takes.
pub(super) struct Plan {
    graph: Edit,
    pub(super) layers: Vec<Layer>,
    ranges: BTreeMap<String, Range>,
    means: Option<BTreeMap<String, Vec<f32>>>,
    /// Products with weights that no rule quantizes, and why.
    without_rule: BTreeMap<String, String>,
    /// Some of the samples that it was calibrated with.
    pub(super) shown: Vec<Sample>,
    round_sums: bool,
}

impl Plan {
    /// Calibrates the layers of a float32 model that `wanted` takes.
    pub(super) fn new(
        onnx: &[u8],
        samples: &[Sample],
        options: &Options,
        wanted: impl Fn(&Layer) -> bool,
        tick: &dyn Fn(),
    ) -> Result<Self> {
        let mut graph = Edit::parse(onnx)?;
        if graph.nodes().iter().any(|node| node.op_type.ends_with("QuantizeLinear")) {
            return Err(Error::Model("this model is quantized already: give the float32 one".into()));
        }
        let without_rule = without_rule(&graph);
        let layers = layers(&graph, wanted);
        let values: BTreeSet<String> =
            layers.iter().flat_map(|layer| [layer.input.clone(), layer.output.clone()]).collect();
        let values: Vec<String> = values.into_iter().collect();
        let mut seen = calibrate(&graph, &values, samples, &options.backend, tick)?;
        if options.equalise {
            super::equalise::equalise(&mut graph, &layers, &seen)?;
            seen = calibrate(&graph, &values, samples, &options.backend, tick)?;
        }
        let range = |seen: &super::calibrate::Seen| {
            let unsigned = options.unsigned && seen.histogram.is_one_sided();
            let most = if unsigned { 255.0 } else { 127.0 };
            Range { scale: seen.histogram.threshold(options.observer) / most, unsigned }
        };
        let ranges = seen.iter().map(|(name, seen)| (name.clone(), range(seen))).collect();
        let means = || seen.iter().map(|(name, seen)| (name.clone(), seen.means())).collect();
        Ok(Self {
            graph,
            layers,
            ranges,
            means: options.correct_bias.then(means),
            without_rule,
            shown: samples.iter().take(COMPARED).cloned().collect(),
            round_sums: options.round_sums,
        })
    }

    /// Whether it has a layer of that name.
    pub(super) fn names(&self, name: &str) -> bool {
        self.layers.iter().any(|layer| layer.name == name)
    }

    /// Whether a layer's output is rounded for everybody: it stays within a branch. What goes
    /// into a sum, as the residual stream is made of them, would lose more by it than all the rest.
    fn is_rounded(&self, layer: &Layer) -> bool {
        let stays =
            |node: &NodeProto| self.names(&node.name) || matches!(node.op_type.as_str(), "Split" | "Reshape");
        self.round_sums
            || !self.graph.is_output(&layer.output) && self.graph.consumers(&layer.output).all(stays)
    }

    /// The float model, equalised.
    pub(super) fn float(&self) -> Vec<u8> {
        self.graph.clone().into_bytes()
    }

    /// The model with all layers in int8 but those that are to stay in float.
    pub(super) fn build(&self, float: &Float) -> Result<Int8> {
        let graph = self.graph.clone();
        let (mut kept, mut chosen) = (self.without_rule.clone(), Vec::new());
        for layer in &self.layers {
            let is_zero = |value: &String| self.ranges.get(value).is_none_or(|range| range.scale < LEAST);
            if float.layers.contains(&layer.name) {
                kept.insert(layer.name.clone(), "as asked".to_owned());
            } else if is_zero(&layer.input) || is_zero(&layer.output) {
                let reason = "nothing but zeros goes through it on these pictures";
                kept.insert(layer.name.clone(), reason.to_owned());
            } else {
                chosen.push(layer.clone());
            }
        }
        let rounded = |layer: &&Layer| !float.outputs.contains(&layer.name) && self.is_rounded(layer);
        let outputs: BTreeSet<&str> =
            chosen.iter().filter(rounded).map(|layer| layer.output.as_str()).collect();
        let inputs: BTreeSet<&str> = chosen.iter().map(|layer| layer.input.as_str()).collect();
        let used = |value: &str| inputs.contains(value) || outputs.contains(value);
        let ranges: BTreeMap<String, Range> = self
            .ranges
            .iter()
            .filter(|(value, _)| used(value))
            .map(|(value, range)| (value.clone(), *range))
            .collect();
        let onnx = integers(graph, &chosen, &outputs, &ranges, self.means.as_ref())?;
        Ok(Int8 { onnx, layers: chosen.into_iter().map(|layer| layer.name).collect(), kept })
    }
}

/// The int8 form of a float graph whose `chosen` layers take integers of these ranges, and give
/// them where their output is one of `outputs`.
pub(super) fn integers(
    mut graph: Edit,
    chosen: &[Layer],
    outputs: &BTreeSet<&str>,
    ranges: &BTreeMap<String, Range>,
    means: Option<&BTreeMap<String, Vec<f32>>>,
) -> Result<Vec<u8>> {
    qdq::insert(&mut graph, chosen, outputs, ranges, means)?;
    store_as_integers(&mut graph)?;
    Ok(graph.into_bytes())
}

/// Stores large matrices of the float part as integers that are decoded before use: the D-GDMs'
/// prompts are half of a small network.
fn store_as_integers(graph: &mut Edit) -> Result<()> {
    let mut nodes = Vec::new();
    for mut current in graph.nodes().to_vec() {
        if let ("MatMul", Some(name)) = (current.op_type.as_str(), current.input.get(1).cloned())
            && let Ok(matrix) = graph.floats(&name)
            && matrix.ndim() == 2
            && matrix.len() >= LARGE
        {
            let rounded = weights::quantize(matrix.view(), 0);
            let rows = rounded.scales.len();
            let [integers, scale, decoded] = ["q", "s", "d"].map(|end| format!("m{}.{end}", nodes.len()));
            let zero = format!("zero.i8.{rows}");
            let bytes = rounded.values.iter().map(|value| value.to_le_bytes()[0]).collect();
            graph.set_constant(&integers, DataType::Int8, matrix.shape(), bytes);
            graph.set_floats(&scale, &qdq::vector(&rounded.scales));
            graph.set_constant(&zero, DataType::Int8, &[rows], vec![0; rows]);
            nodes.push(node("DequantizeLinear", &decoded, &[&integers, &scale, &zero], Some(0)));
            current.input[1] = decoded;
        }
        nodes.push(current);
    }
    graph.set_nodes(nodes);
    graph.drop_unused_constants();
    Ok(())
}
