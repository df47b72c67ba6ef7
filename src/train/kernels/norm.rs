//! LayerNorm over the channels of each pixel, on the CPU.

use super::{depthwise::dot, vectorised};

/// Added to the variance, as the reference does.
pub(super) const EPSILON: f32 = 1e-5;

/// Pixels that are normalised together: their statistics stay in registers and first cache.
const BLOCK: usize = 128;

/// Mean and 1/σ of a block's pixels.
struct Statistics {
    mean: [f32; BLOCK],
    scale: [f32; BLOCK],
}

impl Statistics {
    /// Of the `count` pixels at `at` in `sample` `[C, N]`.
    #[inline(always)]
    fn of(sample: &[f32], pixels: usize, at: usize, count: usize) -> Self {
        let channels = (sample.len() / pixels) as f32;
        let (mut mean, mut scale) = ([0.0; BLOCK], [0.0; BLOCK]);
        for row in sample.chunks_exact(pixels) {
            mean.iter_mut().zip(&row[at..at + count]).for_each(|(mean, x)| *mean += x);
        }
        mean.iter_mut().for_each(|mean| *mean /= channels);
        for row in sample.chunks_exact(pixels) {
            for ((scale, mean), x) in scale.iter_mut().zip(&mean).zip(&row[at..at + count]) {
                *scale += (x - mean) * (x - mean);
            }
        }
        scale.iter_mut().for_each(|scale| *scale = 1.0 / (*scale / channels + EPSILON).sqrt());
        Self { mean, scale }
    }
}

/// `(x − μ)/σ·γ + β` of `x` `[B, C, N]`.
pub(super) fn normalise(x: &[f32], gain: &[f32], bias: &[f32], pixels: usize) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    let sample = gain.len() * pixels;
    vectorised(
        #[inline(always)]
        || {
            for (x, out) in x.chunks_exact(sample).zip(out.chunks_exact_mut(sample)) {
                for at in (0..pixels).step_by(BLOCK) {
                    let count = BLOCK.min(pixels - at);
                    let statistics = Statistics::of(x, pixels, at, count);
                    for (channel, (gain, bias)) in gain.iter().zip(bias).enumerate() {
                        let span = channel * pixels + at..channel * pixels + at + count;
                        let out = out[span.clone()].iter_mut().zip(&x[span]);
                        for ((out, x), (mean, scale)) in
                            out.zip(statistics.mean.iter().zip(&statistics.scale))
                        {
                            *out = (x - mean) * scale * gain + bias;
                        }
                    }
                }
            }
        },
    );
    out
}

/// The gradients with respect to `x`, γ and β.
pub(super) fn gradients(
    x: &[f32],
    gain: &[f32],
    gradient: &[f32],
    pixels: usize,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let channels = gain.len();
    let mut of_x = vec![0.0; x.len()];
    let (mut of_gain, mut of_bias) = (vec![0.0; channels], vec![0.0; channels]);
    let sample = channels * pixels;
    vectorised(
        #[inline(always)]
        || {
            let ones = [1.0; BLOCK];
            for index in 0..x.len() / sample {
                let span = index * sample..(index + 1) * sample;
                let (x, gradient, of_x) = (&x[span.clone()], &gradient[span.clone()], &mut of_x[span]);
                for at in (0..pixels).step_by(BLOCK) {
                    let count = BLOCK.min(pixels - at);
                    let statistics = Statistics::of(x, pixels, at, count);
                    let (mut sum, mut sum_x) = ([0.0; BLOCK], [0.0; BLOCK]);
                    for channel in 0..channels {
                        let span = channel * pixels + at..channel * pixels + at + count;
                        let (x, gradient) = (&x[span.clone()], &gradient[span.clone()]);
                        // Holds the normalised input until the second pass.
                        let normed = &mut of_x[span];
                        for (normed, (x, (mean, scale))) in
                            normed.iter_mut().zip(x.iter().zip(statistics.mean.iter().zip(&statistics.scale)))
                        {
                            *normed = (x - mean) * scale;
                        }
                        of_gain[channel] += dot(gradient, normed);
                        of_bias[channel] += dot(gradient, &ones[..count]);
                        for ((sum, sum_x), (normed, g)) in
                            sum.iter_mut().zip(&mut sum_x).zip(normed.iter().zip(gradient))
                        {
                            *sum += g * gain[channel];
                            *sum_x += g * gain[channel] * normed;
                        }
                    }
                    for (channel, gain) in gain.iter().enumerate() {
                        let span = channel * pixels + at..channel * pixels + at + count;
                        let of_x = of_x[span.clone()].iter_mut().zip(&gradient[span]);
                        let sums = sum.iter().zip(&sum_x).zip(&statistics.scale);
                        for ((of_x, g), ((sum, sum_x), scale)) in of_x.zip(sums) {
                            *of_x = scale * (g * gain - (sum + *of_x * sum_x) / channels as f32);
                        }
                    }
                }
            }
        },
    );
    (of_x, of_gain, of_bias)
}
