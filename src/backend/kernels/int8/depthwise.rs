//! 3x3 convolutions of each channel with itself.
#![allow(unsafe_code)]

use super::{Finish, Form, Output, TILE, portable};

/// Weights `[channels, 3, 3]` as the kernels take them.
#[derive(Clone, Debug)]
pub(crate) struct Depthwise {
    /// Of each channel, three rows of three weights and a zero.
    weights: Vec<[[i8; 4]; 3]>,
    finish: Vec<Finish>,
    form: Form,
}

/// What rows must have beyond their pixels: the kernel reads whole tiles and two neighbours.
pub(crate) const SLACK: usize = TILE + 2;

/// Output rows that are made at once, at most.
pub(crate) const DEPTHWISE_ROWS: usize = 4;

/// One channel's weights.
#[derive(Clone, Copy)]
pub(super) struct Channel<'a> {
    pub(super) kernel: &'a [[i8; 4]; 3],
    pub(super) finish: Finish,
}

/// Where rows come from and go to.
pub(super) struct Strip<'a> {
    /// The input rows, of which there are two more than output rows.
    pub(super) rows: [&'a [u8]; DEPTHWISE_ROWS + 2],
    pub(super) count: usize,
    pub(super) pixels: usize,
    /// Where the first output row is, and how far it is to the next.
    pub(super) out_at: usize,
    pub(super) out_row: usize,
}

impl Depthwise {
    /// `weights` are nine numbers for each channel; `biases` are in steps of the sums, `zero` is
    /// the activations' as uint8.
    pub(crate) fn new(form: Form, weights: &[i8], biases: &[i32], multipliers: &[f32], zero: i32) -> Self {
        let (kernels, _) = weights.as_chunks::<9>();
        let finish = kernels.iter().zip(biases).zip(multipliers).map(|((kernel, &bias), &multiplier)| {
            Finish::new(kernel, bias, multiplier, zero - form.lowered())
        });
        let row = |kernel: &[i8; 9], at: usize| [kernel[at], kernel[at + 1], kernel[at + 2], 0];
        let weights = kernels.iter().map(|kernel| [row(kernel, 0), row(kernel, 3), row(kernel, 6)]);
        Self { weights: weights.collect(), finish: finish.collect(), form }
    }

    /// One row of a channel's output out of three rows of uint8, each with one pixel more to
    /// the left, one to the right, and as many bytes that don't matter as make [`SLACK`].
    ///
    /// # Panics
    /// Where a row or the output is too short.
    ///
    /// # Safety
    /// No other thread may have the same pixels of the output in hands.
    pub(crate) unsafe fn row(
        &self,
        channel: usize,
        [a, b, c]: [&[u8]; 3],
        count: usize,
        output: &Output<'_>,
        out_at: usize,
    ) {
        let strip = Strip { rows: [a, b, c, &[], &[], &[]], count: 1, pixels: count, out_at, out_row: 0 };
        // SAFETY: handed on.
        unsafe { self.strip(channel, &strip, output) };
    }

    /// Up to [`DEPTHWISE_ROWS`] rows of a channel's output, `out_row` apart: the pixel p of row r is
    /// made of p to p + 2 of input rows r to r + 2, which start at these places of `input`. There must
    /// be [`SLACK`] bytes behind the start of any row, beyond as many as the pixels: those behind
    /// the first two don't matter.
    ///
    /// # Panics
    /// Where a row or the output is too short, or there are too many.
    ///
    /// # Safety
    /// As [`Depthwise::row`].
    #[allow(clippy::too_many_arguments)]
    pub(crate) unsafe fn rows(
        &self,
        channel: usize,
        input: &[u8],
        input_rows: [usize; DEPTHWISE_ROWS + 2],
        count: usize,
        pixels: usize,
        output: &Output<'_>,
        out_at: usize,
        out_row: usize,
    ) {
        let rows = input_rows.map(|at| input.get(at..).unwrap_or_default());
        // SAFETY: handed on.
        unsafe { self.strip(channel, &Strip { rows, count, pixels, out_at, out_row }, output) };
    }

    /// # Safety
    /// As [`Depthwise::row`].
    unsafe fn strip(&self, channel: usize, strip: &Strip<'_>, output: &Output<'_>) {
        assert!((1..=DEPTHWISE_ROWS).contains(&strip.count), "a strip has one to four rows");
        let rows = &strip.rows[..strip.count + 2];
        assert!(rows.iter().all(|row| row.len() >= strip.pixels + SLACK), "a row is too short");
        let last = strip.out_at + (strip.count - 1) * strip.out_row;
        assert!(last + strip.pixels <= output.len(), "the output is too short");
        let channel = Channel { kernel: &self.weights[channel], finish: self.finish[channel] };
        match self.form {
            // SAFETY: handed on.
            Form::Portable => unsafe { portable::depthwise(channel, strip, output) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the rows and the output were checked above; this form was chosen because the
            // processor has it. The rest is handed on.
            Form::Vnni => unsafe { super::vnni::depthwise(channel, strip, output) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Form::Avx2 => unsafe { super::avx2::depthwise(channel, strip, output) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Form::Neon => unsafe { super::neon::depthwise::<false>(channel, strip, output) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Form::NeonDot => unsafe { super::neon::depthwise::<true>(channel, strip, output) },
        }
    }
}
