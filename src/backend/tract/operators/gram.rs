//! q̂·k̂ᵀ of an attention over channels, out of the bytes of q and k.

use super::{bytes, in_parallel};
use crate::backend::kernels::int8::{GRAM_PART, Planes, gram};
use std::sync::Mutex;
use tract_onnx::tract_hir::internal::*;

/// `[1, heads, c, c]` of the cosines between rows of q and of k, out of two tensors
/// `[1, .., H, W]` of bytes (which may be one and the same).
#[derive(Clone, Debug)]
pub(in super::super) struct IntGram {
    pub(in super::super) heads: usize,
    /// Channels of one head.
    pub(in super::super) channels: usize,
    pub(in super::super) q: Part,
    pub(in super::super) k: Part,
    /// What a row's length is at least.
    pub(in super::super) epsilon: f32,
}

/// Channels of a tensor of bytes, and what they stand for.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Part {
    /// Which of that many equal parts.
    pub(in super::super) index: usize,
    pub(in super::super) of: usize,
    pub(in super::super) scale: f32,
    pub(in super::super) zero: i32,
}

impl Part {
    fn first(self, gram: &IntGram) -> usize {
        self.index * gram.heads * gram.channels
    }

    fn key(self) -> (usize, usize, u32, i32) {
        (self.index, self.of, self.scale.to_bits(), self.zero)
    }
}

impl PartialEq for IntGram {
    fn eq(&self, other: &Self) -> bool {
        let key =
            |gram: &Self| (gram.heads, gram.channels, gram.q.key(), gram.k.key(), gram.epsilon.to_bits());
        key(self) == key(other)
    }
}

impl Eq for IntGram {}

impl Op for IntGram {
    fn name(&self) -> StaticName {
        "IntGram".into()
    }

    op_as_typed_op!();
}

impl TypedOp for IntGram {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact([1, self.heads, self.channels, self.channels])))
    }

    as_op!();
}

impl EvalOp for IntGram {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (q, k) = args_2!(inputs);
        let rows = self.channels;
        let (&[1, q_channels, height, width], &[1, k_channels, _, _]) = (q.shape(), k.shape()) else {
            bail!("an attention takes pictures")
        };
        let pixels = height * width;
        let whole = |part: Part| part.of * self.heads * rows;
        let fits = q_channels == whole(self.q) && k_channels == whole(self.k);
        ensure!(fits && k.len() == k_channels * pixels && pixels > 0, "q and k don't fit each other");
        let (q_bytes, q_element) = bytes(&q)?;
        let (k_bytes, k_element) = bytes(&k)?;
        let q_planes = Planes { bytes: q_bytes, element: q_element, zero: self.q.zero };
        let k_planes = Planes { bytes: k_bytes, element: k_element, zero: self.k.zero };
        let (per_head, parts) = (rows * rows + 2 * rows, pixels.div_ceil(GRAM_PART));
        let total = Mutex::new(vec![0i64; self.heads * per_head]);
        // Some parts at a time, so that the sum is rarely waited for.
        let stride = parts.div_ceil(16);
        in_parallel(parts.div_ceil(stride), |index, scratch: &mut [Vec<i16>; 2]| {
            let mut sums = vec![0i64; self.heads * per_head];
            for part in index * stride..parts.min((index + 1) * stride) {
                for (head, sums) in sums.chunks_exact_mut(per_head).enumerate() {
                    let first = head * rows;
                    let ends =
                        [(q_planes, self.q.first(self) + first), (k_planes, self.k.first(self) + first)];
                    gram(ends, rows, pixels, part * GRAM_PART, scratch, sums);
                }
            }
            let mut total = total.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            total.iter_mut().zip(&sums).for_each(|(total, sum)| *total += sum);
        });
        let total = total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut cosines = Vec::with_capacity(self.heads * rows * rows);
        for sums in total.chunks_exact(per_head) {
            let (products, squares) = sums.split_at(rows * rows);
            let length = |square: i64, part: Part| {
                ((square as f64).sqrt() * f64::from(part.scale)).max(f64::from(self.epsilon))
            };
            let step = f64::from(self.q.scale) * f64::from(self.k.scale);
            for (at, product) in products.iter().enumerate() {
                let (q, k) = (squares[at / rows], squares[rows + at % rows]);
                let cosine = *product as f64 * step / (length(q, self.q) * length(k, self.k));
                cosines.push(cosine as f32);
            }
        }
        Ok(tvec!(Tensor::from_shape(&[1, self.heads, rows, rows], &cosines)?.into_tvalue()))
    }
}
