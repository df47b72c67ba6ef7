//! What lies between layers on integers and is worth one pass: LayerNorm, the gate, the
//! attention map times v.

use super::super::operators::{Element, Gate, Mix, NormEncode};
use super::layer::Reader;
use crate::onnx::edit::{float_attribute, int_attribute, ints_attribute};
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
            let (code, element) = self.coding(node)?;
            let bytes = Element::Byte(element, code.zero);
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
        let back = self.producer(value, "Transpose")?;
        let norm = self.producer(back.input.first()?, "LayerNormalization")?;
        let [last, gain, bias] = norm.input.as_slice() else { return None };
        let forth = self.producer(last, "Transpose")?;
        let turned =
            ints_attribute(forth, "perm")? == [0, 2, 3, 1] && ints_attribute(back, "perm")? == [0, 3, 1, 2];
        let over_last = matches!(int_attribute(norm, "axis").unwrap_or(-1), -1 | 3);
        let (gain, bias) = (self.edit.floats(gain).ok()?, self.edit.floats(bias).ok()?);
        let Element::Byte(element, zero) = element else { return None };
        if !turned || !over_last || gain.ndim() != 1 || gain.len() != bias.len() {
            return None;
        }
        let channels = gain.iter().zip(&bias).map(|(gain, bias)| [gain / scale, bias / scale]).collect();
        let epsilon = float_attribute(norm, "epsilon").unwrap_or(1e-5);
        let op = NormEncode { channels: Arc::new(channels), epsilon, element, zero };
        Some(Fused { op: Box::new(op), from: vec![forth.input.first()?.clone()] })
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
        let (_, _, element) = self.decoded(split.input.first()?)?;
        Some(element.flip() != 0)
    }

    /// The x of x * (erf(x / √2) + 1) * ½.
    fn gelu(&self, value: &str) -> Option<&'a str> {
        let constant = |name: &str, wanted: f32| {
            let number = self.edit.floats(name).ok().filter(|number| number.len() == 1);
            number.is_some_and(|number| number.iter().all(|x| (x - wanted).abs() < 1e-6))
        };
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

    /// The attention map times v, as a picture.
    fn mix(&self, value: &str, scale: f32, element: Element) -> Option<Fused> {
        let picture = self.producer(value, "Reshape")?;
        let product = self.producer(picture.input.first()?, "MatMul")?;
        let [map, rows] = product.input.as_slice() else { return None };
        let rows = self.producer(rows, "Reshape")?;
        let [v, shape] = rows.input.as_slice() else { return None };
        let &[1, heads, channels, -1] = self.edit.int64s(shape)?.as_slice() else { return None };
        // The picture is of the shape of v.
        let of_v = self.producer(picture.input.get(1)?, "Shape")?.input.first()? == v;
        let softmax = self.producer(map, "Softmax").is_some();
        let share = self.share(v).filter(|_| of_v && softmax)?;
        let Element::Byte(out_element, out_zero) = element else { return None };
        let op = Mix {
            heads: usize::try_from(heads).ok()?,
            channels: usize::try_from(channels).ok()?,
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
        let (decoder, code, _) = self.decoded(split.input.first()?)?;
        let bytes = decoder.input.first()?.clone();
        Some(Share { bytes, index, of: split.output.len(), scale: code.scale, zero: code.zero })
    }
}
