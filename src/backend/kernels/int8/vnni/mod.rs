//! The kernels by AVX-512: `vpdpbusd` sums up four products of bytes in each of sixteen places.
#![allow(unsafe_code)]

mod depthwise;
mod finish;
mod gate;
mod gram;
mod norm;
mod product;

pub(super) use depthwise::depthwise;
pub(super) use gate::{gate_bytes, gate_floats};
pub(super) use gram::gram;
pub(super) use norm::norm;
pub(super) use product::product;

use std::arch::x86_64::*;

/// Whether this processor has what the kernels take.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("avx512vbmi")
}

/// The first `count` of 64 bytes.
#[inline]
fn mask(count: usize) -> __mmask64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

/// The part of a mask of 64 that is of the `index`th 16.
#[inline]
fn quarter(mask: __mmask64, index: usize) -> __mmask16 {
    (mask >> (16 * index)) as __mmask16
}

/// Unpacking bytes works in lanes of 16, so that vector r of four that 64 pixels become has those
/// from 4r to 4r + 3 of each lane's sixteen; packing undoes it. Where only one of both is done, this
/// is done as well, before or behind it, and puts the pixels in their order.
#[target_feature(enable = "avx512f")]
#[inline]
fn straight(bytes: __m512i) -> __m512i {
    let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_permutexvar_epi32(order, bytes)
}
