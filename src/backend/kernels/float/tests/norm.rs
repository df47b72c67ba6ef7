//! LayerNorm over channels.

use super::super::{Form, Norm, norm};
use super::{Case, Sum, UNTOUCHED, assert_all};
use rand::RngExt;

#[test]
fn a_norm_is_that_of_each_pixels_channels() {
    for seed in 0..200 {
        let mut case = Case::new(seed as u64);
        let (channels, pixels) = (seed % 100 + 1, case.pixels());
        let (from, to) = (case.planes(channels, 1, pixels), case.planes(channels, 1, pixels));
        let (gain, bias) = (case.floats(channels), case.floats(channels));
        // Far from zero now and then, where the mean is more than what differs.
        let mean = if case.random.random_bool(0.3) { 30.0 } else { 0.0 };
        let mut x = case.floats(from.floats);
        x.iter_mut().for_each(|x| *x += mean);
        let epsilon = 1e-5;
        let at = |channel: usize, pixel: usize| f64::from(x[channel * from.stride + from.rows[0] + pixel]);
        let moments: Vec<[f64; 2]> = (0..pixels)
            .map(|pixel| {
                let share = 1.0 / channels as f64;
                let mean = share * (0..channels).map(|channel| at(channel, pixel)).sum::<f64>();
                let square = |channel: usize| (at(channel, pixel) - mean).powi(2);
                [mean, share * (0..channels).map(square).sum::<f64>()]
            })
            .collect();
        let normed = |channel: usize, _, pixel: usize| {
            let ([mean, variance], x) = (moments[pixel], at(channel, pixel));
            let scale = f64::from(gain[channel]) / (variance + f64::from(epsilon)).sqrt();
            [x * scale, -mean * scale, f64::from(bias[channel])].into_iter().collect::<Sum>()
        };
        let expected = to.filled(channels, pixels, normed);
        for form in Form::available() {
            let mut found = vec![UNTOUCHED; to.floats];
            let weights = Norm::new(&gain, &bias, epsilon);
            let output = (found.as_mut_slice(), to.rows[0], to.stride);
            norm(form, &weights, (&x, from.rows[0], from.stride), output, pixels);
            assert_all(&found, &expected, &format!("seed {seed}, {form:?}, {channels} channels"));
        }
    }
}
