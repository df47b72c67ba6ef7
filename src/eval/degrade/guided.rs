//! Smoothing that stops at the edges of a guide (He, Sun and Tang 2010).

use ndarray::{Array2, Axis};

/// `input` as a locally linear function of `guide` (both `[H, W]`): smooth where the guide is,
/// stepping where it steps. Edges fainter than the square root of `epsilon` are smoothed over.
pub(super) fn filter(guide: &Array2<f32>, input: &Array2<f32>, radius: usize, epsilon: f32) -> Array2<f32> {
    let mean = |values: &Array2<f32>| box_mean(values, radius);
    let (mean_g, mean_i) = (mean(guide), mean(input));
    let variance = mean(&(guide * guide)) - &mean_g * &mean_g;
    let covariance = mean(&(guide * input)) - &mean_g * &mean_i;
    let slope = covariance / (variance + epsilon);
    let offset = &mean_i - &(&slope * &mean_g);
    mean(&slope) * guide + mean(&offset)
}

/// Means over windows of `2 radius + 1` a side, cut off at the borders.
pub(in crate::eval) fn box_mean(values: &Array2<f32>, radius: usize) -> Array2<f32> {
    let mut means = values.clone();
    for axis in [Axis(0), Axis(1)] {
        for mut lane in means.lanes_mut(axis) {
            // Sums up to each place: any window is then one difference.
            let mut sums = vec![0.0f64];
            sums.extend(lane.iter().scan(0.0, |sum, &v| {
                *sum += f64::from(v);
                Some(*sum)
            }));
            let length = lane.len();
            for (at, value) in lane.iter_mut().enumerate() {
                let (from, to) = (at.saturating_sub(radius), (at + radius + 1).min(length));
                *value = ((sums[to] - sums[from]) / (to - from) as f64) as f32;
            }
        }
    }
    means
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_of_the_guide_survives_and_noise_does_not() {
        let step = Array2::from_shape_fn((24, 24), |(_, x)| if x < 12 { 0.0 } else { 1.0f32 });
        let noise = Array2::from_shape_fn((24, 24), |(y, x)| ((x * 7 + y * 13) % 5) as f32 / 20.0 - 0.1);
        let smooth = filter(&step, &(&step + &noise), 4, 0.01);
        let jump = smooth[[12, 12]] - smooth[[12, 11]];
        assert!(jump > 0.9, "the edge is {jump}");
        assert!((smooth[[12, 3]] - smooth[[13, 4]]).abs() < 0.01);
    }

    #[test]
    fn a_window_is_cut_off_at_the_border() {
        let means = box_mean(&Array2::from_shape_fn((1, 4), |(_, x)| x as f32), 1);
        assert_eq!(means.as_slice().unwrap(), [0.5, 1.0, 2.0, 2.5]);
    }
}
