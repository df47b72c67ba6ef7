//! Every form against sums written out, over random shapes, zero points and scales.
#![allow(unsafe_code)]

use super::{Byte, Depthwise, Form, Output, Product, Rows, SLACK, Shared, TILE};
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
        let mut multiplier = || 10f32.powf(self.random.random_range(-6.0..1.0)) / (inputs as f32).sqrt();
        (biases, (0..outputs).map(|_| multiplier()).collect())
    }

    fn raised(&self) -> i32 {
        self.element.raised(self.zero)
    }
}

#[test]
fn products_are_the_sums_written_out() {
    for seed in 0..200 {
        let mut case = Case::new(seed);
        let (inputs, outputs) = (case.random.random_range(1..70), case.random.random_range(1..20));
        let (count, at) = (case.random.random_range(1..=TILE), case.random.random_range(0..5));
        let row = count + at + 3;
        let bytes = case.bytes(inputs * row);
        let weights = case.weights(inputs * outputs);
        let (biases, multipliers) = case.finish(outputs, inputs);
        let offsets: Vec<usize> = (0..inputs).map(|input| input * row).collect();
        let rows = Rows { bytes: &bytes, offsets: &offsets, element: case.element };
        let sum = |output: usize, pixel: usize| -> i64 {
            let term = |input: usize| {
                let value = decoded(bytes[input * row + at + pixel], case.element) - i64::from(case.zero);
                value * i64::from(weights[output * inputs + input])
            };
            i64::from(biases[output]) + (0..inputs).map(term).sum::<i64>()
        };
        for form in Form::available() {
            let product = Product::new(form, &weights, &biases, &multipliers, case.raised());
            let stride = count + 2;
            let (mut found, mut floats) = (vec![7u8; outputs * stride], vec![7f32; outputs * stride]);
            let (element, zero) = (case.out_element, case.out_zero);
            let output = Output::Bytes { values: Shared::new(&mut found), element, zero };
            let sums = Output::Floats(Shared::new(&mut floats));
            for output in [&output, &sums] {
                // SAFETY: there is one thread.
                unsafe { product.tile(&rows, at, count, output, (0, stride), &mut Vec::new()) };
            }
            for (output, &multiplier) in multipliers.iter().enumerate() {
                for pixel in 0..stride {
                    let place = output * stride + pixel;
                    let (byte, float) = if pixel < count {
                        let sum = sum(output, pixel);
                        (coded(sum, multiplier, zero, element), sum as f32 * multiplier)
                    } else {
                        // Beyond the tile nothing is written.
                        (7, 7.0)
                    };
                    assert_eq!(found[place], byte, "seed {seed}, {form:?}, output {output}, pixel {pixel}");
                    assert_eq!(floats[place], float, "seed {seed}, {form:?}, output {output}, pixel {pixel}");
                }
            }
        }
    }
}

#[test]
fn depthwise_rows_are_the_sums_written_out() {
    for seed in 0..200 {
        let mut case = Case::new(1000 + seed);
        // The kernel takes what is uint8 already.
        case.element = Byte::U8;
        case.zero = case.zero.rem_euclid(256);
        let (count, channels) = (case.random.random_range(1..200), case.random.random_range(1..5));
        let channel = case.random.random_range(0..channels);
        let rows: [Vec<u8>; 3] = std::array::from_fn(|_| case.bytes(count + SLACK));
        let weights = case.weights(9 * channels);
        let (biases, multipliers) = case.finish(channels, 9);
        let sum = |pixel: usize| -> i64 {
            let term = |at: usize| {
                let value = i64::from(rows[at / 3][pixel + at % 3]) - i64::from(case.zero);
                value * i64::from(weights[9 * channel + at])
            };
            i64::from(biases[channel]) + (0..9).map(term).sum::<i64>()
        };
        for form in Form::available() {
            let kernels = Depthwise::new(form, &weights, &biases, &multipliers, case.raised());
            let (mut found, mut floats) = (vec![7u8; count + 3], vec![7f32; count + 3]);
            let (element, zero) = (case.out_element, case.out_zero);
            let output = Output::Bytes { values: Shared::new(&mut found), element, zero };
            let sums = Output::Floats(Shared::new(&mut floats));
            for output in [&output, &sums] {
                let rows = [&rows[0][..], &rows[1][..], &rows[2][..]];
                // SAFETY: there is one thread.
                unsafe { kernels.row(channel, rows, count, output, 1) };
            }
            assert_eq!((found[0], floats[0], found[count + 1], floats[count + 1]), (7, 7.0, 7, 7.0));
            for pixel in 0..count {
                let (sum, multiplier) = (sum(pixel), multipliers[channel]);
                assert_eq!(found[1 + pixel], coded(sum, multiplier, zero, element), "seed {seed}, {form:?}");
                assert_eq!(floats[1 + pixel], sum as f32 * multiplier, "seed {seed}, {form:?}");
            }
        }
    }
}

#[test]
fn this_machine_is_tested_in_the_form_that_it_runs() {
    assert!(Form::available().contains(&Form::best()));
}
