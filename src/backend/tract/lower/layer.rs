//! Which parts of a graph run on integers, and with what numbers.

use super::super::operators::{Element, IntConv, IntMatMul, Kernel, Window};
use crate::backend::kernels::int8::{Byte, Depthwise, Form, Product};
use crate::onnx::edit::{Edit, int_attribute, ints_attribute};
use std::collections::HashMap;
use std::sync::Arc;
use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::TypedOp;

/// What int32 sums must stay below.
const LARGEST: f64 = 1e9;

/// How an activation is coded.
#[derive(Clone, Copy)]
pub(super) struct Code {
    pub(super) scale: f32,
    pub(super) zero: i32,
}

/// A layer that runs on integers.
pub(super) struct Layer<'a> {
    pub(super) op: Box<dyn TypedOp>,
    /// The value of bytes that it takes.
    pub(super) from: String,
    /// The value that it gives.
    pub(super) to: &'a str,
}

/// A graph, to be looked through for layers.
pub(super) struct Reader<'a> {
    pub(super) edit: &'a Edit,
    producers: HashMap<&'a str, &'a NodeProto>,
    readers: HashMap<&'a str, Vec<&'a NodeProto>>,
}

/// The constant weights of a layer: `[outputs, ..]`, of one scale for each output.
struct Weights {
    values: Vec<i8>,
    shape: Vec<usize>,
    scales: Vec<f32>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(edit: &'a Edit) -> Self {
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
    pub(super) fn producer(&self, value: &str, op_type: &str) -> Option<&'a NodeProto> {
        self.producers.get(value).copied().filter(|node| node.op_type == op_type)
    }

    /// The nodes that take a value.
    pub(super) fn readers(&self, value: &str) -> &[&'a NodeProto] {
        self.readers.get(value).map_or(&[], Vec::as_slice)
    }

    /// Scale and zero of a node that codes or decodes an activation, and the element that it
    /// makes or takes.
    pub(super) fn coding(&self, node: &NodeProto) -> Option<(Code, Byte)> {
        if !matches!(node.op_type.as_str(), "QuantizeLinear" | "DequantizeLinear") {
            return None;
        }
        let [input, scale, zero] = node.input.as_slice() else { return None };
        if self.edit.is_constant(input) {
            return None;
        }
        let scale = self.edit.floats(scale).ok().filter(|scale| scale.len() == 1)?;
        let scale = *scale.first().filter(|scale| scale.is_finite() && **scale > 0.0)?;
        let (zero, element) = match self.edit.bytes(zero)? {
            ([zero], true) => (i32::from(*zero as i8), Byte::I8),
            ([zero], false) => (i32::from(*zero), Byte::U8),
            _ => return None,
        };
        Some((Code { scale, zero }, element))
    }

    /// The code of an activation that a layer takes.
    pub(super) fn decoded(&self, value: &str) -> Option<(&'a NodeProto, Code, Byte)> {
        let node = *self.producers.get(value)?;
        let (code, element) = self.coding(node).filter(|_| node.op_type == "DequantizeLinear")?;
        Some((node, code, element))
    }

    /// The integers behind a layer's weights, whose outputs run along `axis`.
    fn weights(&self, value: &str, axis: i64) -> Option<Weights> {
        let node = *self.producers.get(value).filter(|node| node.op_type == "DequantizeLinear")?;
        let (values, true) = self.edit.bytes(node.input.first()?)? else { return None };
        let shape = self.edit.shape(node.input.first()?)?;
        let scales = self.edit.floats(node.input.get(1)?).ok()?;
        let outputs = *shape.get(usize::try_from(axis).ok()?)?;
        let along = int_attribute(node, "axis").unwrap_or(1) == axis;
        if !(scales.len() == 1 || (along && scales.len() == outputs)) {
            return None;
        }
        if let Some(zero) = node.input.get(2) {
            self.edit.bytes(zero).filter(|(bytes, _)| bytes.iter().all(|byte| *byte == 0))?;
        }
        let scale = |output: usize| scales.iter().nth(if scales.len() == 1 { 0 } else { output });
        let scales = (0..outputs).map(|output| scale(output).copied()).collect::<Option<Vec<f32>>>()?;
        let values = values.iter().map(|byte| *byte as i8).collect();
        Some(Weights { values, shape, scales })
    }

    /// A layer's bias in steps of its sums; zeros where there is none.
    fn bias(&self, value: Option<&String>, steps: &[f32]) -> Option<Vec<i32>> {
        let Some(value) = value.filter(|value| !value.is_empty()) else { return Some(vec![0; steps.len()]) };
        if let Ok(floats) = self.edit.floats(value) {
            let integers = floats.iter().zip(steps).map(|(bias, step)| (bias / step).round() as i32);
            return (floats.len() == steps.len()).then(|| integers.collect());
        }
        let node = *self.producers.get(value.as_str()).filter(|node| node.op_type == "DequantizeLinear")?;
        let integers = self.edit.int32s(node.input.first()?)?;
        let scales = self.edit.floats(node.input.get(1)?).ok()?;
        // ONNX wants the bias in steps of the sums.
        let alike = |(scale, step): (&f32, &f32)| (scale - step).abs() <= 1e-4 * step;
        let fits = integers.len() == steps.len() && scales.len() == steps.len();
        (fits && scales.iter().zip(steps).all(alike)).then_some(integers)
    }

    pub(super) fn layer(&self, node: &'a NodeProto) -> Option<Layer<'a>> {
        let is_conv = match node.op_type.as_str() {
            "Conv" => true,
            "MatMul" => false,
            _ => return None,
        };
        let [input, weight, ..] = node.input.as_slice() else { return None };
        let (decoder, code, element) = self.decoded(input)?;
        let weights = self.weights(weight, if is_conv { 0 } else { 1 })?;
        let output = node.output.first()?;
        let steps: Vec<f32> = weights.scales.iter().map(|scale| scale * code.scale).collect();
        let biases = self.bias(node.input.get(2), &steps)?;
        // A sole reader that codes the output gets its bytes at once.
        let coder = match self.readers(output) {
            [reader] if is_conv && reader.op_type == "QuantizeLinear" && !self.edit.is_output(output) => {
                self.coding(reader).map(|(code, element)| (*reader, code, element))
            }
            _ => None,
        };
        let (to, element_out, multipliers) = match coder {
            Some((coder, Code { scale, zero }, element)) => {
                let multipliers = steps.iter().map(|step| step / scale).collect();
                (coder.output.first()?, Element::Byte(element, zero), multipliers)
            }
            None => (output, Element::Float, steps),
        };
        let zero = element.raised(code.zero);
        let built = Built { weights, biases, multipliers, zero: u8::try_from(zero).ok()? };
        let op: Box<dyn TypedOp> =
            if is_conv { Box::new(built.conv(node, element_out)?) } else { Box::new(built.matmul()?) };
        Some(Layer { op, from: decoder.input.first()?.clone(), to })
    }
}

/// The numbers of a layer.
struct Built {
    weights: Weights,
    biases: Vec<i32>,
    multipliers: Vec<f32>,
    zero: u8,
}

impl Built {
    /// Whether no sum of so many products can be too large, and no number is none.
    fn is_exact(&self, inputs: usize) -> bool {
        let sums = inputs as f64 * 255.0 * 128.0;
        let finite = |multiplier: &f32| multiplier.is_finite() && *multiplier > 0.0;
        let bias = self.biases.iter().fold(0.0, |most, bias| f64::from(bias.unsigned_abs()).max(most));
        sums + bias < LARGEST && self.multipliers.iter().all(finite)
    }

    fn conv(self, node: &NodeProto, element: Element) -> Option<IntConv> {
        let &[outputs, inputs, height, width] = self.weights.shape.as_slice() else { return None };
        let ints = |name: &str, usual: i64, count: usize| -> Option<Vec<usize>> {
            let given = ints_attribute(node, name).filter(|ints| !ints.is_empty());
            let ints = given.map_or_else(|| vec![usual; count], <[i64]>::to_vec);
            let ints: Option<Vec<usize>> = ints.into_iter().map(|int| usize::try_from(int).ok()).collect();
            ints.filter(|ints| ints.len() == count && ints.iter().all(|int| *int <= 64))
        };
        let strides: [usize; 2] = ints("strides", 1, 2)?.try_into().ok()?;
        let pads: [usize; 4] = ints("pads", 0, 4)?.try_into().ok()?;
        let sound = ints("dilations", 1, 2)? == [1, 1]
            && !strides.contains(&0)
            && self.is_exact(inputs * height * width)
            && inputs * height * width * outputs > 0
            && node
                .attribute
                .iter()
                .all(|attribute| attribute.name != "auto_pad" || attribute.s == b"NOTSET");
        let window = Window { kernel: [height, width], strides, pads };
        let near = Window { kernel: [3, 3], strides: [1, 1], pads: [1; 4] };
        let group = usize::try_from(int_attribute(node, "group").unwrap_or(1)).ok()?;
        let Self { weights, biases, multipliers, zero } = self;
        let (kernel, inputs) = if group == 1 {
            let product = Product::new(Form::best(), &weights.values, &biases, &multipliers, zero.into());
            (Kernel::Product(product), inputs)
        } else if group == outputs && inputs == 1 && window == near {
            let kernels = Depthwise::new(Form::best(), &weights.values, &biases, &multipliers, zero.into());
            (Kernel::Depthwise(kernels), outputs)
        } else {
            return None;
        };
        let kind = Arc::new(kernel);
        sound.then_some(IntConv { kind, element, zero, window, inputs, outputs })
    }

    fn matmul(self) -> Option<IntMatMul> {
        let &[inputs, outputs] = self.weights.shape.as_slice() else { return None };
        if !self.is_exact(inputs) || inputs * outputs == 0 {
            return None;
        }
        let turned: Vec<i8> = (0..outputs)
            .flat_map(|output| (0..inputs).map(move |input| input * outputs + output))
            .map(|at| self.weights.values[at])
            .collect();
        let product = Product::new(Form::best(), &turned, &self.biases, &self.multipliers, self.zero.into());
        Some(IntMatMul { product: Arc::new(product), inputs, outputs })
    }
}
