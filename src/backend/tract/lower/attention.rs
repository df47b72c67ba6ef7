//! The part of an attention over channels that runs on integers: q̂·k̂ᵀ, where q and k are bytes.

use super::super::operators::{IntGram, Part};
use crate::backend::reader::{Reader, UnitRows};
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
        let q = self.side(q)?;
        let k = self.side(turn.input.first()?)?;
        let alike = (q.heads, q.channels, q.epsilon) == (k.heads, k.channels, k.epsilon);
        if ints_attribute(turn, "perm")? != [0, 1, 3, 2] || !alike {
            return None;
        }
        let Side { bytes, part, heads, channels, epsilon } = q;
        let op = IntGram { heads, channels, q: part, k: k.part, epsilon };
        Some(Attention { op, q: bytes, k: k.bytes })
    }

    /// Rows of unit length that are a part of the channels of bytes, or all of them.
    fn side(&self, value: &str) -> Option<Side> {
        let UnitRows { picture, heads, channels, epsilon } = self.unit_rows(value)?;
        let (whole, index, of) = match self.producer(picture, "Split") {
            Some(split) if split.input.len() == 1 => {
                let index = split.output.iter().position(|output| output == picture)?;
                (split.input.first()?.as_str(), index, split.output.len())
            }
            Some(_) => return None,
            None => (picture, 0, 1),
        };
        let (decoder, code) = self.decoded(whole)?;
        let part = Part { index, of, scale: code.scale, zero: code.zero };
        Some(Side { bytes: decoder.input.first()?.clone(), part, heads, channels, epsilon })
    }
}
