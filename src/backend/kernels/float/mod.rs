//! Loops over floats: products over channels, depthwise convolutions, norms, gates, sums for
//! attention maps.
//!
//! A vector is of neighbouring pixels of one channel, whatever number of channels there is; a weight
//! meets all of them. Each kernel is written once for any width of vectors and compiled for each
//! [`Form`]. Buffers are padded, so that no kernel has an end to care for: a row has room for whole
//! vectors, and what lies behind its pixels is whatever it is.
#![allow(unsafe_code)]

mod depthwise;
mod gelu;
mod gram;
mod moments;
mod norm;
mod peak;
mod product;
#[cfg(test)]
mod tests;

pub(crate) use depthwise::{Rows, depthwise, depthwise_gated};
pub(crate) use gelu::gate;
pub(crate) use gram::{Side, gram, squares};
pub(crate) use moments::moments;
pub(crate) use norm::{Norm, norm};
pub(crate) use peak::multiply_adds;
pub(crate) use product::{Product, Row, Run};

use pulp::{Scalar128b, Simd, WithSimd};
use std::any::TypeId;

/// The most floats that a vector has, in any form: rows are padded to it.
pub(crate) const LANES: usize = 16;

/// Rows that are worked on at once, so that what they share is read once.
pub(crate) const ROWS: usize = 4;

/// Instructions that a kernel is compiled for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// What every processor of this architecture has.
    Portable,
    /// AVX2 with FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    /// AVX-512 (F, BW, CD, DQ, VL).
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
    /// Advanced SIMD of Arm.
    #[cfg(target_arch = "aarch64")]
    Neon(pulp::aarch64::Neon),
}

impl Form {
    /// All that this processor has, the widest last.
    pub(crate) fn available() -> Vec<Self> {
        #[cfg_attr(
            not(any(target_arch = "x86_64", target_arch = "aarch64")),
            expect(unused_mut, reason = "one form")
        )]
        let mut forms = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            forms.extend(pulp::x86::V3::try_new().map(Self::Avx2));
            forms.extend(pulp::x86::V4::try_new().map(Self::Avx512));
        }
        #[cfg(target_arch = "aarch64")]
        forms.extend(pulp::aarch64::Neon::try_new().map(Self::Neon));
        forms
    }

    /// The fastest that this processor has.
    pub(crate) fn best() -> Self {
        Self::available().pop().unwrap_or(Self::Portable)
    }

    /// Output channels that a product sums up at once: with two vectors of pixels each, as many as
    /// there are registers for.
    fn channels(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => 12,
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => 12,
            _ => 6,
        }
    }

    #[inline(always)]
    fn run<O: WithSimd>(self, operation: O) -> O::Output {
        match self {
            Self::Portable => operation.with_simd(Scalar128b),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(simd) => Simd::vectorize(simd, operation),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(simd) => Simd::vectorize(simd, operation),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(simd) => Simd::vectorize(simd, operation),
        }
    }
}

/// # Safety
/// A vector of floats can be read there.
#[inline(always)]
unsafe fn load<S: Simd>(_: S, from: *const f32) -> S::f32s {
    // SAFETY: the caller's promise; vectors are plain floats.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}

/// # Safety
/// A vector of floats can be written there.
#[inline(always)]
unsafe fn store<S: Simd>(_: S, to: *mut f32, vector: S::f32s) {
    // SAFETY: the caller's promise; vectors are plain floats.
    unsafe { to.cast::<S::f32s>().write_unaligned(vector) }
}

/// a·b + c, in one instruction where there is one.
#[inline(always)]
fn mul_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    // Without an instruction, a fused one would be a call for each float.
    if TypeId::of::<S>() == TypeId::of::<Scalar128b>() {
        simd.add_f32s(simd.mul_f32s(a, b), c)
    } else {
        simd.mul_add_e_f32s(a, b, c)
    }
}
