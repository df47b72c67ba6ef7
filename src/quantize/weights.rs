//! Weights as integers: symmetric, one scale for each output channel.

use ndarray::{ArrayD, ArrayViewD, Axis};

/// The largest magnitude of a weight: -128 is left out, so that negation stays in range.
pub(crate) const MOST: f32 = 127.0;

/// Shares of the largest weight that are tried as the range.
pub(crate) const SHARES: [f32; 8] = [1.0, 0.975, 0.95, 0.925, 0.9, 0.875, 0.85, 0.8];

/// Weights in int8.
pub(super) struct Quantized {
    pub(super) values: ArrayD<i8>,
    /// One for each channel.
    pub(super) scales: Vec<f32>,
    /// The weights that the integers stand for.
    pub(super) decoded: ArrayD<f32>,
}

/// Rounds weights so that each channel along `axis` has the smallest squared error.
pub(super) fn quantize(weights: ArrayViewD<'_, f32>, axis: usize) -> Quantized {
    let mut values = ArrayD::<i8>::zeros(weights.raw_dim());
    let mut decoded = ArrayD::<f32>::zeros(weights.raw_dim());
    let mut scales = Vec::new();
    for (channel, row) in weights.axis_iter(Axis(axis)).enumerate() {
        let scale = scale_of(&row.iter().copied().collect::<Vec<_>>());
        scales.push(scale);
        let mut integers = values.index_axis_mut(Axis(axis), channel);
        integers.zip_mut_with(&row, |integer, &weight| *integer = round(weight, scale) as i8);
        let mut floats = decoded.index_axis_mut(Axis(axis), channel);
        floats.zip_mut_with(&row, |float, &weight| *float = round(weight, scale) * scale);
    }
    Quantized { values, scales, decoded }
}

/// The scale of a channel's weights that has the smallest squared error.
#[inline(always)]
pub(crate) fn scale_of(weights: &[f32]) -> f32 {
    let highest = weights.iter().fold(0.0f32, |highest, weight| highest.max(weight.abs()));
    let mut best = (0.0, f64::INFINITY);
    for share in SHARES {
        let scale = share * highest / MOST;
        let error = error(weights, scale);
        if error < best.1 {
            best = (scale, error);
        }
    }
    // Weights that are all zero have no range; any scale stands for them.
    if best.0 > f32::MIN_POSITIVE { best.0 } else { 1.0 }
}

/// Sums that are kept apart, so that the loop vectorises and the result is that of any machine.
const LANES: usize = 16;

/// The squared error of rounding.
#[inline(always)]
fn error(weights: &[f32], scale: f32) -> f64 {
    let squared = |weight: f32| {
        let error = weight - round(weight, scale) * scale;
        error * error
    };
    let (whole, rest) = weights.as_chunks::<LANES>();
    let mut sums = [0.0f64; LANES];
    for lanes in whole {
        for (sum, weight) in sums.iter_mut().zip(lanes) {
            *sum += f64::from(squared(*weight));
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|weight| f64::from(squared(*weight))).sum::<f64>()
}

#[inline(always)]
fn round(weight: f32, scale: f32) -> f32 {
    (weight / scale).round_ties_even().clamp(-MOST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{IxDyn, array};

    #[test]
    fn each_channel_has_a_range_of_its_own() {
        let weights = array![[1.0f32, -0.5, 0.25], [0.001, 0.002, -0.003], [0.0, 0.0, 0.0]].into_dyn();
        let Quantized { values, scales, decoded } = quantize(weights.view(), 0);
        assert_eq!(values[[1, 2].as_slice()], -127);
        assert!((scales[1] - 0.003 / 127.0).abs() < 1e-9 && scales[2] == 1.0);
        for (row, scale) in scales.iter().enumerate() {
            for column in 0..3 {
                let at = [row, column];
                assert!((weights[at.as_slice()] - decoded[at.as_slice()]).abs() <= 0.5 * scale);
                assert_eq!(decoded[at.as_slice()], f32::from(values[at.as_slice()]) * scale);
            }
        }
        let across = quantize(weights.view(), 1);
        assert_eq!(across.scales.len(), 3);
        assert_eq!(across.values[[0, 0].as_slice()], 127);
    }

    #[test]
    fn a_lone_weight_far_out_is_clipped_where_the_others_gain_by_it() {
        // 4,000 weights whose rounding costs more than clipping the one of them by a fortieth.
        let mut row: Vec<f32> = (0..4000).map(|i| ((i * 37) % 101) as f32 / 101.0 - 0.5).collect();
        row.push(1.0);
        let weights = ArrayD::from_shape_vec(IxDyn(&[1, row.len()]), row).unwrap();
        let fine = quantize(weights.view(), 0);
        assert!(fine.scales[0] < 1.0 / 127.0, "{}", fine.scales[0]);
        assert_eq!(fine.values.iter().max(), Some(&127));
    }
}
