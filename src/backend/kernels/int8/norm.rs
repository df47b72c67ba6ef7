//! LayerNorm over the channels of each pixel, from floats to bytes.
#![allow(unsafe_code)]

use super::{Byte, Coder, Form, TILE};
use crate::backend::kernels::vectorised;

/// A LayerNorm whose output is uint8.
#[derive(Clone, Debug)]
pub(crate) struct NormBytes {
    form: Form,
    /// Gain and bias of each channel, in steps of the output.
    pub(super) channels: Vec<[f32; 2]>,
    pub(super) epsilon: f32,
    pub(super) zero: i16,
    /// Whether no output comes near the end of int32.
    pub(super) bounded: bool,
}

impl NormBytes {
    /// `scale` is a step of the output, `zero` its zero as uint8.
    pub(crate) fn new(form: Form, gain: &[f32], bias: &[f32], epsilon: f32, scale: f32, zero: i32) -> Self {
        let channels: Vec<_> =
            gain.iter().zip(bias).map(|(gain, bias)| [gain / scale, bias / scale]).collect();
        // No number is further from the mean than the deviation times the root of the channels.
        let furthest = 1.01 * (channels.len() as f32).sqrt();
        let bounded = channels.iter().all(|[gain, bias]| gain.abs() * furthest + bias.abs() < super::BOUND);
        Self { form, channels, epsilon, zero: zero as i16, bounded }
    }

    /// Normalises a row of so many pixels. `x` has its first channel's row at `from`, and the next
    /// ones `stride` further each; in `to`, rows are `to_stride` apart.
    ///
    /// # Panics
    /// Where a row is not within `x` or `to`.
    pub(crate) fn row(
        &self,
        x: &[f32],
        from: usize,
        stride: usize,
        to: &mut [u8],
        to_stride: usize,
        pixels: usize,
    ) {
        let Some(steps) = self.channels.len().checked_sub(1) else { return };
        assert!(from + steps * stride + pixels <= x.len() && steps * to_stride + pixels <= to.len());
        let x = &x[from..];
        match self.form {
            #[cfg(target_arch = "x86_64")]
            Form::Avx2 => self.portable(x, stride, to, to_stride, pixels),
            Form::Portable => self.portable(x, stride, to, to_stride, pixels),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this form was chosen because the processor has it; the rows were checked.
            Form::Vnni => unsafe { super::vnni::norm(self, x, stride, to, to_stride, pixels) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: the rows were checked.
            Form::Neon | Form::NeonDot => unsafe {
                super::neon::norm(self, x, stride, to, to_stride, pixels)
            },
        }
    }

    fn portable(&self, x: &[f32], stride: usize, to: &mut [u8], to_stride: usize, pixels: usize) {
        let coder = Coder::new(Byte::U8, i32::from(self.zero));
        let share = 1.0 / self.channels.len() as f32;
        vectorised(
            #[inline(always)]
            || {
                for start in (0..pixels).step_by(TILE) {
                    let count = TILE.min(pixels - start);
                    let rows =
                        (0..self.channels.len()).map(|channel| &x[channel * stride + start..][..count]);
                    let (mut mean, mut reciprocal) = ([0f32; TILE], [0f32; TILE]);
                    for row in rows.clone() {
                        mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
                    }
                    mean.iter_mut().for_each(|sum| *sum *= share);
                    for row in rows.clone() {
                        for ((square, &mean), &x) in reciprocal.iter_mut().zip(&mean).zip(row) {
                            *square += (x - mean) * (x - mean);
                        }
                    }
                    let epsilon = self.epsilon;
                    reciprocal
                        .iter_mut()
                        .for_each(|square| *square = 1.0 / (*square * share + epsilon).sqrt());
                    for (channel, (row, [gain, bias])) in rows.zip(&self.channels).enumerate() {
                        let to = &mut to[channel * to_stride + start..][..count];
                        for (((to, &x), &mean), &reciprocal) in
                            to.iter_mut().zip(row).zip(&mean).zip(&reciprocal)
                        {
                            *to = coder.code((x - mean) * reciprocal * gain + bias);
                        }
                    }
                }
            },
        );
    }
}
