//! LayerNorm over the channels of each pixel.

use super::{Form, LANES, load, mul_add, store};
use pulp::{Simd, WithSimd};

/// What a LayerNorm multiplies by and adds.
#[derive(Clone, Debug)]
pub(crate) struct Norm {
    /// Gain and bias of each channel.
    pub(crate) channels: Vec<[f32; 2]>,
    pub(crate) epsilon: f32,
}

impl Norm {
    pub(crate) fn new(gain: &[f32], bias: &[f32], epsilon: f32) -> Self {
        let channels = gain.iter().zip(bias).map(|(&gain, &bias)| [gain, bias]).collect();
        Self { channels, epsilon }
    }
}

/// Normalises one row of pixels, a multiple of [`LANES`]. Inputs and outputs come with where their
/// first channel is, and how far it is to the next.
///
/// # Panics
/// Where a channel is not within the input or the output.
pub(crate) fn norm(
    form: Form,
    norm: &Norm,
    (input, from, input_stride): (&[f32], usize, usize),
    (output, to, output_stride): (&mut [f32], usize, usize),
    pixels: usize,
) {
    let steps = norm.channels.len() - 1;
    assert!(pixels.is_multiple_of(LANES));
    assert!(from + steps * input_stride + pixels <= input.len());
    assert!(to + steps * output_stride + pixels <= output.len());
    let input = (input[from..].as_ptr(), input_stride);
    let output = (output[to..].as_mut_ptr(), output_stride);
    form.run(Row { norm, input, output, pixels });
}

struct Row<'a> {
    norm: &'a Norm,
    input: (*const f32, usize),
    output: (*mut f32, usize),
    pixels: usize,
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut pixel = 0;
        while pixel < self.pixels {
            let left = self.pixels - pixel;
            // SAFETY: the channels were checked.
            pixel += unsafe {
                match left / S::F32_LANES {
                    4.. => pixels::<S, 4>(simd, &self, pixel),
                    2..4 => pixels::<S, 2>(simd, &self, pixel),
                    _ => pixels::<S, 1>(simd, &self, pixel),
                }
            };
        }
    }
}

/// `V` vectors of pixels, whose sums don't wait for each other; gives how many pixels these are.
///
/// # Safety
/// The pixels are within all channels of the row.
#[inline(always)]
unsafe fn pixels<S: Simd, const V: usize>(simd: S, row: &Row<'_>, pixel: usize) -> usize {
    let Row { norm, input: (input, input_stride), output: (output, output_stride), .. } = *row;
    let count = norm.channels.len();
    let share = simd.splat_f32s(1.0 / count as f32);
    // SAFETY: the caller's promise, here and below.
    let at = |channel: usize, vector: usize| unsafe {
        load(simd, input.add(pixel + channel * input_stride + vector * S::F32_LANES))
    };
    let mut mean = [simd.splat_f32s(0.0); V];
    for channel in 0..count {
        for (vector, sum) in mean.iter_mut().enumerate() {
            *sum = simd.add_f32s(*sum, at(channel, vector));
        }
    }
    for mean in &mut mean {
        *mean = simd.mul_f32s(*mean, share);
    }
    let mut scale = [simd.splat_f32s(0.0); V];
    for channel in 0..count {
        for (vector, squares) in scale.iter_mut().enumerate() {
            let distance = simd.sub_f32s(at(channel, vector), mean[vector]);
            *squares = mul_add(simd, distance, distance, *squares);
        }
    }
    for scale in &mut scale {
        let variance = mul_add(simd, *scale, share, simd.splat_f32s(norm.epsilon));
        *scale = simd.div_f32s(simd.splat_f32s(1.0), simd.sqrt_f32s(variance));
    }
    for (channel, [gain, bias]) in norm.channels.iter().enumerate() {
        let (gain, bias) = (simd.splat_f32s(*gain), simd.splat_f32s(*bias));
        for vector in 0..V {
            let unit = simd.mul_f32s(simd.sub_f32s(at(channel, vector), mean[vector]), scale[vector]);
            let value = mul_add(simd, unit, gain, bias);
            // SAFETY: as above.
            unsafe {
                store(simd, output.add(pixel + channel * output_stride + vector * S::F32_LANES), value)
            };
        }
    }
    V * S::F32_LANES
}
