//! See [`super::super::NormBytes`].

use super::BYTES;
use super::finish::{pack, write_part};
use crate::backend::kernels::int8::NormBytes;
use std::arch::aarch64::*;

/// See [`NormBytes::row`].
///
/// # Safety
/// As there; all rows have so many pixels.
pub(in super::super) unsafe fn norm(
    norm: &NormBytes,
    x: &[f32],
    stride: usize,
    to: &mut [u8],
    to_stride: usize,
    pixels: usize,
) {
    for start in (0..pixels).step_by(BYTES) {
        let (count, to) = ((pixels - start).min(BYTES), to[start..].as_mut_ptr());
        // SAFETY: there are as many pixels left.
        unsafe {
            if count == BYTES {
                let x = x[start..].as_ptr();
                let row = |channel: usize| load(x.add(channel * stride));
                block(norm, row, |channel, bytes| vst1q_u8(to.add(channel * to_stride), bytes));
            } else {
                let row = |channel: usize| {
                    let mut part = [0.0; BYTES];
                    part[..count].copy_from_slice(&x[start + channel * stride..][..count]);
                    load(part.as_ptr())
                };
                block(norm, row, |channel, bytes| write_part(to.add(channel * to_stride), bytes, count));
            }
        }
    }
}

/// Sixteen floats.
///
/// # Safety
/// They can be read there.
#[inline(always)]
unsafe fn load(from: *const f32) -> [float32x4_t; 4] {
    // SAFETY: the caller's promise.
    std::array::from_fn(|at| unsafe { vld1q_f32(from.add(4 * at)) })
}

/// Sixteen pixels: `row` reads a channel's, `write` takes its bytes.
#[inline(always)]
fn block(norm: &NormBytes, row: impl Fn(usize) -> [float32x4_t; 4], write: impl Fn(usize, uint8x16_t)) {
    let channels = norm.channels.len();
    // SAFETY: every processor of this kind has these.
    unsafe {
        let share = vdupq_n_f32(1.0 / channels as f32);
        let mut mean = [vdupq_n_f32(0.0); 4];
        for channel in 0..channels {
            mean.iter_mut().zip(row(channel)).for_each(|(sum, x)| *sum = vaddq_f32(*sum, x));
        }
        let mean = mean.map(|sum| vmulq_f32(sum, share));
        let mut squares = [vdupq_n_f32(0.0); 4];
        for channel in 0..channels {
            for ((sum, x), mean) in squares.iter_mut().zip(row(channel)).zip(mean) {
                let distance = vsubq_f32(x, mean);
                // Not in one instruction: not every processor has it, and all forms give the same.
                *sum = vaddq_f32(*sum, vmulq_f32(distance, distance));
            }
        }
        let epsilon = vdupq_n_f32(norm.epsilon);
        let reciprocal = squares.map(|sum| {
            let deviation = vsqrtq_f32(vaddq_f32(vmulq_f32(sum, share), epsilon));
            vdivq_f32(vdupq_n_f32(1.0), deviation)
        });
        for (channel, &[gain, bias]) in norm.channels.iter().enumerate() {
            let mut values = row(channel);
            for ((value, mean), reciprocal) in values.iter_mut().zip(mean).zip(reciprocal) {
                let unit = vmulq_f32(vsubq_f32(*value, mean), reciprocal);
                *value = vaddq_f32(vmulq_n_f32(unit, gain), vdupq_n_f32(bias));
            }
            write(channel, pack(values, norm.zero));
        }
    }
}
