//! Which layers of a network round as integers do, and where.

use crate::arch::Parameter;
use crate::quantize::{Range, Ranges};
use crate::train::kernels;
use crate::train::parameters::Parameters;
use burn::tensor::Tensor;
use std::collections::{BTreeMap, HashSet};

/// Behind the name of a rounded value, the logarithm of its scale: what is learned of it.
const LOG_SCALE: &str = ".log_scale";

/// Fake quantization: a network that computes in floats what its int8 form computes in integers.
///
/// Weights are rounded anew in each step, with the scales that quantizing them gives; the
/// scales of activations are parameters beside the weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Rounding {
    layers: BTreeMap<String, Rounded>,
    ranges: Ranges,
}

/// What a layer rounds, beside its weights.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rounded {
    /// The value that it takes, where that isn't rounded for all.
    input: Option<String>,
    /// The value that it gives.
    output: Option<String>,
}

impl Rounding {
    /// Where a network of these ranges rounds.
    pub fn new(ranges: Ranges) -> Self {
        let outputs: HashSet<&String> =
            ranges.layers.values().filter_map(|ends| ends.output.as_ref()).collect();
        let layers = ranges.layers.iter().map(|(name, ends)| {
            let input = Some(&ends.input).filter(|input| !outputs.contains(input));
            (name.clone(), Rounded { input: input.cloned(), output: ends.output.clone() })
        });
        let stored = ranges.stored.iter().map(|name| (name.clone(), Rounded::default()));
        Self { layers: layers.chain(stored).collect(), ranges }
    }

    /// The scales, as parameters of the network.
    pub fn table(&self) -> Vec<Parameter> {
        let names = self.ranges.values.keys().map(|value| format!("{value}{LOG_SCALE}"));
        names.map(|name| Parameter { name, shape: vec![1], used: true }).collect()
    }

    /// What a scale of [`Self::table`] begins with.
    pub fn initial(&self, parameter: &Parameter) -> Option<f32> {
        let value = parameter.name.strip_suffix(LOG_SCALE)?;
        self.ranges.values.get(value).map(|range| range.scale.ln())
    }

    /// The ranges that go with learned scales; `log_scale` has those of [`Self::table`] by name.
    pub fn learned(&self, log_scale: impl Fn(&str) -> Option<f32>) -> Ranges {
        let mut ranges = self.ranges.clone();
        for (value, range) in &mut ranges.values {
            if let Some(log_scale) = log_scale(&format!("{value}{LOG_SCALE}")) {
                range.scale = log_scale.exp();
            }
        }
        ranges
    }

    /// The ranges that it began with.
    pub fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    /// `x` as the layer takes it.
    pub(super) fn input(&self, p: &Parameters, layer: &str, x: Tensor<4>) -> Tensor<4> {
        let value = self.layers.get(layer).and_then(|rounded| rounded.input.as_ref());
        self.round(p, value, x)
    }

    /// What the layer gives, as all see it.
    pub(super) fn output(&self, p: &Parameters, layer: &str, x: Tensor<4>) -> Tensor<4> {
        let value = self.layers.get(layer).and_then(|rounded| rounded.output.as_ref());
        self.round(p, value, x)
    }

    /// The layer's weights, output channels first.
    pub(super) fn weights<const D: usize>(&self, layer: &str, weights: Tensor<D>) -> Tensor<D> {
        if self.layers.contains_key(layer) { kernels::fake_quantize_weights(weights) } else { weights }
    }

    fn round(&self, p: &Parameters, value: Option<&String>, x: Tensor<4>) -> Tensor<4> {
        let Some((value, range)) = value.and_then(|value| self.ranges.values.get_key_value(value)) else {
            return x;
        };
        let bounds = range.bounds();
        let scale = p.values(&format!("{value}{LOG_SCALE}")).clone().exp();
        kernels::fake_quantize(x.clone(), slowed(scale, &x, range), bounds)
    }
}

/// The scale with a gradient of the size of a weight's (Esser et al. 2020, section 2.2).
fn slowed(scale: Tensor<1>, x: &Tensor<4>, range: &Range) -> Tensor<1> {
    let [batch, ..] = x.dims();
    let features = x.shape().num_elements() / batch.max(1);
    let factor = 1.0 / (features as f32 * range.bounds()[1]).sqrt();
    let constant = scale.clone().detach();
    (scale - constant.clone()) * factor + constant
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantize::Ends;

    #[test]
    fn a_value_that_is_a_layers_output_is_rounded_once() {
        let ends =
            |input: &str, output: Option<&str>| Ends { input: input.into(), output: output.map(Into::into) };
        let range = Range { scale: 0.5, unsigned: false };
        let ranges = Ranges {
            layers: [("a".to_owned(), ends("x", Some("a"))), ("b".to_owned(), ends("a", None))].into(),
            values: [("x".to_owned(), range), ("a".to_owned(), range)].into(),
            stored: ["m".to_owned()].into(),
        };
        let rounding = Rounding::new(ranges.clone());
        let rounded = |input: Option<&str>, output: Option<&str>| Rounded {
            input: input.map(Into::into),
            output: output.map(Into::into),
        };
        assert_eq!(rounding.layers["a"], rounded(Some("x"), Some("a")));
        assert_eq!(rounding.layers["b"], rounded(None, None));
        assert_eq!(rounding.layers["m"], rounded(None, None));
        let table = rounding.table();
        assert_eq!(table.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["a.log_scale", "x.log_scale"]);
        assert_eq!(rounding.initial(&table[0]), Some(0.5f32.ln()));
        let learned = rounding.learned(|name| (name == "x.log_scale").then_some(0.0));
        assert_eq!((learned.values["x"].scale, learned.values["a"].scale), (1.0, 0.5));
        assert_eq!(learned.layers, ranges.layers);
    }
}
