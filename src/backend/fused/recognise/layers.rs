//! Convolutions, norms and other constants: first how they hang together, their numbers only when
//! all else of a block has been found.

use super::super::program::{Code, Layer, Norm, Weights};
use crate::backend::reader::{self, Reader, sums_fit};
use crate::onnx::edit::{Edit, int_attribute, ints_attribute};
use std::cell::Cell;
use tract_onnx::pb::NodeProto;

/// How often the numbers of a file may be read: a few layers share theirs, and a file whose layers
/// all do would fill any memory.
const READINGS: usize = 2;

/// A graph, and how much of it may yet be read.
pub(super) struct Graph<'a> {
    pub(super) reader: Reader<'a>,
    budget: Cell<usize>,
}

/// A convolution whose numbers aren't read yet.
#[derive(Clone, Copy)]
pub(super) struct Conv<'a> {
    node: &'a NodeProto,
    /// The value of floats that it takes, perhaps coded on the way.
    pub(super) from: &'a str,
    input: Option<Code>,
    /// How its outputs are coded.
    pub(super) output: Option<Code>,
}

/// Which of the inputs an output is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// All, at that pixel.
    Point,
    /// All, around it.
    Spatial,
    /// Its own, around it.
    Depthwise,
}

impl<'a> Graph<'a> {
    pub(super) fn new(edit: &'a Edit) -> Self {
        let elements = edit.constants().filter_map(|name| elements(edit, name));
        let all = elements.fold(0usize, usize::saturating_add);
        Self { reader: Reader::new(edit), budget: Cell::new(all.saturating_mul(READINGS)) }
    }

    /// The convolution that gives a value, perhaps coded and decoded behind it.
    pub(super) fn conv(&self, value: &str) -> Option<Conv<'a>> {
        let (given, output) = self.rounded(value).map_or((value, None), |(given, code)| (given, Some(code)));
        let node = self.reader.producer(given, "Conv")?;
        let input = node.input.first()?;
        let (from, input) =
            self.rounded(input).map_or((input.as_str(), None), |(from, code)| (from, Some(code)));
        Some(Conv { node, from, input, output })
    }

    /// What was coded and decoded to give a value, and how.
    pub(super) fn rounded(&self, value: &str) -> Option<(&'a str, Code)> {
        let (decoder, code) = self.reader.decoded(value)?;
        let coder = self.reader.producer(decoder.input.first()?, "QuantizeLinear")?;
        let same = self.reader.coding(coder)? == code;
        coder.input.first().filter(|_| same).map(|from| (from.as_str(), code))
    }

    /// The kind of a convolution over all channels.
    pub(super) fn dense(&self, conv: Conv<'a>) -> Option<Kind> {
        // The file may leave the kernel's shape to the weights, which may be integers.
        let weight = conv.node.input.get(1)?;
        let shape = self.reader.edit.shape(weight).or_else(|| {
            let decoder = self.reader.producer(weight, "DequantizeLinear")?;
            self.reader.edit.shape(decoder.input.first()?)
        })?;
        match shape.as_slice() {
            [_, _, 1, 1] => Some(Kind::Point),
            _ => Some(Kind::Spatial),
        }
    }

    /// The numbers of a convolution of that kind.
    pub(super) fn layer(&self, conv: Conv<'a>, kind: Kind) -> Option<Layer> {
        let Conv { node, input, output, .. } = conv;
        let weight = node.input.get(1)?;
        let (weights, shape) = match input {
            Some(code) => self.integers(node, weight, code)?,
            None if node.input.len() == 2 => {
                (Weights::Float(self.floats(weight)?), self.reader.edit.shape(weight)?)
            }
            None => return None,
        };
        let &[outputs, inputs, height, width] = shape.as_slice() else { return None };
        let side = if kind == Kind::Point { 1 } else { 3 };
        let group = if kind == Kind::Depthwise { outputs } else { 1 };
        let (side_ints, pad) = ([side as i64; 2], [side as i64 / 2; 4]);
        let sound = [height, width] == [side; 2]
            && outputs > 0
            && inputs > 0
            && (kind != Kind::Depthwise || inputs == 1)
            && int_attribute(node, "group").unwrap_or(1) == i64::try_from(group).ok()?
            && ints_attribute(node, "kernel_shape").is_none_or(|kernel| kernel == side_ints)
            && ints_attribute(node, "pads")? == pad;
        sound.then_some(Layer { outputs, inputs, taps: side * side, weights, output })
    }

    pub(super) fn integers(
        &self,
        node: &NodeProto,
        weight: &str,
        input: Code,
    ) -> Option<(Weights, Vec<usize>)> {
        let reader::Weights { values, shape, scales } = self.coded(weight, 0)?;
        let steps: Vec<f32> = scales.iter().map(|scale| scale * input.scale).collect();
        node.input.iter().skip(2).try_for_each(|bias| self.spend_on(bias))?;
        let bias = self.reader.bias(node.input.get(2), &steps)?;
        let finite = |step: &f32| step.is_finite() && *step > 0.0;
        let products = values.len().checked_div(scales.len())?;
        let sound = steps.iter().all(finite) && sums_fit(products, &bias);
        sound.then_some((Weights::Int { values, scales, bias, input }, shape))
    }

    /// The LayerNorm that gives a value, and what it takes.
    pub(super) fn norm(&self, value: &str) -> Option<(Norm, &'a str)> {
        let norm = self.reader.channel_norm(value)?;
        let (gain, bias) = (self.vector(norm.gain)?, self.vector(norm.bias)?);
        let sound = gain.len() == bias.len() && norm.epsilon > 0.0 && norm.epsilon.is_finite();
        sound.then_some((Norm { gain, bias, epsilon: norm.epsilon }, norm.from))
    }

    /// A constant of one axis.
    pub(super) fn vector(&self, name: &str) -> Option<Vec<f32>> {
        let rank = self.reader.edit.shape(name)?.len();
        if rank == 1 { self.floats(name) } else { None }
    }

    /// A constant of two axes, perhaps stored as integers of one scale for each row.
    pub(super) fn matrix(&self, name: &str) -> Option<(Vec<f32>, [usize; 2])> {
        if let Some(shape) = self.reader.edit.shape(name) {
            let &[rows, columns] = shape.as_slice() else { return None };
            return Some((self.floats(name)?, [rows, columns]));
        }
        let reader::Weights { values, shape, scales } = self.coded(name, 0)?;
        let &[rows, columns] = shape.as_slice() else { return None };
        Some((decode(&values, &scales), [rows, columns]))
    }

    /// A constant of floats, one at least.
    pub(super) fn floats(&self, name: &str) -> Option<Vec<f32>> {
        self.spend(name)?;
        let values: Vec<f32> = self.reader.edit.floats(name).ok()?.into_iter().collect();
        (!values.is_empty()).then_some(values)
    }

    pub(super) fn coded(&self, value: &str, axis: i64) -> Option<reader::Weights> {
        self.spend_on(value)?;
        self.reader.weights(value, axis)
    }

    /// As [`Graph::spend`], of a constant or what one is decoded from.
    fn spend_on(&self, value: &str) -> Option<()> {
        match self.reader.producer(value, "DequantizeLinear") {
            Some(decoder) => decoder.input.iter().try_for_each(|constant| self.spend(constant)),
            None => self.spend(value),
        }
    }

    /// Takes a constant's numbers from what may be read.
    fn spend(&self, constant: &str) -> Option<()> {
        let count = elements(self.reader.edit, constant)?;
        self.budget.set(self.budget.get().checked_sub(count)?);
        Some(())
    }
}

/// The numbers of a constant.
fn elements(edit: &Edit, name: &str) -> Option<usize> {
    edit.shape(name)?.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent))
}

/// The weights of a layer as floats, and its bias.
pub(super) fn plain(Layer { weights, outputs, .. }: Layer) -> (Vec<f32>, Vec<f32>) {
    match weights {
        Weights::Float(values) => (values, vec![0.0; outputs]),
        Weights::Int { values, scales, bias, input } => {
            let steps = bias.iter().zip(&scales);
            let bias = steps.map(|(&bias, scale)| bias as f32 * scale * input.scale).collect();
            (decode(&values, &scales), bias)
        }
    }
}

/// Weights of one scale for each output, as floats.
fn decode(values: &[i8], scales: &[f32]) -> Vec<f32> {
    let each = (values.len() / scales.len().max(1)).max(1);
    let rows = values.chunks_exact(each).zip(scales);
    rows.flat_map(|(row, scale)| row.iter().map(move |value| f32::from(*value) * scale)).collect()
}
