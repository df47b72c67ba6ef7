//! LayerNorm to bytes.

use super::super::{Form, NormBytes};
use super::Case;
use rand::RngExt;

#[test]
fn a_norm_is_within_a_step_of_the_exact_one() {
    for seed in 0..200 {
        let mut case = Case::new(4000 + seed);
        let (channels, pixels) = (case.random.random_range(1..=100), case.random.random_range(1..200));
        let (from, stride, to_stride) = (case.random.random_range(0..9), pixels + 3, pixels + 2);
        let shift = case.random.random_range(-3.0..3.0f32);
        let x: Vec<f32> = case.floats(from + channels * stride).iter().map(|x| x + shift).collect();
        let (gain, bias) = (case.floats(channels), case.floats(channels));
        // Now and then so that nearly everything saturates, or lies beyond all integers.
        let scale = match case.random.random_range(0..10) {
            0 => 1e-12,
            1 => 1e-3,
            _ => case.random.random_range(0.005..0.05f32),
        };
        let (zero, epsilon) = (case.random.random_range(0..=255), 1e-5);
        let rows = Form::available().into_iter().map(|form| {
            let norm = NormBytes::new(form, &gain, &bias, epsilon, scale, zero);
            let mut to = vec![7; channels * to_stride];
            norm.row(&x, from, stride, &mut to, to_stride, pixels);
            to
        });
        let rows: Vec<_> = rows.collect();
        assert!(rows.iter().all(|row| *row == rows[0]), "seed {seed}: the forms differ");
        for pixel in 0..pixels {
            let x = |channel: usize| f64::from(x[from + channel * stride + pixel]);
            let mean = (0..channels).map(x).sum::<f64>() / channels as f64;
            let variance = (0..channels).map(|at| (x(at) - mean).powi(2)).sum::<f64>() / channels as f64;
            for channel in 0..channels {
                let unit = (x(channel) - mean) / (variance + f64::from(epsilon)).sqrt();
                let value = unit * f64::from(gain[channel]) + f64::from(bias[channel]);
                let coded = (value / f64::from(scale) + f64::from(zero)).clamp(0.0, 255.0);
                let byte = rows[0][channel * to_stride + pixel];
                let off = (f64::from(byte) - coded).abs();
                assert!(scale < 1e-10 || off <= 0.51, "seed {seed}, {channel}, {pixel}: {byte}, not {coded}");
            }
        }
        for row in rows[0].chunks_exact(to_stride) {
            assert_eq!(row[pixels..], [7, 7], "seed {seed}: beyond the row");
        }
    }
}
