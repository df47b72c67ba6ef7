//! See [`super::super::NormBytes`].

use super::finish::{pack_straight, way};
use super::{mask, quarter};
use crate::backend::kernels::int8::NormBytes;
use std::arch::x86_64::*;

/// See [`NormBytes::row`].
///
/// # Safety
/// As there; all rows have so many pixels, and the processor has these instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(in super::super) unsafe fn norm(
    norm: &NormBytes,
    x: &[f32],
    stride: usize,
    to: &mut [u8],
    to_stride: usize,
    pixels: usize,
) {
    // SAFETY: handed on.
    unsafe {
        if norm.bounded {
            blocks::<{ way::ZERO }>(norm, x, stride, to, to_stride, pixels);
        } else {
            blocks::<{ way::ANY }>(norm, x, stride, to, to_stride, pixels);
        }
    }
}

/// # Safety
/// As [`norm`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn blocks<const WAY: u8>(
    norm: &NormBytes,
    x: &[f32],
    stride: usize,
    to: &mut [u8],
    to_stride: usize,
    pixels: usize,
) {
    for start in (0..pixels).step_by(64) {
        let (x, to) = (x[start..].as_ptr(), to[start..].as_mut_ptr());
        // SAFETY: handed on; the mask has as many pixels as are left.
        unsafe {
            if pixels - start >= 64 {
                block::<true, WAY>(norm, (x, stride), (to, to_stride), u64::MAX);
            } else {
                block::<false, WAY>(norm, (x, stride), (to, to_stride), mask(pixels - start));
            }
        }
    }
}

/// Up to 64 pixels.
///
/// # Safety
/// As [`norm`]; there are the pixels of the mask, which are all 64 where `WHOLE` is.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
#[inline]
unsafe fn block<const WHOLE: bool, const WAY: u8>(
    norm: &NormBytes,
    (x, stride): (*const f32, usize),
    (to, to_stride): (*mut u8, usize),
    mask: __mmask64,
) {
    let channels = norm.channels.len();
    let row = |channel: usize| -> [__m512; 4] {
        std::array::from_fn(|index| {
            let from = x.wrapping_add(channel * stride + 16 * index);
            // SAFETY: the mask has no pixels but those of the row.
            unsafe {
                if WHOLE { _mm512_loadu_ps(from) } else { _mm512_maskz_loadu_ps(quarter(mask, index), from) }
            }
        })
    };
    let share = _mm512_set1_ps(1.0 / channels as f32);
    let mut mean = [_mm512_setzero_ps(); 4];
    for channel in 0..channels {
        mean.iter_mut().zip(row(channel)).for_each(|(sum, x)| *sum = _mm512_add_ps(*sum, x));
    }
    let mean = mean.map(|sum| _mm512_mul_ps(sum, share));
    let mut squares = [_mm512_setzero_ps(); 4];
    for channel in 0..channels {
        for ((sum, x), mean) in squares.iter_mut().zip(row(channel)).zip(mean) {
            let distance = _mm512_sub_ps(x, mean);
            // Not in one instruction: not every processor has it, and all forms give the same.
            *sum = _mm512_add_ps(*sum, _mm512_mul_ps(distance, distance));
        }
    }
    let epsilon = _mm512_set1_ps(norm.epsilon);
    let reciprocal = squares.map(|sum| {
        let deviation = _mm512_sqrt_ps(_mm512_add_ps(_mm512_mul_ps(sum, share), epsilon));
        _mm512_div_ps(_mm512_set1_ps(1.0), deviation)
    });
    for (channel, [gain, bias]) in norm.channels.iter().enumerate() {
        let (gain, bias, row) = (_mm512_set1_ps(*gain), _mm512_set1_ps(*bias), row(channel));
        let values = std::array::from_fn(|at| {
            let unit = _mm512_mul_ps(_mm512_sub_ps(row[at], mean[at]), reciprocal[at]);
            _mm512_add_ps(_mm512_mul_ps(unit, gain), bias)
        });
        let bytes = pack_straight::<WAY>(values, norm.zero);
        let to = to.wrapping_add(channel * to_stride).cast();
        // SAFETY: as above.
        unsafe { _mm512_mask_storeu_epi8(to, mask, bytes) };
    }
}
