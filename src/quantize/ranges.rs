//! The ranges of an int8 model, to train with and to give to other weights of its network.

use super::layers::layers;
use super::plan::{Int8, integers};
use super::qdq::Range;
use super::weights;
use crate::onnx::edit::Edit;
use crate::{Error, Result};
use ndarray::{ArrayD, Axis, IxDyn};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tract_onnx::pb::NodeProto;
use tract_onnx::pb::tensor_proto::DataType;

/// What of a network runs on integers, by the names of the nodes and values of its float32 graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranges {
    /// The layers that take integers.
    pub layers: BTreeMap<String, Ends>,
    /// The values that are rounded, for the layers that take them alone or, as [`Ends::output`],
    /// for all.
    pub values: BTreeMap<String, Range>,
    /// Matrix products in float whose matrix is stored as integers, one scale for each row.
    pub stored: BTreeSet<String>,
}

/// The values that a layer takes and gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// What it takes, rounded.
    pub input: String,
    /// What it gives, where that is rounded for all that take it.
    pub output: Option<String>,
}

impl Ranges {
    /// Reads them from an int8 model.
    ///
    /// # Errors
    /// [`Error::Model`] where the bytes are no ONNX model or nothing in it takes integers, or a
    /// scale is no positive number.
    pub fn read(int8: &[u8]) -> Result<Self> {
        let graph = Edit::parse(int8)?;
        let codes = Codes::of(&graph);
        let mut ranges = Self::default();
        for node in graph.nodes() {
            match (node.op_type.as_str(), node.input.as_slice(), node.output.as_slice()) {
                ("QuantizeLinear", [value, scale, zero], _) => {
                    let scale = number(&graph, scale)?;
                    let unsigned = graph.element(zero) == Some(DataType::Uint8);
                    ranges.values.insert(value.clone(), Range { scale, unsigned });
                }
                ("Conv" | "MatMul", [input, weight, ..], [output]) if codes.constant(weight).is_some() => {
                    match codes.rounded(input) {
                        Some(input) => {
                            let output = codes.is_rounded_for_all(output).then(|| output.clone());
                            let ends = Ends { input: input.to_owned(), output };
                            ranges.layers.insert(node.name.clone(), ends);
                        }
                        None => _ = ranges.stored.insert(node.name.clone()),
                    }
                }
                _ => {}
            }
        }
        if ranges.layers.is_empty() {
            return Err(Error::Model("no layer of this model takes integers".into()));
        }
        Ok(ranges)
    }

    /// The int8 form of a float32 model of the same network.
    ///
    /// # Errors
    /// [`Error::Model`] where the model lacks a layer that is to take integers, or is quantized.
    pub fn quantize(&self, float: &[u8]) -> Result<Int8> {
        let graph = Edit::parse(float)?;
        let chosen = layers(&graph, |layer| self.layers.contains_key(&layer.name));
        let found: BTreeSet<&String> = chosen.iter().map(|layer| &layer.name).collect();
        if let Some(missing) = self.layers.keys().find(|name| !found.contains(name)) {
            return Err(Error::Model(format!("the float32 model has no layer {missing} to quantize")));
        }
        let outputs = self.layers.values().filter_map(|ends| ends.output.as_deref()).collect();
        let onnx = integers(graph, &chosen, &outputs, &self.values, None)?;
        let layers = chosen.into_iter().map(|layer| layer.name).collect();
        Ok(Int8 { onnx, layers, kept: BTreeMap::new() })
    }
}

/// The float32 model that an int8 one stands for: what its integers decode to, and its own floats.
/// Weights that give the very integers are those of `float`, which know more digits. The two
/// differ where scales were moved between layers before rounding.
///
/// # Errors
/// [`Error::Model`] where the two are not of one network.
pub fn float_form(float: &[u8], int8: &[u8]) -> Result<Vec<u8>> {
    let (mut graph, integers) = (Edit::parse(float)?, Edit::parse(int8)?);
    let codes = Codes::of(&integers);
    let same: Vec<String> =
        graph.constants().filter(|name| integers.is_constant(name)).map(Into::into).collect();
    for name in same {
        if let (Ok(old), Ok(new)) = (graph.floats(&name), integers.floats(&name)) {
            if old.shape() != new.shape() {
                return Err(other_network(&name));
            }
            graph.set_floats(&name, &new);
        }
    }
    let by_name: HashMap<&str, &NodeProto> =
        integers.nodes().iter().map(|node| (node.name.as_str(), node)).collect();
    for node in graph.nodes().to_vec() {
        let [_, weight, ..] = node.input.as_slice() else { continue };
        let Some(other) = by_name.get(node.name.as_str()).filter(|_| graph.is_constant(weight)) else {
            continue;
        };
        let Some(code) = other.input.get(1).and_then(|weight| codes.constant(weight)) else { continue };
        let (old, new, axis) = (graph.floats(weight)?, decoded(&integers, code)?, axis(code));
        if old.shape() != new.shape() || axis >= old.ndim() {
            return Err(other_network(weight));
        }
        if weights::quantize(old.view(), axis).decoded != new {
            graph.set_floats(weight, &new);
        }
    }
    Ok(graph.into_bytes())
}

fn other_network(name: &str) -> Error {
    Error::Model(format!("the int8 model is of another network: its {name} has other extents"))
}

/// How the values of a graph are coded, by the DequantizeLinear that gives them.
struct Codes<'a> {
    decoders: HashMap<&'a str, &'a NodeProto>,
    /// Values by what their integers are called.
    encoded: HashMap<&'a str, &'a str>,
    graph: &'a Edit,
}

impl<'a> Codes<'a> {
    fn of(graph: &'a Edit) -> Self {
        let of_type =
            |op_type: &'static str| graph.nodes().iter().filter(move |node| node.op_type == op_type);
        let decoders =
            of_type("DequantizeLinear").filter(|node| node.input.len() == 3 && node.output.len() == 1);
        let encoders =
            of_type("QuantizeLinear").filter(|node| node.input.len() == 3 && node.output.len() == 1);
        Self {
            decoders: decoders.map(|node| (node.output[0].as_str(), node)).collect(),
            encoded: encoders.map(|node| (node.output[0].as_str(), node.input[0].as_str())).collect(),
            graph,
        }
    }

    /// The value that this one is rounded from.
    fn rounded(&self, value: &str) -> Option<&'a str> {
        self.encoded.get(self.decoders.get(value)?.input[0].as_str()).copied()
    }

    /// Whether nobody takes a value but what rounds it.
    fn is_rounded_for_all(&self, value: &str) -> bool {
        let mut takers = self.graph.consumers(value).map(|node| node.op_type == "QuantizeLinear");
        takers.next() == Some(true) && takers.all(|rounds| rounds) && !self.graph.is_output(value)
    }

    /// What decodes this one from constant integers.
    fn constant(&self, value: &str) -> Option<&'a NodeProto> {
        self.decoders.get(value).copied().filter(|node| self.graph.is_constant(&node.input[0]))
    }
}

fn axis(decoder: &NodeProto) -> usize {
    let axis = crate::onnx::edit::int_attribute(decoder, "axis").unwrap_or(1);
    usize::try_from(axis).unwrap_or(usize::MAX)
}

/// The constant that a node decodes.
fn decoded(graph: &Edit, decoder: &NodeProto) -> Result<ArrayD<f32>> {
    let name = &decoder.input[0];
    let (values, scales) = (graph.int8s(name)?, graph.floats(&decoder.input[1])?);
    let axis = axis(decoder);
    if axis >= values.ndim() || scales.shape() != [values.shape()[axis]] {
        return Err(Error::Model(format!("{name} has not one scale for each channel")));
    }
    let mut floats = ArrayD::zeros(IxDyn(values.shape()));
    let rows = floats.axis_iter_mut(Axis(axis)).zip(values.axis_iter(Axis(axis)));
    for ((mut floats, values), scale) in rows.zip(&scales) {
        floats.zip_mut_with(&values, |float, value| *float = f32::from(*value) * scale);
    }
    Ok(floats)
}

fn number(graph: &Edit, name: &str) -> Result<f32> {
    let scale = graph.floats(name)?;
    match scale.first() {
        Some(&scale) if scale.is_finite() && scale > 0.0 => Ok(scale),
        _ => Err(Error::Model(format!("the scale {name} is no positive number"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::calibrate::Sample;
    use super::super::layers::Kind;
    use super::super::plan::{Float, Plan};
    use super::super::{Observer, Options};
    use super::*;
    use crate::arch::VluNetConfig;
    use crate::onnx;
    use crate::weights::Weights;

    /// Numbers around 0 that repeat after no small extent.
    fn waves(shape: &[usize], seed: usize) -> ArrayD<f32> {
        let mut at = 0;
        ArrayD::from_shape_simple_fn(shape, || {
            at += 1;
            (at as f32 * 1.37 + seed as f32).sin() * (1.0 + (at % 7) as f32) * 0.2
        })
    }

    fn network() -> Vec<u8> {
        let config = VluNetConfig {
            dim: 10,
            num_blocks: [1; 4],
            num_refinement_blocks: 1,
            de_dim: 8,
            stem: 1,
            ..VluNetConfig::nano()
        };
        let table = config.parameters().into_iter().filter(|parameter| parameter.used).enumerate();
        let weights: Weights = table.map(|(at, p)| (p.name.clone(), waves(&p.shape, at))).collect();
        onnx::restorer(&config, &weights, onnx::Size::Symbolic).unwrap()
    }

    fn quantized(equalise: bool, others: bool, float: &Float) -> (Vec<u8>, Int8) {
        let onnx = network();
        let options = Options {
            observer: Observer::MinMax,
            equalise,
            correct_bias: false,
            unsigned: others,
            round_sums: others,
            ..Options::default()
        };
        let image = waves(&[1, 3, 32, 32], 1).mapv(f32::abs);
        let sample: Sample = vec![("image", image), ("degradation", waves(&[1, 512], 2) * 0.1)];
        let plan = Plan::new(&onnx, &[sample], &options, |layer| layer.kind != Kind::Linear, &|| {}).unwrap();
        (onnx, plan.build(float).unwrap())
    }

    #[test]
    fn the_ranges_of_an_int8_model_give_it_again_from_its_float_form() {
        let float = Float {
            layers: ["encoder_level1.denoiser.blocks.0.attn.qkv".to_owned()].into(),
            outputs: ["latent.denoiser.blocks.0.ffn.project_in".to_owned()].into(),
        };
        for (others, float) in [(false, Float::default()), (true, float)] {
            let (onnx, int8) = quantized(false, others, &float);
            let ranges = Ranges::read(&int8.onnx).unwrap();
            assert!(ranges.layers.keys().eq(int8.layers.iter().collect::<BTreeSet<_>>()));
            assert!(float.layers.iter().all(|layer| !ranges.layers.contains_key(layer)));
            assert_eq!(ranges.values.values().any(|range| range.unsigned), others);
            assert_eq!(
                ranges.layers["refinement.denoiser.blocks.0.ffn.project_out"].output.is_some(),
                others
            );
            assert!(ranges.layers["refinement.denoiser.blocks.0.ffn.dwconv"].output.is_some());
            assert_eq!(ranges.values["patch_embed.proj"].bounds(), [-128.0, 127.0]);
            assert_eq!(ranges.stored.len(), 16, "the prompts and Linears of eight levels");
            let again = ranges.quantize(&onnx).unwrap();
            assert!(again.onnx == int8.onnx && again.layers == int8.layers);
            assert_eq!(float_form(&onnx, &int8.onnx).unwrap(), onnx);
        }
    }

    #[test]
    fn where_scales_were_moved_the_float_form_is_what_the_integers_say() {
        let (onnx, int8) = quantized(true, false, &Float::default());
        let form = float_form(&onnx, &int8.onnx).unwrap();
        assert!(form != onnx);
        assert!(Ranges::read(&int8.onnx).unwrap().quantize(&form).unwrap().onnx == int8.onnx);
    }

    #[test]
    fn a_model_without_integers_and_one_of_another_network_are_named() {
        let (onnx, int8) = quantized(false, false, &Float::default());
        let error = Ranges::read(&onnx).unwrap_err().to_string();
        assert!(error.contains("no layer of this model takes integers"), "{error}");
        let mut ranges = Ranges::read(&int8.onnx).unwrap();
        let ends = ranges.layers["output"].clone();
        ranges.layers.insert("latent.more".into(), ends);
        let error = ranges.quantize(&onnx).unwrap_err().to_string();
        assert!(error.contains("no layer latent.more"), "{error}");
        assert!(Ranges::read(b"no model").is_err());
    }
}
