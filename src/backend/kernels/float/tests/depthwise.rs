//! Depthwise convolutions, plain and gated.
#![allow(unsafe_code)]

use super::super::{Form, ROWS, Rows, depthwise, depthwise_gated};
use super::gelu::exact;
use super::{Case, Planes, Sum, UNTOUCHED, assert_all};
use crate::backend::kernels::Shared;
use rand::RngExt;

/// Some rows of a channel or two.
struct Strip {
    kernels: [[f32; 9]; 2],
    inputs: [Vec<f32>; 2],
    rows: Rows,
    output: Planes,
}

impl Strip {
    fn new(case: &mut Case) -> Self {
        let (count, pixels) = (case.upto(ROWS), case.pixels());
        // Slots beyond those that are read may be anywhere.
        let kept = case.planes(1, ROWS + 2, pixels + 2);
        let mut input = [usize::MAX; ROWS + 2];
        input[..count + 2].copy_from_slice(&kept.rows[..count + 2]);
        let floats = kept.rows[..count + 2].iter().max().unwrap() + pixels + 2;
        let (start, stride) = (case.random.random_range(0..20), pixels + case.random.random_range(0..20));
        let output_rows = (0..count).map(|row| start + row * stride).collect();
        let output = Planes { stride: 0, rows: output_rows, floats: start + (count - 1) * stride + pixels };
        let rows = Rows { input, output: start, output_stride: stride, count, pixels };
        let mut kernel = || std::array::from_fn(|_| case.random.random_range(-1.0..1.0));
        let kernels = [kernel(), kernel()];
        Self { kernels, inputs: [case.floats(floats), case.floats(floats)], rows, output }
    }

    fn convolved(&self, channel: usize, row: usize, pixel: usize) -> Sum {
        let term = |(at, weight): (usize, &f32)| {
            let x = self.inputs[channel][self.rows.input[row + at / 3] + pixel + at % 3];
            f64::from(*weight) * f64::from(x)
        };
        self.kernels[channel].iter().enumerate().map(term).collect()
    }
}

#[test]
fn depthwise_rows_are_the_sums_written_out() {
    for seed in 0..300 {
        let strip = Strip::new(&mut Case::new(seed));
        let sum = |_, row: usize, pixel: usize| strip.convolved(0, row, pixel);
        let expected = strip.output.filled(1, strip.rows.pixels, sum);
        for form in Form::available() {
            let mut found = vec![UNTOUCHED; strip.output.floats];
            let output = Shared::new(&mut found);
            // SAFETY: there is one thread.
            unsafe { depthwise(form, &strip.kernels[0], &strip.inputs[0], &output, &strip.rows) };
            assert_all(&found, &expected, &format!("seed {seed}, {form:?}"));
        }
    }
}

#[test]
fn gated_rows_are_gelu_of_one_channel_times_the_other() {
    for seed in 0..300 {
        let strip = Strip::new(&mut Case::new(seed));
        let gated = |_, row: usize, pixel: usize| {
            let [gate, value] = [0, 1].map(|channel| strip.convolved(channel, row, pixel));
            // GELU is no steeper than 1.13, and near 0 its own error counts.
            let magnitude = 1.13 * (gate.magnitude + 0.1) * value.magnitude;
            Sum { value: exact(gate.value) * value.value, magnitude }
        };
        let expected = strip.output.filled(1, strip.rows.pixels, gated);
        for form in Form::available() {
            let mut found = vec![UNTOUCHED; strip.output.floats];
            let output = Shared::new(&mut found);
            let [a, b] = &strip.kernels;
            let inputs = [strip.inputs[0].as_slice(), strip.inputs[1].as_slice()];
            // SAFETY: there is one thread.
            unsafe { depthwise_gated(form, [a, b], inputs, &output, &strip.rows) };
            assert_all(&found, &expected, &format!("seed {seed}, {form:?}"));
        }
    }
}

#[test]
#[should_panic(expected = "assertion failed")]
fn a_row_without_its_right_neighbours_is_refused() {
    let rows = Rows { input: [0, 0, 1, 0, 0, 0], output: 0, output_stride: 0, count: 1, pixels: 16 };
    let mut output = [0.0; 16];
    // SAFETY: there is one thread.
    unsafe { depthwise(Form::best(), &[1.0; 9], &[0.0; 18], &Shared::new(&mut output), &rows) };
}
