//! From sums to the next layer's numbers.

use crate::backend::kernels::int8::Output;
use std::arch::x86_64::*;

/// Sums of a vector.
const LANES: usize = 8;

/// Finishes eight sums, and writes the first `count` to this place.
///
/// # Safety
/// As many from this place on are within the output and nobody else's.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) unsafe fn end(output: &Output<'_>, sums: __m256i, multiplier: f32, at: usize, count: usize) {
    let scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_set1_ps(multiplier));
    let count = count.min(LANES);
    // SAFETY: there are `count` numbers from `at` on; arrays have eight.
    unsafe {
        match output {
            Output::Bytes { values, element, zero } => {
                let bytes = pack(scaled, element.raised(*zero) as i16);
                let bytes = _mm_xor_si128(bytes, _mm_set1_epi8(element.flip() as i8));
                let to = values.start().add(at);
                if count == LANES {
                    _mm_storel_epi64(to.cast(), bytes);
                } else {
                    let bytes = _mm_cvtsi128_si64(bytes).to_le_bytes();
                    bytes.as_ptr().copy_to_nonoverlapping(to, count);
                }
            }
            Output::Floats(values) => write(values.start().add(at), scaled, count),
            Output::Added { values, add } => {
                let mut more = [0.0; LANES];
                more[..count].copy_from_slice(&add[at..][..count]);
                let scaled = _mm256_add_ps(scaled, _mm256_loadu_ps(more.as_ptr()));
                write(values.start().add(at), scaled, count);
            }
        }
    }
}

/// Rounds, ties to even, and saturates to uint8 of this zero: the first eight bytes.
#[target_feature(enable = "avx2")]
#[inline]
fn pack(values: __m256, zero: i16) -> __m128i {
    // What is beyond int32 would come out as its least.
    let values = _mm256_min_ps(values, _mm256_set1_ps(65536.0));
    let integers = _mm256_cvtps_epi32(_mm256_max_ps(values, _mm256_set1_ps(-65536.0)));
    let words = _mm_packs_epi32(_mm256_castsi256_si128(integers), _mm256_extracti128_si256::<1>(integers));
    let words = _mm_adds_epi16(words, _mm_set1_epi16(zero));
    _mm_packus_epi16(words, words)
}

/// # Safety
/// `count` floats can be written there, which are eight at most.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn write(to: *mut f32, vector: __m256, count: usize) {
    // SAFETY: the caller's promise; the array has eight.
    unsafe {
        if count == LANES {
            _mm256_storeu_ps(to, vector);
        } else {
            let mut floats = [0.0; LANES];
            _mm256_storeu_ps(floats.as_mut_ptr(), vector);
            floats.as_ptr().copy_to_nonoverlapping(to, count);
        }
    }
}
