//! Rounding to the steps of an integer and back, on the CPU.

use super::vectorised;
use crate::quantize::weights::scale_of;

/// Sums that are kept apart, so that the loop vectorises.
const LANES: usize = 16;

/// Values that are summed up in single precision.
const BLOCK: usize = 256 * LANES;

/// The integers that values are rounded to: least and most.
pub(super) type Bounds = [f32; 2];

/// `x` in as many equal rows as there are `scales`, each rounded to steps of its scale.
pub(super) fn round(x: &[f32], scales: &[f32], [least, most]: Bounds) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    let row = (x.len() / scales.len().max(1)).max(1);
    vectorised(
        #[inline(always)]
        || {
            for ((x, out), &scale) in x.chunks_exact(row).zip(out.chunks_exact_mut(row)).zip(scales) {
                for (out, x) in out.iter_mut().zip(x) {
                    *out = (x / scale).clamp(least, most).round_ties_even() * scale;
                }
            }
        },
    );
    out
}

/// The gradients with respect to `x`, 1 where it isn't clipped, and to each scale: the rounding's
/// error in steps, or the bound that it is clipped to (Esser et al. 2020, equation 3).
pub(super) fn gradients(
    x: &[f32],
    scales: &[f32],
    gradient: &[f32],
    [least, most]: Bounds,
) -> (Vec<f32>, Vec<f32>) {
    let mut of_x = vec![0.0; x.len()];
    let row = (x.len() / scales.len().max(1)).max(1);
    let mut of_scales = vec![0.0; scales.len()];
    vectorised(
        #[inline(always)]
        || {
            let rows = x.chunks_exact(row).zip(gradient.chunks_exact(row)).zip(of_x.chunks_exact_mut(row));
            for (((x, gradient), of_x), (&scale, of_scale)) in rows.zip(scales.iter().zip(&mut of_scales)) {
                let mut total = 0.0;
                let blocks = x.chunks(BLOCK).zip(gradient.chunks(BLOCK)).zip(of_x.chunks_mut(BLOCK));
                for ((x, gradient), of_x) in blocks {
                    let mut sums = [0.0f32; LANES];
                    let lanes = x.chunks(LANES).zip(gradient.chunks(LANES)).zip(of_x.chunks_mut(LANES));
                    for ((x, gradient), of_x) in lanes {
                        for (((sum, x), g), of_x) in sums.iter_mut().zip(x).zip(gradient).zip(of_x) {
                            let steps = x / scale;
                            let rounded = steps.round_ties_even();
                            let inside = (least..=most).contains(&rounded);
                            *of_x = if inside { *g } else { 0.0 };
                            let error = rounded.clamp(least, most) - if inside { steps } else { 0.0 };
                            *sum += g * error;
                        }
                    }
                    total += f64::from(sums.iter().sum::<f32>());
                }
                *of_scale = total as f32;
            }
        },
    );
    (of_x, of_scales)
}

/// The scale of each of `rows` equal rows of weights, as a quantized model has it.
pub(super) fn weight_scales(weights: &[f32], rows: usize) -> Vec<f32> {
    let row = (weights.len() / rows.max(1)).max(1);
    vectorised(
        #[inline(always)]
        || weights.chunks_exact(row).map(scale_of).collect(),
    )
}
