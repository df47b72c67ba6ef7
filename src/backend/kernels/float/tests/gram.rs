//! Sums of products and of squares.

use super::super::{Form, LANES, Side, gram, squares};
use super::{Case, Sum};
use rand::RngExt;

/// Whether partial sums, added up, are those expected.
fn assert_sums(found: &[f32], expected: impl Fn(usize) -> Sum, what: &str) {
    for (at, parts) in found.chunks_exact(LANES).enumerate() {
        let (found, expected) = (parts.iter().map(|part| f64::from(*part)).sum::<f64>(), expected(at));
        assert!(expected.is(found as f32), "{what}: {found} is the {at}th sum, not {expected:?}");
    }
}

#[test]
fn products_of_rows_with_rows_are_added_to_the_sums() {
    for seed in 0..150 {
        let mut case = Case::new(seed as u64);
        let (channels, count, pixels) = (seed % 50 + 1, case.upto(4), case.pixels());
        let (q, k) = (case.planes(channels, count, pixels), case.planes(channels, count, pixels));
        let (q_floats, k_floats) = (case.floats(q.floats), case.floats(k.floats));
        let before = case.floats(channels * channels * LANES);
        let term = |at: usize, row: usize, pixel: usize| {
            let a = q_floats[at / channels * q.stride + q.rows[row] + pixel];
            f64::from(a) * f64::from(k_floats[at % channels * k.stride + k.rows[row] + pixel])
        };
        let expected = |at: usize| -> Sum {
            let terms = (0..count).flat_map(|row| (0..pixels).map(move |pixel| term(at, row, pixel)));
            terms.chain(before[at * LANES..][..LANES].iter().map(|part| f64::from(*part))).collect()
        };
        for form in Form::available() {
            let mut found = before.clone();
            let q = Side { floats: &q_floats, stride: q.stride, rows: &q.rows };
            let k = Side { floats: &k_floats, stride: k.stride, rows: &k.rows };
            gram(form, &mut found, channels, q, k, pixels);
            assert_sums(&found, expected, &format!("seed {seed}, {form:?}, {channels} channels"));
        }
    }
}

#[test]
fn squares_of_rows_are_added_to_the_sums() {
    for seed in 0..100 {
        let mut case = Case::new(seed as u64);
        let (channels, pixels) = (seed % 50 + 1, case.pixels());
        let rows = case.planes(channels, 1, pixels);
        let floats = case.floats(rows.floats);
        let before: Vec<f32> = case.floats(channels * LANES).iter().map(|x| x.abs()).collect();
        let expected = |at: usize| -> Sum {
            let pixels = floats[at * rows.stride + rows.rows[0]..][..pixels].iter();
            let squares = pixels.map(|x| f64::from(*x) * f64::from(*x));
            squares.chain(before[at * LANES..][..LANES].iter().map(|part| f64::from(*part))).collect()
        };
        for form in Form::available() {
            let mut found = before.clone();
            squares(form, &mut found, &floats[rows.rows[0]..], rows.stride, pixels);
            assert_sums(&found, expected, &format!("seed {seed}, {form:?}, {channels} channels"));
        }
    }
}

#[test]
fn sums_of_several_calls_are_the_sum_of_all() {
    let mut case = Case::new(1);
    let (channels, pixels) = (7, 3 * LANES);
    let floats = case.floats(2 * channels * pixels);
    let side = |from: usize| Side { floats: &floats[from..], stride: 2 * pixels, rows: &[0] };
    let split = case.random.random_range(1..3) * LANES;
    for form in Form::available() {
        let (mut once, mut twice) = ([0.0; 49 * LANES], [0.0; 49 * LANES]);
        gram(form, &mut once, channels, side(0), side(pixels), pixels);
        gram(form, &mut twice, channels, side(0), side(pixels), split);
        gram(form, &mut twice, channels, side(split), side(pixels + split), pixels - split);
        for (once, twice) in once.chunks_exact(LANES).zip(twice.chunks_exact(LANES)) {
            let (once, twice) = (once.iter().sum::<f32>(), twice.iter().sum::<f32>());
            assert!((once - twice).abs() < 1e-3, "{form:?}: {once}, {twice}");
        }
    }
}
