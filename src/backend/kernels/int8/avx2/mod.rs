//! The kernels by AVX2: `vpmaddwd` sums up two products of int16 in each of eight places. (That of
//! bytes, `vpmaddubsw`, saturates.)
#![allow(unsafe_code)]

mod depthwise;
mod finish;
mod product;

pub(super) use depthwise::depthwise;
pub(super) use product::product;

use std::arch::x86_64::*;

/// Whether this processor has what the kernels take.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
}

/// Two int16 beside each other, eight times.
#[target_feature(enable = "avx2")]
#[inline]
fn pairs([a, b]: [i16; 2]) -> __m256i {
    _mm256_set1_epi32(i32::from(b) << 16 | i32::from(a as u16))
}

/// Adds the products of each two.
#[target_feature(enable = "avx2")]
#[inline]
fn add(sum: __m256i, values: __m256i, weights: __m256i) -> __m256i {
    _mm256_add_epi32(sum, _mm256_madd_epi16(values, weights))
}
