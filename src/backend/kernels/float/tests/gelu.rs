//! GELU and the gate made of it.

use super::super::{Form, LANES, gate};
use super::{Case, Sum, UNTOUCHED, assert_all};

/// x·Φ(x).
pub(super) fn exact(x: f64) -> f64 {
    0.5 * x * (1.0 + libm::erf(x / std::f64::consts::SQRT_2))
}

/// GELU of a multiple of [`LANES`] numbers.
fn gelus(form: Form, x: &[f32]) -> Vec<f32> {
    let mut found = vec![UNTOUCHED; x.len()];
    gate(form, x, &vec![1.0; x.len()], &mut found);
    found
}

#[test]
fn gelu_is_within_a_millionth_of_the_exact_one() {
    let steps = 40_000 * LANES;
    let x: Vec<f32> = (0..steps).map(|step| (40.0 * step as f64 / steps as f64 - 20.0) as f32).collect();
    for form in Form::available() {
        for (x, found) in x.iter().zip(gelus(form, &x)) {
            let error = (f64::from(found) - exact(f64::from(*x))).abs();
            assert!(error < 1e-6, "{form:?}: GELU({x}) is {found}, off by {error}");
        }
    }
}

#[test]
fn gelu_is_exact_far_out_and_near_zero() {
    let mut x = [0.0; LANES];
    x[..8].copy_from_slice(&[1e30, -1e30, f32::MAX, f32::MIN, 100.0, -100.0, 1e-30, -1e-30]);
    for form in Form::available() {
        for (x, found) in x.iter().zip(gelus(form, &x)) {
            let (expected, found) = (exact(f64::from(*x)), f64::from(found));
            let tolerance = 1e-6 * f64::from(x.abs().min(1.0));
            assert!((found - expected).abs() <= tolerance, "{form:?}: {x}, {found}");
        }
    }
}

#[test]
fn numbers_that_are_none_stay_in_their_places() {
    let mut x = vec![1.0; 2 * LANES];
    (x[3], x[LANES]) = (f32::NAN, f32::INFINITY);
    (x[LANES + 5], x[2 * LANES - 1]) = (f32::NEG_INFINITY, -f32::NAN);
    for form in Form::available() {
        let found = gelus(form, &x);
        for (x, found) in x.iter().zip(found) {
            assert!(!x.is_finite() || (f64::from(found) - exact(1.0)).abs() < 1e-6, "{form:?}: {x}, {found}");
        }
    }
}

#[test]
fn a_gate_is_gelu_of_one_times_the_other() {
    for seed in 0..20 {
        let mut case = Case::new(seed);
        let count = case.pixels();
        let (a, b) = (case.floats(count), case.floats(count));
        let product = |(a, b): (&f32, &f32)| {
            let value = exact(f64::from(*a)) * f64::from(*b);
            Sum { value, magnitude: f64::from((a.abs() + 0.1) * b.abs()) }
        };
        let expected: Vec<Sum> = a.iter().zip(&b).map(product).collect();
        for form in Form::available() {
            let mut found = vec![UNTOUCHED; count];
            gate(form, &a, &b, &mut found);
            assert_all(&found, &expected, &format!("seed {seed}, {form:?}"));
        }
    }
}
