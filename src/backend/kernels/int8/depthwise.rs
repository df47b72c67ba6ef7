//! 3x3 convolutions of each channel with itself.
#![allow(unsafe_code)]

use super::{Finish, Form, Output, portable};

/// Weights `[channels, 3, 3]` as the kernels take them.
#[derive(Clone, Debug)]
pub(crate) struct Depthwise {
    weights: Vec<[i8; 9]>,
    finish: Vec<Finish>,
    form: Form,
}

/// What rows must have beyond their pixels: the kernel reads whole vectors.
pub(crate) const SLACK: usize = 128;

impl Depthwise {
    /// `weights` are nine numbers for each channel; `biases` are in steps of the sums, `zero` is
    /// the activations' as uint8.
    pub(crate) fn new(form: Form, weights: &[i8], biases: &[i32], multipliers: &[f32], zero: i32) -> Self {
        let (kernels, _) = weights.as_chunks::<9>();
        let finish = kernels.iter().zip(biases).zip(multipliers).map(|((kernel, bias), &multiplier)| {
            let sum: i32 = kernel.iter().map(|&weight| i32::from(weight)).sum();
            Finish { start: bias.wrapping_sub(zero.wrapping_mul(sum)), multiplier }
        });
        Self { weights: kernels.to_vec(), finish: finish.collect(), form }
    }

    /// One row of a channel's output out of three rows of uint8, each with one pixel more to
    /// the left, one to the right, and [`SLACK`] bytes that don't matter.
    ///
    /// # Panics
    /// Where a row is too short.
    ///
    /// # Safety
    /// No other thread may have the same pixels of the output in hands.
    pub(crate) unsafe fn row(
        &self,
        channel: usize,
        rows: [&[u8]; 3],
        count: usize,
        output: &Output<'_>,
        out_at: usize,
    ) {
        assert!(rows.iter().all(|row| row.len() >= count + SLACK), "a row is too short");
        let (kernel, finish) = (&self.weights[channel], self.finish[channel]);
        match self.form {
            // SAFETY: handed on.
            Form::Portable => unsafe { portable::depthwise(kernel, finish, rows, count, output, out_at) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the rows were checked above; this form was chosen because the processor has
            // it. The rest is handed on.
            Form::Vnni => unsafe { super::vnni::depthwise(kernel, finish, rows, count, output, out_at) },
        }
    }
}
