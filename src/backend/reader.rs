//! A graph to be looked through: what gives a value, what takes it, and how it is coded.

use super::kernels::int8::Byte;
use crate::onnx::edit::{Edit, float_attribute, int_attribute, ints_attribute};
use std::collections::HashMap;
use tract_onnx::pb::NodeProto;

/// What int32 sums must stay below.
const LARGEST: f64 = 1e9;

/// Constants of more integers than this are no shapes.
const MAX_RANK: usize = 8;

/// How numbers are coded in bytes: x = (byte - zero)·scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Code {
    pub(crate) scale: f32,
    pub(crate) zero: i32,
    pub(crate) element: Byte,
}

/// A graph, to be looked through.
pub(crate) struct Reader<'a> {
    pub(crate) edit: &'a Edit,
    producers: HashMap<&'a str, &'a NodeProto>,
    readers: HashMap<&'a str, Vec<&'a NodeProto>>,
}

/// The constant weights of a layer: `[outputs, ..]`, of one scale for each output.
pub(crate) struct Weights {
    pub(crate) values: Vec<i8>,
    pub(crate) shape: Vec<usize>,
    pub(crate) scales: Vec<f32>,
}

/// A LayerNorm over channels: the picture that it takes, and its constants' names.
pub(crate) struct ChannelNorm<'a> {
    pub(crate) from: &'a str,
    pub(crate) gain: &'a str,
    pub(crate) bias: &'a str,
    pub(crate) epsilon: f32,
}

/// The channels of a picture as rows of unit length, `heads` times `channels` of them.
pub(crate) struct UnitRows<'a> {
    pub(crate) picture: &'a str,
    pub(crate) heads: usize,
    pub(crate) channels: usize,
    pub(crate) epsilon: f32,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(edit: &'a Edit) -> Self {
        let mut readers: HashMap<&str, Vec<&NodeProto>> = HashMap::new();
        let mut producers = HashMap::new();
        for node in edit.nodes() {
            node.input.iter().for_each(|input| readers.entry(input).or_default().push(node));
            node.output.iter().for_each(|output| {
                producers.insert(output.as_str(), node);
            });
        }
        Self { edit, producers, readers }
    }

    /// The node that gives a value, if it is of that kind.
    pub(crate) fn producer(&self, value: &str, op_type: &str) -> Option<&'a NodeProto> {
        self.producers.get(value).copied().filter(|node| node.op_type == op_type)
    }

    /// The nodes that take a value.
    pub(crate) fn readers(&self, value: &str) -> &[&'a NodeProto] {
        self.readers.get(value).map_or(&[], Vec::as_slice)
    }

    /// A constant of one number.
    pub(crate) fn scalar(&self, name: &str) -> Option<f32> {
        // A large one is not to be copied only to be refused.
        self.edit.shape(name).filter(|shape| shape.iter().all(|extent| *extent == 1))?;
        self.edit.floats(name).ok()?.first().copied()
    }

    /// A constant shape.
    pub(crate) fn extents(&self, name: &str) -> Option<Vec<i64>> {
        self.edit.shape(name).filter(|shape| matches!(shape.as_slice(), [rank] if *rank <= MAX_RANK))?;
        self.edit.int64s(name)
    }

    /// The heads and the channels of each that a constant shape of rows names.
    pub(crate) fn heads(&self, shape: &str) -> Option<[usize; 2]> {
        let &[1, heads, channels, -1] = self.extents(shape)?.as_slice() else { return None };
        let both = [usize::try_from(heads).ok()?, usize::try_from(channels).ok()?];
        both[0].checked_mul(both[1]).filter(|rows| *rows > 0).map(|_| both)
    }

    /// How a node codes or decodes an activation.
    pub(crate) fn coding(&self, node: &NodeProto) -> Option<Code> {
        if !matches!(node.op_type.as_str(), "QuantizeLinear" | "DequantizeLinear") {
            return None;
        }
        let [input, scale, zero] = node.input.as_slice() else { return None };
        if self.edit.is_constant(input) {
            return None;
        }
        let scale = self.scalar(scale).filter(|scale| scale.is_finite() && *scale > 0.0)?;
        let (zero, element) = match self.edit.bytes(zero)? {
            ([zero], true) => (i32::from(*zero as i8), Byte::I8),
            ([zero], false) => (i32::from(*zero), Byte::U8),
            _ => return None,
        };
        Some(Code { scale, zero, element })
    }

    /// The node that decodes an activation, and its code.
    pub(crate) fn decoded(&self, value: &str) -> Option<(&'a NodeProto, Code)> {
        let node = self.producer(value, "DequantizeLinear")?;
        Some((node, self.coding(node)?))
    }

    /// The integers behind a layer's weights, whose outputs run along `axis`.
    pub(crate) fn weights(&self, value: &str, axis: i64) -> Option<Weights> {
        let node = self.producer(value, "DequantizeLinear")?;
        let (values, true) = self.edit.bytes(node.input.first()?)? else { return None };
        let shape = self.edit.shape(node.input.first()?)?;
        let scales = self.edit.floats(node.input.get(1)?).ok()?;
        let outputs = *shape.get(usize::try_from(axis).ok()?)?;
        let along = int_attribute(node, "axis").unwrap_or(1) == axis;
        let fits = scales.len() == 1 || (along && scales.len() == outputs);
        // Without weights there is nothing that bounds the outputs.
        if !fits || values.is_empty() {
            return None;
        }
        if let Some(zero) = node.input.get(2) {
            self.edit.bytes(zero).filter(|(bytes, _)| bytes.iter().all(|byte| *byte == 0))?;
        }
        let mut scales: Vec<f32> = scales.into_iter().collect();
        if let [scale] = *scales.as_slice() {
            scales = vec![scale; outputs];
        }
        let values = values.iter().map(|byte| *byte as i8).collect();
        Some(Weights { values, shape, scales })
    }

    /// A layer's bias in steps of its sums; zeros where there is none.
    pub(crate) fn bias(&self, value: Option<&String>, steps: &[f32]) -> Option<Vec<i32>> {
        let Some(value) = value.filter(|value| !value.is_empty()) else { return Some(vec![0; steps.len()]) };
        if let Ok(floats) = self.edit.floats(value) {
            let integers = floats.iter().zip(steps).map(|(bias, step)| (bias / step).round() as i32);
            return (floats.len() == steps.len()).then(|| integers.collect());
        }
        let node = self.producer(value, "DequantizeLinear")?;
        let integers = self.edit.int32s(node.input.first()?)?;
        let scales = self.edit.floats(node.input.get(1)?).ok()?;
        // ONNX wants the bias in steps of the sums, and of no zero.
        let along = int_attribute(node, "axis").is_none_or(|axis| axis == 0);
        let zeros = |zeros: Vec<i32>| zeros.iter().all(|zero| *zero == 0);
        if !along || !node.input.get(2).is_none_or(|zero| self.edit.int32s(zero).is_some_and(zeros)) {
            return None;
        }
        let alike = |(scale, step): (&f32, &f32)| (scale - step).abs() <= 1e-4 * step;
        let fits = integers.len() == steps.len() && scales.len() == steps.len();
        (fits && scales.iter().zip(steps).all(alike)).then_some(integers)
    }

    /// The LayerNorm over channels, with these brought last and back, that gives a value.
    pub(crate) fn channel_norm(&self, value: &str) -> Option<ChannelNorm<'a>> {
        let back = self.producer(value, "Transpose")?;
        let norm = self.producer(back.input.first()?, "LayerNormalization")?;
        let [last, gain, bias] = norm.input.as_slice() else { return None };
        let forth = self.producer(last, "Transpose")?;
        let turned =
            ints_attribute(forth, "perm")? == [0, 2, 3, 1] && ints_attribute(back, "perm")? == [0, 3, 1, 2];
        let over_last = matches!(int_attribute(norm, "axis").unwrap_or(-1), -1 | 3);
        let epsilon = float_attribute(norm, "epsilon").unwrap_or(1e-5);
        let from = forth.input.first()?;
        (turned && over_last).then_some(ChannelNorm { from, gain, bias, epsilon })
    }

    /// The x of x * (erf(x / √2) + 1) * ½.
    pub(crate) fn gelu(&self, value: &str) -> Option<&'a str> {
        let constant = |name: &str, wanted: f32| self.scalar(name).is_some_and(|x| (x - wanted).abs() < 1e-6);
        let [whole, half] = self.producer(value, "Mul")?.input.as_slice() else { return None };
        let [x, shifted] = self.producer(whole, "Mul")?.input.as_slice() else { return None };
        let [erf, one] = self.producer(shifted, "Add")?.input.as_slice() else { return None };
        let erf = self.producer(erf, "Erf")?;
        let [same, root] = self.producer(erf.input.first()?, "Div")?.input.as_slice() else { return None };
        let sound = x == same
            && constant(half, 0.5)
            && constant(one, 1.0)
            && constant(root, std::f32::consts::SQRT_2);
        sound.then_some(x)
    }

    /// rows / max(|rows|, epsilon).
    pub(crate) fn unit_rows(&self, value: &str) -> Option<UnitRows<'a>> {
        let unit = self.producer(value, "Div")?;
        let [rows, length] = unit.input.as_slice() else { return None };
        let most = self.producer(length, "Max")?;
        let [norm, epsilon] = most.input.as_slice() else { return None };
        let norm = self.producer(norm, "ReduceL2")?;
        let epsilon = self.scalar(epsilon).filter(|epsilon| *epsilon > 0.0)?;
        let sound = norm.input.first()? == rows && ints_attribute(norm, "axes")? == [-1];
        let reshape = self.producer(rows, "Reshape").filter(|_| sound)?;
        let [picture, shape] = reshape.input.as_slice() else { return None };
        let [heads, channels] = self.heads(shape)?;
        Some(UnitRows { picture, heads, channels, epsilon })
    }
}

/// Whether no sum of so many products of bytes and weights, from one of these biases on, is too
/// large for what adds them up.
pub(crate) fn sums_fit(products: usize, biases: &[i32]) -> bool {
    let bias = biases.iter().fold(0.0, |most, bias| f64::from(bias.unsigned_abs()).max(most));
    products as f64 * 255.0 * 128.0 + bias < LARGEST
}
