//! What becomes of the statistics: norms, linear layers and GELUs on one row of numbers.

use super::super::super::program::{Code, Layer, Norm, Weights};
use super::super::super::tower::RowStep;
use super::super::layers::Graph;
use crate::backend::reader::{self, sums_fit};
use crate::onnx::edit::float_attribute;

/// The statistics of all stages.
pub(super) struct Statistics<'a> {
    /// Mean and spread of each stage, by name.
    pub(super) parts: &'a [String],
    /// Numbers of them all.
    pub(super) count: usize,
}

/// Rows times a matrix.
pub(super) struct Product<'a> {
    /// The rows, perhaps coded on the way.
    pub(super) from: &'a str,
    pub(super) code: Option<Code>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// `[inputs, outputs]`.
    weights: Weights,
}

impl Product<'_> {
    /// A layer of 1×1 that gives its outputs so.
    pub(super) fn layer(self, output: Option<Code>) -> Option<Layer> {
        let Self { inputs, outputs, weights, .. } = self;
        let weights = match weights {
            Weights::Float(values) => Weights::Float(transposed(&values, outputs)),
            Weights::Int { values, scales, bias, input } => {
                Weights::Int { values: transposed(&values, outputs), scales, bias, input }
            }
        };
        (outputs > 0 && inputs > 0).then_some(Layer { outputs, inputs, taps: 1, weights, output })
    }
}

/// `[columns, rows]` of `[rows, columns]`.
fn transposed<T: Copy>(matrix: &[T], columns: usize) -> Vec<T> {
    (0..columns).flat_map(|column| matrix.iter().skip(column).step_by(columns).copied()).collect()
}

impl<'a> Graph<'a> {
    /// The steps from the statistics to a row `[1, numbers]`, in their order.
    pub(super) fn steps(&self, value: &str) -> Option<(Vec<RowStep>, Statistics<'a>)> {
        let reader = &self.reader;
        let [x, shape] = reader.producer(value, "Reshape")?.input.as_slice() else { return None };
        let (mut x, mut width) = (x.as_str(), self.numbers(shape, 1)?);
        let mut steps = Vec::new();
        while reader.producer(x, "Reshape").is_none() {
            let (step, from, inputs) = self.row_step(x, width)?;
            steps.push(step);
            (x, width) = (from, inputs);
        }
        steps.reverse();
        let [parts, shape] = reader.producer(x, "Reshape")?.input.as_slice() else { return None };
        let parts = reader.producer(parts, "Concat")?.input.as_slice();
        let count = self.numbers(shape, 2).filter(|count| *count == width)?;
        Some((steps, Statistics { parts, count }))
    }

    /// The step that gives a value of so many numbers, what it takes, and how many these are.
    fn row_step(&self, value: &'a str, width: usize) -> Option<(RowStep, &'a str, usize)> {
        if let Some((norm, from)) = self.layer_norm(value) {
            return (norm.gain.len() == width).then_some((RowStep::Norm(norm), from, width));
        }
        if let Some(from) = self.reader.gelu(value) {
            return Some((RowStep::Gelu, from, width));
        }
        let (product, bias) = match self.reader.producer(value, "Add") {
            Some(add) => {
                let [product, bias] = add.input.as_slice() else { return None };
                (product.as_str(), self.vector(bias)?)
            }
            None => (value, vec![0.0; width]),
        };
        let Product { from, inputs, outputs, weights, .. } = self.product(product)?;
        let sound = [outputs, bias.len()] == [width; 2];
        sound.then_some((RowStep::Linear { weights, bias }, from, inputs))
    }

    /// The product of rows with a matrix that gives a value.
    pub(super) fn product(&self, value: &str) -> Option<Product<'a>> {
        let [rows, matrix] = self.reader.producer(value, "MatMul")?.input.as_slice() else { return None };
        let (from, code) = self.uncoded(rows)?;
        let Some(input) = code else {
            let shape = self.reader.edit.shape(matrix)?;
            let &[inputs, outputs] = shape.as_slice() else { return None };
            let weights = Weights::Float(self.floats(matrix)?);
            return Some(Product { from, code, inputs, outputs, weights });
        };
        let reader::Weights { values, shape, scales } = self.coded(matrix, 1)?;
        let &[inputs, outputs] = shape.as_slice() else { return None };
        let bias = vec![0; outputs];
        let is_step = |scale: &f32| (scale * input.scale).is_finite() && scale * input.scale > 0.0;
        let sound = scales.iter().all(is_step) && sums_fit(inputs, &bias);
        let weights = Weights::Int { values, scales, bias, input };
        sound.then_some(Product { from, code, inputs, outputs, weights })
    }

    /// What a layer takes, and how that is coded on the way, if it is; none where it is coded in a way
    /// that isn't known.
    pub(super) fn uncoded(&self, value: &'a str) -> Option<(&'a str, Option<Code>)> {
        if let Some((from, code)) = self.rounded(value) {
            return Some((from, Some(code)));
        }
        let is_plain = self.reader.producer(value, "DequantizeLinear").is_none();
        is_plain.then_some((value, None))
    }

    /// The LayerNorm over the last axis that gives a value, and what it takes.
    pub(super) fn layer_norm(&self, value: &str) -> Option<(Norm, &'a str)> {
        let node = self.reader.producer(value, "LayerNormalization")?;
        let [from, gain, bias] = node.input.as_slice() else { return None };
        let epsilon = float_attribute(node, "epsilon")?;
        let (gain, bias) = (self.vector(gain)?, self.vector(bias)?);
        let sound = gain.len() == bias.len() && epsilon > 0.0 && epsilon.is_finite();
        sound.then_some((Norm { gain, bias, epsilon }, from))
    }

    /// The numbers of a row of constant shape, behind as many axes of 1.
    fn numbers(&self, shape: &str, axes: usize) -> Option<usize> {
        let extents = self.reader.extents(shape)?;
        let (numbers, ones) = extents.split_last()?;
        let is_row = ones.len() == axes && ones.iter().all(|extent| *extent == 1);
        usize::try_from(*numbers).ok().filter(|numbers| is_row && *numbers > 0)
    }
}
