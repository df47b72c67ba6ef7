//! What lies between layers on integers and is worth one pass: LayerNorm, the gate, the
//! attention map times v.

use super::super::operators::{Element, Gate, Mix, NormEncode};
use crate::backend::reader::{ChannelNorm, Reader};
use std::sync::Arc;
use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::TypedOp;

/// An operator in the place of several.
pub(super) struct Fused {
    pub(super) op: Box<dyn TypedOp>,
    pub(super) from: Vec<String>,
}

/// Equal parts of the channels of bytes: which one, of how many.
struct Share {
    bytes: String,
    index: usize,
    of: usize,
    scale: f32,
    zero: i32,
}

impl<'a> Reader<'a> {
    /// The operators that end in this node.
    pub(super) fn fused(&self, node: &NodeProto) -> Option<Fused> {
        let value = node.input.first()?;
        if node.op_type == "QuantizeLinear" {
            let code = self.coding(node)?;
            let bytes = Element::Byte(code.element, code.zero);
            return self
                .norm(value, code.scale, bytes)
                .or_else(|| self.mix(value, code.scale, bytes))
                .or_else(|| self.gate(self.producer(value, "Mul")?, code.scale.recip(), bytes));
        }
        // A gate whose output stays in float.
        let readers = self.readers(node.output.first()?);
        let coded = readers.iter().any(|reader| reader.op_type == "QuantizeLinear");
        if node.op_type == "Mul" && !coded { self.gate(node, 1.0, Element::Float) } else { None }
    }

    /// LayerNorm over channels: with the channels brought last, and back.
    fn norm(&self, value: &str, scale: f32, element: Element) -> Option<Fused> {
        let ChannelNorm { from, gain, bias, epsilon } = self.channel_norm(value)?;
        let (gain, bias) = (self.edit.floats(gain).ok()?, self.edit.floats(bias).ok()?);
        let Element::Byte(element, zero) = element else { return None };
        if gain.ndim() != 1 || gain.len() != bias.len() {
            return None;
        }
        let channels = gain.iter().zip(&bias).map(|(gain, bias)| [gain / scale, bias / scale]).collect();
        let op = NormEncode { channels: Arc::new(channels), epsilon, element, zero };
        Some(Fused { op: Box::new(op), from: vec![from.to_owned()] })
    }

    /// GELU(a) * b of the two halves of bytes; `factor` brings it to steps of the output.
    fn gate(&self, product: &NodeProto, factor: f32, element: Element) -> Option<Fused> {
        let [gated, b] = product.input.as_slice() else { return None };
        let a = self.gelu(gated)?;
        let (a, b) = (self.share(a)?, self.share(b)?);
        if (a.index, a.of, b.index, b.of) != (0, 2, 1, 2) || a.bytes != b.bytes {
            return None;
        }
        let signed = self.decoded_signed(product)?;
        let table = std::array::from_fn(|byte| {
            let byte = byte as u8;
            let integer = if signed { i32::from(byte as i8) } else { i32::from(byte) };
            let x = f64::from(integer - a.zero) * f64::from(a.scale);
            let gelu = 0.5 * x * (1.0 + libm::erf(x / std::f64::consts::SQRT_2));
            (gelu * f64::from(b.scale) * f64::from(factor)) as f32
        });
        let op = Gate { table: Arc::new(table), zero: b.zero, element };
        Some(Fused { op: Box::new(op), from: vec![a.bytes] })
    }

    /// Whether the bytes behind a gate are int8.
    fn decoded_signed(&self, product: &NodeProto) -> Option<bool> {
        let split = self.producer(product.input.get(1)?, "Split")?;
        let (_, code) = self.decoded(split.input.first()?)?;
        Some(code.element.flip() != 0)
    }

    /// The attention map times v, as a picture.
    fn mix(&self, value: &str, scale: f32, element: Element) -> Option<Fused> {
        let picture = self.producer(value, "Reshape")?;
        let product = self.producer(picture.input.first()?, "MatMul")?;
        let [map, rows] = product.input.as_slice() else { return None };
        let rows = self.producer(rows, "Reshape")?;
        let [v, shape] = rows.input.as_slice() else { return None };
        let [heads, channels] = self.heads(shape)?;
        // The picture is of the shape of v.
        let of_v = self.producer(picture.input.get(1)?, "Shape")?.input.first()? == v;
        let softmax = self.producer(map, "Softmax").is_some();
        let share = self.share(v).filter(|_| of_v && softmax)?;
        let Element::Byte(out_element, out_zero) = element else { return None };
        let op = Mix {
            heads,
            channels,
            index: share.index,
            of: share.of,
            zero: share.zero,
            factor: share.scale / scale,
            out_element,
            out_zero,
        };
        Some(Fused { op: Box::new(op), from: vec![share.bytes, map.clone()] })
    }

    fn share(&self, value: &str) -> Option<Share> {
        let split = self.producer(value, "Split").filter(|split| split.input.len() == 1)?;
        let index = split.output.iter().position(|output| output == value)?;
        let (decoder, code) = self.decoded(split.input.first()?)?;
        let bytes = decoder.input.first()?.clone();
        Some(Share { bytes, index, of: split.output.len(), scale: code.scale, zero: code.zero })
    }
}
