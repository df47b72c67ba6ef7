//! Depthwise convolutions of 3×3, plain and with the gate of GDFN behind them.

use super::gelu::gelu;
use super::{Form, LANES, ROWS, load, mul_add, store};
use crate::backend::kernels::Shared;
use pulp::{Simd, WithSimd};

/// Input rows that [`ROWS`] output rows are made of.
const INPUT_ROWS: usize = ROWS + 2;

/// Where rows of pixels come from and go to. Offsets are in floats.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    /// Of each input row: the first `count` + 2 are read.
    pub(crate) input: [usize; INPUT_ROWS],
    /// Of the first output row, and from one to the next.
    pub(crate) output: usize,
    pub(crate) output_stride: usize,
    /// Output rows, at most [`ROWS`].
    pub(crate) count: usize,
    /// Pixels in an output row, a multiple of [`LANES`]. An input row has two more.
    pub(crate) pixels: usize,
}

impl Rows {
    fn assert_within(&self, inputs: &[&[f32]], output: &Shared<'_, f32>) {
        assert!((1..=ROWS).contains(&self.count) && self.pixels.is_multiple_of(LANES));
        for input in inputs {
            let furthest = self.input[..self.count + 2].iter().max().unwrap_or(&0);
            assert!(furthest + self.pixels + 2 <= input.len());
        }
        assert!(self.output + (self.count - 1) * self.output_stride + self.pixels <= output.len());
    }
}

/// Rows of one channel, convolved with a kernel of 3×3 (row by row): the output's pixel p is made
/// of the inputs' p to p + 2.
///
/// # Panics
/// Where a row is not within the input or the output.
///
/// # Safety
/// Nobody else may have the rows of the output in hands.
pub(crate) unsafe fn depthwise(
    form: Form,
    kernel: &[f32; 9],
    input: &[f32],
    output: &Shared<'_, f32>,
    rows: &Rows,
) {
    rows.assert_within(&[input], output);
    form.run(Plain { kernel, input: input.as_ptr(), output: output.start(), rows });
}

/// GELU(a)·b of two channels, each convolved as by [`depthwise`].
///
/// # Panics
/// As [`depthwise`].
///
/// # Safety
/// As [`depthwise`].
pub(crate) unsafe fn depthwise_gated(
    form: Form,
    kernels: [&[f32; 9]; 2],
    inputs: [&[f32]; 2],
    output: &Shared<'_, f32>,
    rows: &Rows,
) {
    rows.assert_within(&inputs, output);
    form.run(Gated { kernels, inputs: inputs.map(<[f32]>::as_ptr), output: output.start(), rows });
}

struct Plain<'a> {
    kernel: &'a [f32; 9],
    input: *const f32,
    output: *mut f32,
    rows: &'a Rows,
}

impl WithSimd for Plain<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: the rows were checked.
        unsafe {
            match self.rows.count {
                4 => plain::<S, 4>(simd, &self),
                3 => plain::<S, 3>(simd, &self),
                2 => plain::<S, 2>(simd, &self),
                _ => plain::<S, 1>(simd, &self),
            }
        }
    }
}

/// # Safety
/// The rows are within the input and the output.
#[inline(always)]
unsafe fn plain<S: Simd, const N: usize>(simd: S, run: &Plain<'_>) {
    for pixel in (0..run.rows.pixels).step_by(S::F32_LANES) {
        // SAFETY: within what the caller promises.
        unsafe {
            let sums = convolved::<S, N>(simd, run.kernel, run.input, run.rows, pixel);
            for (row, sum) in sums.iter().enumerate() {
                store(simd, run.output.add(run.rows.output + row * run.rows.output_stride + pixel), *sum);
            }
        }
    }
}

struct Gated<'a> {
    kernels: [&'a [f32; 9]; 2],
    inputs: [*const f32; 2],
    output: *mut f32,
    rows: &'a Rows,
}

impl WithSimd for Gated<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: the rows were checked.
        unsafe {
            match self.rows.count {
                4 => gated::<S, 4>(simd, &self),
                3 => gated::<S, 3>(simd, &self),
                2 => gated::<S, 2>(simd, &self),
                _ => gated::<S, 1>(simd, &self),
            }
        }
    }
}

/// # Safety
/// As [`plain`].
#[inline(always)]
unsafe fn gated<S: Simd, const N: usize>(simd: S, run: &Gated<'_>) {
    for pixel in (0..run.rows.pixels).step_by(S::F32_LANES) {
        // SAFETY: within what the caller promises.
        unsafe {
            let gates = convolved::<S, N>(simd, run.kernels[0], run.inputs[0], run.rows, pixel);
            let gates = gelu::<S, N>(simd, gates);
            let values = convolved::<S, N>(simd, run.kernels[1], run.inputs[1], run.rows, pixel);
            for row in 0..N {
                let product = simd.mul_f32s(gates[row], values[row]);
                store(simd, run.output.add(run.rows.output + row * run.rows.output_stride + pixel), product);
            }
        }
    }
}

/// One vector of pixels of `N` output rows.
///
/// # Safety
/// A vector and two floats more can be read at `pixel` of the first `N` + 2 input rows.
#[inline(always)]
unsafe fn convolved<S: Simd, const N: usize>(
    simd: S,
    kernel: &[f32; 9],
    input: *const f32,
    rows: &Rows,
    pixel: usize,
) -> [S::f32s; N] {
    let mut sums = [simd.splat_f32s(0.0); N];
    // A column at a time: few enough vectors are alive, and loops are short enough to be unrolled.
    for column in 0..3 {
        let mut pixels = [simd.splat_f32s(0.0); INPUT_ROWS];
        for (pixels, row) in pixels[..N + 2].iter_mut().zip(rows.input) {
            // SAFETY: the caller's promise.
            *pixels = unsafe { load(simd, input.add(row + pixel + column)) };
        }
        for tap in 0..3 {
            let weight = simd.splat_f32s(kernel[3 * tap + column]);
            for (output, sum) in sums.iter_mut().enumerate() {
                *sum = mul_add(simd, weight, pixels[output + tap], *sum);
            }
        }
    }
    sums
}
