//! Operators of ours that take the place of tract's.

mod code;
mod conv;
mod fused;
mod gram;
mod matmul;

pub(super) use code::{Decode, Encode};
pub(super) use conv::{IntConv, Kernel, Window};
pub(super) use fused::{Gate, Mix, NormEncode};
pub(super) use gram::{IntGram, Part};
pub(super) use matmul::IntMatMul;

use super::threads;
use crate::backend::kernels::Shared;
use crate::backend::kernels::int8::{Byte, Output};
use rayon::prelude::*;
use tract_onnx::prelude::tract_itertools::Itertools;
use tract_onnx::tract_hir::internal::*;

/// What an integer operator gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Element {
    /// Floats: the sums times their multipliers.
    Float,
    /// Bytes of that zero point.
    Byte(Byte, i32),
}

impl Element {
    fn datum_type(self) -> DatumType {
        match self {
            Self::Float => f32::datum_type(),
            Self::Byte(Byte::I8, _) => i8::datum_type(),
            Self::Byte(Byte::U8, _) => u8::datum_type(),
        }
    }

    /// A tensor's memory, to be written by several threads.
    fn output(self, tensor: &mut Tensor) -> TractResult<Output<'_>> {
        Ok(match self {
            Self::Float => {
                let view = tensor.to_plain_array_view_mut::<f32>()?;
                Output::Floats(Shared::new(view.into_slice().context("contiguous")?))
            }
            Self::Byte(element, zero) => {
                Output::Bytes { values: Shared::new(tensor.as_bytes_mut()), element, zero }
            }
        })
    }
}

/// The bytes of a tensor of int8 or uint8.
fn bytes(tensor: &Tensor) -> TractResult<(&[u8], Byte)> {
    match tensor.datum_type() {
        DatumType::I8 => Ok((tensor.as_bytes(), Byte::I8)),
        DatumType::U8 => Ok((tensor.as_bytes(), Byte::U8)),
        other => bail!("an integer operator was given {other:?}"),
    }
}

/// Does `work` for each of `0..count` on the threads that the run has, each with scratch of its
/// own.
fn in_parallel<S: Default>(count: usize, work: impl Fn(usize, &mut S) + Send + Sync) {
    match threads::current() {
        Some(pool) if count > 1 => {
            pool.install(|| (0..count).into_par_iter().for_each_init(S::default, |s, at| work(at, s)));
        }
        _ => {
            let mut scratch = S::default();
            (0..count).for_each(|at| work(at, &mut scratch));
        }
    }
}

/// The concrete extents of a fact.
fn shape(dims: &[TDim]) -> TractResult<TVec<usize>> {
    Ok(dims.iter().map(TDim::to_usize).try_collect()?)
}
