//! Mean and variance of a channel.

use super::super::{Form, LANES, moments};
use super::{Case, Sum};
use rand::RngExt;

#[test]
fn moments_are_of_the_numbers_whose_share_is_one() {
    for seed in 0..200 {
        let mut case = Case::new(seed);
        let length = LANES * case.upto(12);
        let mut x = case.floats(length);
        // Far from zero now and then, where the mean is more than what differs.
        let mean = if case.random.random_bool(0.3) { 30.0 } else { 0.0 };
        x.iter_mut().for_each(|x| *x += mean);
        let mut shares: Vec<f32> =
            (0..length).map(|_| f32::from(u8::from(case.random.random_bool(0.8)))).collect();
        shares[0] = 1.0;
        let taken: Vec<f64> =
            x.iter().zip(&shares).filter(|(_, share)| **share > 0.0).map(|(x, _)| f64::from(*x)).collect();
        let share = 1.0 / taken.len() as f64;
        let mean: Sum = taken.iter().map(|x| x * share).collect();
        let variance: Sum = taken.iter().map(|x| (x - mean.value).powi(2) * share).collect();
        // What the mean is rounded by counts in the variance, squared.
        let variance = Sum { magnitude: variance.magnitude + mean.magnitude.abs() * 1e-6, ..variance };
        for form in Form::available() {
            let found = moments(form, &x, &shares, taken.len());
            assert!(mean.is(found[0]) && variance.is(found[1]), "seed {seed}, {form:?}: {found:?}");
        }
    }
}

#[test]
#[should_panic(expected = "assertion failed")]
fn numbers_without_shares_are_refused() {
    moments(Form::best(), &[1.0; 32], &[1.0; 16], 16);
}
