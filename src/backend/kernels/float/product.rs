//! Products of channels with a matrix: convolutions of 1×1, and of 3×3 as nine of them.

use super::{Form, LANES, load, mul_add, store};
use crate::backend::kernels::Shared;
use pulp::{Simd, WithSimd};

/// The weights of a product, packed for the form that it runs in.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    form: Form,
    inputs: usize,
    taps: usize,
    outputs: usize,
    /// Whether what is below zero becomes zero at the end.
    rectified: bool,
    /// For each block of outputs, input and tap: its weights beside each other.
    weights: Vec<f32>,
}

/// What a product runs on. Offsets are in floats.
pub(crate) struct Run<'a> {
    pub(crate) input: &'a [f32],
    /// From one input channel to the next.
    pub(crate) input_stride: usize,
    /// Of each tap, from the pixel that it is for; one for each tap of the product.
    pub(crate) taps: &'a [usize],
    pub(crate) output: &'a Shared<'a, f32>,
    /// From one output channel to the next.
    pub(crate) output_stride: usize,
    /// What the sums are added to, channels so far from each other.
    pub(crate) add: Option<(&'a [f32], usize)>,
    pub(crate) rows: &'a [Row],
    /// Pixels in a row, a multiple of [`LANES`].
    pub(crate) pixels: usize,
}

/// Where a row of pixels begins.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Row {
    pub(crate) input: usize,
    pub(crate) output: usize,
    pub(crate) add: usize,
}

impl Product {
    /// Packs weights `[outputs, inputs, taps]`.
    ///
    /// # Panics
    /// Where there are not as many.
    pub(crate) fn new(form: Form, weights: &[f32], outputs: usize, inputs: usize, taps: usize) -> Self {
        assert!(weights.len() == outputs * inputs * taps && outputs * inputs > 0);
        let room = vec![0.0; weights.len()];
        let mut product = Self { form, inputs, taps, outputs, rectified: false, weights: room };
        product.set(weights);
        product
    }

    /// The same with a ReLU behind it.
    pub(crate) fn rectified(self) -> Self {
        Self { rectified: true, ..self }
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.weights.as_slice())
    }

    /// Takes other weights of the same shape.
    pub(crate) fn set(&mut self, weights: &[f32]) {
        let terms = self.inputs * self.taps;
        let mut packed = self.weights.iter_mut();
        for (first, count) in blocks(self.outputs, self.form.channels()) {
            for term in 0..terms {
                for output in first..first + count {
                    if let Some(place) = packed.next() {
                        *place = weights[output * terms + term];
                    }
                }
            }
        }
    }

    /// Runs over all outputs.
    ///
    /// # Panics
    /// Where a row is not within the inputs or the outputs.
    ///
    /// # Safety
    /// Nobody else may have the rows of the output in hands.
    pub(crate) unsafe fn run(&self, run: &Run<'_>) {
        assert!(run.taps.len() == self.taps && run.pixels.is_multiple_of(LANES));
        let furthest = run.taps.iter().max().unwrap_or(&0) + run.pixels;
        let end = |steps: usize, stride: usize| (steps - 1) * stride;
        for row in run.rows {
            assert!(row.input + end(self.inputs, run.input_stride) + furthest <= run.input.len());
            assert!(row.output + end(self.outputs, run.output_stride) + run.pixels <= run.output.len());
            if let Some((add, stride)) = run.add {
                assert!(row.add + end(self.outputs, stride) + run.pixels <= add.len());
            }
        }
        self.form.run(All { product: self, run });
    }
}

/// Outputs in blocks that are as alike as can be, none of more than `most`: first and count.
fn blocks(outputs: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = outputs.div_ceil(most).max(1);
    (0..count).map(move |block| {
        let first = outputs * block / count;
        (first, outputs * (block + 1) / count - first)
    })
}

struct All<'a> {
    product: &'a Product,
    run: &'a Run<'a>,
}

impl WithSimd for All<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for row in self.run.rows {
            let mut pixel = 0;
            // Few pixels at a time meet all weights, so that both stay in the nearest cache.
            while pixel + 2 * S::F32_LANES <= self.run.pixels {
                // SAFETY: `Product::run` checked the rows.
                unsafe { all::<S, 2>(simd, &self, row, pixel) };
                pixel += 2 * S::F32_LANES;
            }
            if pixel < self.run.pixels {
                // SAFETY: as above.
                unsafe { all::<S, 1>(simd, &self, row, pixel) };
            }
        }
    }
}

/// All outputs of `V` vectors of pixels.
///
/// # Safety
/// The row is within the inputs and outputs.
#[inline(always)]
unsafe fn all<S: Simd, const V: usize>(simd: S, job: &All<'_>, row: &Row, pixel: usize) {
    let All { product, run } = job;
    let terms = product.inputs * product.taps;
    // SAFETY: each block has `count` weights for each term; the row is the caller's promise.
    unsafe {
        let mut weights = product.weights.as_ptr();
        let input = run.input.as_ptr().add(row.input + pixel);
        for (first, count) in blocks(product.outputs, product.form.channels()) {
            let output = run.output.start().add(row.output + pixel + first * run.output_stride);
            let add =
                run.add.map(|(add, stride)| (add.as_ptr().add(row.add + pixel + first * stride), stride));
            let ends = Ends { input, output, add, rectified: product.rectified };
            match count {
                12 => sums::<S, 12, V>(simd, weights, product.inputs, run, ends),
                11 => sums::<S, 11, V>(simd, weights, product.inputs, run, ends),
                10 => sums::<S, 10, V>(simd, weights, product.inputs, run, ends),
                9 => sums::<S, 9, V>(simd, weights, product.inputs, run, ends),
                8 => sums::<S, 8, V>(simd, weights, product.inputs, run, ends),
                7 => sums::<S, 7, V>(simd, weights, product.inputs, run, ends),
                6 => sums::<S, 6, V>(simd, weights, product.inputs, run, ends),
                5 => sums::<S, 5, V>(simd, weights, product.inputs, run, ends),
                4 => sums::<S, 4, V>(simd, weights, product.inputs, run, ends),
                3 => sums::<S, 3, V>(simd, weights, product.inputs, run, ends),
                2 => sums::<S, 2, V>(simd, weights, product.inputs, run, ends),
                _ => sums::<S, 1, V>(simd, weights, product.inputs, run, ends),
            }
            weights = weights.add(count * terms);
        }
    }
}

/// The pixels that one block of outputs is made of, and where they go.
#[derive(Clone, Copy)]
struct Ends {
    input: *const f32,
    output: *mut f32,
    add: Option<(*const f32, usize)>,
    rectified: bool,
}

/// The sums of `N` outputs for `V` vectors of pixels.
///
/// # Safety
/// There are `N` weights for each input and tap, and `V` vectors at each end.
#[inline(always)]
unsafe fn sums<S: Simd, const N: usize, const V: usize>(
    simd: S,
    mut weights: *const f32,
    inputs: usize,
    run: &Run<'_>,
    ends: Ends,
) {
    let mut sums = [[simd.splat_f32s(0.0); V]; N];
    let Ends { mut input, output, add, rectified } = ends;
    // SAFETY: within what the caller promises.
    unsafe {
        if let Some((add, stride)) = add {
            for (channel, sums) in sums.iter_mut().enumerate() {
                for (vector, sum) in sums.iter_mut().enumerate() {
                    *sum = load(simd, add.add(channel * stride + vector * S::F32_LANES));
                }
            }
        }
        for _ in 0..inputs {
            for &tap in run.taps {
                let mut pixels = [simd.splat_f32s(0.0); V];
                for (vector, pixels) in pixels.iter_mut().enumerate() {
                    *pixels = load(simd, input.add(tap + vector * S::F32_LANES));
                }
                for (channel, sums) in sums.iter_mut().enumerate() {
                    let weight = simd.splat_f32s(*weights.add(channel));
                    for (sum, pixels) in sums.iter_mut().zip(pixels) {
                        *sum = mul_add(simd, weight, pixels, *sum);
                    }
                }
                weights = weights.add(N);
            }
            input = input.add(run.input_stride);
        }
        // Apart from the stores, whose loops are unrolled so long as they are this simple.
        if rectified {
            for sums in &mut sums {
                for sum in sums {
                    *sum = simd.max_f32s(*sum, simd.splat_f32s(0.0));
                }
            }
        }
        for (channel, sums) in sums.iter().enumerate() {
            for (vector, sum) in sums.iter().enumerate() {
                store(simd, output.add(channel * run.output_stride + vector * S::F32_LANES), *sum);
            }
        }
    }
}
