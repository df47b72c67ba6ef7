//! The part of an attention over channels that runs on integers: q̂·k̂ᵀ, where q and k are bytes.

use super::super::operators::{IntGram, Part};
use super::layer::Reader;
use crate::onnx::edit::ints_attribute;
use tract_onnx::pb::NodeProto;

/// The product of an attention.
pub(super) struct Attention {
    pub(super) op: IntGram,
    /// The values of bytes that hold q and k.
    pub(super) q: String,
    pub(super) k: String,
}

/// One side of the product: rows of unit length.
struct Side {
    bytes: String,
    part: Part,
    heads: usize,
    channels: usize,
    epsilon: f32,
}

impl<'a> Reader<'a> {
    /// The product of q's rows with k's, each divided by its length.
    pub(super) fn attention(&self, node: &NodeProto) -> Option<Attention> {
        let [q, turned] = node.input.as_slice() else { return None };
        if node.op_type != "MatMul" {
            return None;
        }
        let turn = self.producer(turned, "Transpose")?;
        let q = self.unit_rows(q)?;
        let k = self.unit_rows(turn.input.first()?)?;
        let alike = (q.heads, q.channels, q.epsilon) == (k.heads, k.channels, k.epsilon);
        if ints_attribute(turn, "perm")? != [0, 1, 3, 2] || !alike {
            return None;
        }
        let Side { bytes, part, heads, channels, epsilon } = q;
        let op = IntGram { heads, channels, q: part, k: k.part, epsilon };
        Some(Attention { op, q: bytes, k: k.bytes })
    }

    /// rows / max(|rows|, epsilon).
    fn unit_rows(&self, value: &str) -> Option<Side> {
        let unit = self.producer(value, "Div")?;
        let [rows, length] = unit.input.as_slice() else { return None };
        let most = self.producer(length, "Max")?;
        let [norm, epsilon] = most.input.as_slice() else { return None };
        let norm = self.producer(norm, "ReduceL2")?;
        let epsilon = *self.edit.floats(epsilon).ok().filter(|epsilon| epsilon.len() == 1)?.first()?;
        let sound = norm.input.first()? == rows && ints_attribute(norm, "axes")? == [-1] && epsilon > 0.0;
        let reshape = self.producer(rows, "Reshape").filter(|_| sound)?;
        let [picture, shape] = reshape.input.as_slice() else { return None };
        let &[1, heads, channels, -1] = self.edit.int64s(shape)?.as_slice() else { return None };
        let (heads, channels) = (usize::try_from(heads).ok()?, usize::try_from(channels).ok()?);
        // A part of the channels, or all of them.
        let (whole, index, of) = match self.producer(picture, "Split") {
            Some(split) if split.input.len() == 1 => {
                let index = split.output.iter().position(|output| output == picture)?;
                (split.input.first()?, index, split.output.len())
            }
            Some(_) => return None,
            None => (picture, 0, 1),
        };
        let (decoder, code, _) = self.decoded(whole)?;
        let part = Part { index, of, scale: code.scale, zero: code.zero };
        (heads * channels > 0).then(|| decoder.input.first().cloned())?.map(|bytes| Side {
            bytes,
            part,
            heads,
            channels,
            epsilon,
        })
    }
}
