//! The layers of a graph that run on integers, and with what numbers.

use super::super::operators::{Element, IntConv, IntMatMul, Kernel, Window};
use crate::backend::kernels::int8::{Depthwise, Form, Product};
use crate::backend::reader::{Code, Reader, Weights, sums_fit};
use crate::onnx::edit::{int_attribute, ints_attribute};
use std::sync::Arc;
use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::TypedOp;

/// A layer that runs on integers.
pub(super) struct Layer<'a> {
    pub(super) op: Box<dyn TypedOp>,
    /// The value of bytes that it takes.
    pub(super) from: String,
    /// The value that it gives.
    pub(super) to: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn layer(&self, node: &'a NodeProto) -> Option<Layer<'a>> {
        let is_conv = match node.op_type.as_str() {
            "Conv" => true,
            "MatMul" => false,
            _ => return None,
        };
        let [input, weight, ..] = node.input.as_slice() else { return None };
        let (decoder, code) = self.decoded(input)?;
        let weights = self.weights(weight, if is_conv { 0 } else { 1 })?;
        let output = node.output.first()?;
        let steps: Vec<f32> = weights.scales.iter().map(|scale| scale * code.scale).collect();
        let biases = self.bias(node.input.get(2), &steps)?;
        // A sole reader that codes the output gets its bytes at once.
        let coder = match self.readers(output) {
            [reader] if is_conv && reader.op_type == "QuantizeLinear" && !self.edit.is_output(output) => {
                self.coding(reader).map(|code| (*reader, code))
            }
            _ => None,
        };
        let (to, element_out, multipliers) = match coder {
            Some((coder, Code { scale, zero, element })) => {
                let multipliers = steps.iter().map(|step| step / scale).collect();
                (coder.output.first()?, Element::Byte(element, zero), multipliers)
            }
            None => (output, Element::Float, steps),
        };
        let zero = code.element.raised(code.zero);
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
        let finite = |multiplier: &f32| multiplier.is_finite() && *multiplier > 0.0;
        sums_fit(inputs, &self.biases) && self.multipliers.iter().all(finite)
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
