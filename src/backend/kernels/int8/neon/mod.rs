//! The kernels by Advanced SIMD of Arm: in 128 bits, with `sdot`, which sums up four products of
//! bytes in each of four places, or, on processors before it, with products of bytes that are
//! int16.
//!
//! Both take activations as int8: the top bit is flipped on the way in, and sums start from what a
//! zero of 128 less makes of them.
#![allow(unsafe_code)]

mod depthwise;
mod dot;
mod finish;
mod gate;
mod gram;
mod norm;
mod product;

pub(super) use depthwise::depthwise;
pub(super) use gate::gate_bytes;
pub(super) use gram::gram;
pub(super) use norm::norm;
pub(super) use product::{OUTPUTS, product};

use std::arch::aarch64::*;

/// Bytes of a vector.
const BYTES: usize = 16;

/// Whether this processor sums up products of bytes (FEAT_DotProd).
pub(super) fn has_dot() -> bool {
    std::arch::is_aarch64_feature_detected!("dotprod")
}

/// The first bytes of a row, zeros beyond its end.
#[inline(always)]
fn read(row: &[u8]) -> uint8x16_t {
    let mut part = [0; BYTES];
    let whole = row.first_chunk().unwrap_or_else(|| {
        part[..row.len()].copy_from_slice(row);
        &part
    });
    // SAFETY: there are sixteen.
    unsafe { vld1q_u8(whole.as_ptr()) }
}

/// A vector's bytes.
#[inline(always)]
fn array(bytes: uint8x16_t) -> [u8; BYTES] {
    let mut array = [0; BYTES];
    // SAFETY: there is room for sixteen.
    unsafe { vst1q_u8(array.as_mut_ptr(), bytes) };
    array
}
