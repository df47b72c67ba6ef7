//! Every form against sums written out, over random shapes, zero points and scales.

mod cosines;
mod depthwise;
mod gate;
mod norm;
mod product;

use super::{Byte, Form};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a sum becomes, by the definition of QuantizeLinear.
fn coded(sum: i64, multiplier: f32, zero: i32, element: Byte) -> u8 {
    let rounded = f64::from(sum as f32 * multiplier).round_ties_even() as i64 + i64::from(zero);
    match element {
        Byte::I8 => (rounded.clamp(-128, 127) as i8).to_le_bytes()[0],
        Byte::U8 => rounded.clamp(0, 255) as u8,
    }
}

fn decoded(byte: u8, element: Byte) -> i64 {
    match element {
        Byte::I8 => i64::from(byte as i8),
        Byte::U8 => i64::from(byte),
    }
}

/// A case's numbers: bytes of either kind, weights to the last, scales that saturate and scales
/// that lose everything.
struct Case {
    random: ChaCha8Rng,
    element: Byte,
    zero: i32,
    out_element: Byte,
    out_zero: i32,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut element = || if random.random_bool(0.5) { Byte::I8 } else { Byte::U8 };
        let (element, out_element) = (element(), element());
        let mut zero = |element: Byte| match element {
            Byte::I8 => random.random_range(-128..=127),
            Byte::U8 => random.random_range(0..=255),
        };
        let (zero, out_zero) = (zero(element), zero(out_element));
        Self { random, element, zero, out_element, out_zero }
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        // Now and then all at an end, so that sums are as large as they get.
        let extreme =
            self.random.random_bool(0.2).then(|| if self.random.random_bool(0.5) { 127 } else { 128 });
        (0..count).map(|_| extreme.unwrap_or_else(|| self.random.random())).collect()
    }

    fn weights(&mut self, count: usize) -> Vec<i8> {
        let extreme = self.random.random_bool(0.2).then_some(-128);
        (0..count).map(|_| extreme.unwrap_or_else(|| self.random.random())).collect()
    }

    fn finish(&mut self, outputs: usize, inputs: usize) -> (Vec<i32>, Vec<f32>) {
        let biases = (0..outputs).map(|_| self.random.random_range(-100_000..=100_000)).collect();
        // Now and then beyond all integers.
        let powers = if self.random.random_bool(0.1) { 3.0..9.0 } else { -6.0..1.0 };
        let mut multiplier = || 10f32.powf(self.random.random_range(powers.clone())) / (inputs as f32).sqrt();
        (biases, (0..outputs).map(|_| multiplier()).collect())
    }

    fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.random.random_range(-2.0..2.0)).collect()
    }

    fn raised(&self) -> i32 {
        self.element.raised(self.zero)
    }
}

#[test]
fn this_machine_is_tested_in_the_form_that_it_runs() {
    assert!(Form::available().contains(&Form::best()));
}
