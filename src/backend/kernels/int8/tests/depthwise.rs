//! Depthwise convolutions, by single rows and by several.
#![allow(unsafe_code)]

use super::super::depthwise::DEPTHWISE_ROWS;
use super::super::{Byte, Depthwise, Form, Output, SLACK, Shared};
use super::{Case, coded};
use rand::RngExt;

/// Numbers of a case whose activations are uint8 already, as the kernel takes them.
fn case(seed: u64) -> Case {
    let mut case = Case::new(seed);
    case.element = Byte::U8;
    case.zero = case.zero.rem_euclid(256);
    case
}

#[test]
fn a_depthwise_row_is_the_sums_written_out() {
    for seed in 0..200 {
        let mut case = case(1000 + seed);
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
fn depthwise_rows_are_the_sums_written_out() {
    for seed in 0..300 {
        let mut case = case(2000 + seed);
        let (pixels, count) =
            (case.random.random_range(1..200), case.random.random_range(1..=DEPTHWISE_ROWS));
        // Rows lie in any order, as in a ring.
        let turn = case.random.random_range(0..6);
        let row = pixels + 5;
        let input = case.bytes(6 * row + SLACK);
        let input_rows: [usize; 6] = std::array::from_fn(|at| (at + turn) % 6 * row);
        let weights = case.weights(9 * 3);
        let (biases, multipliers) = case.finish(3, 9);
        let channel = case.random.random_range(0..3);
        let out_row = pixels + 3;
        let add = case.floats(DEPTHWISE_ROWS * out_row);
        let sum = |row: usize, pixel: usize| -> i64 {
            let term = |at: usize| {
                let value =
                    i64::from(input[input_rows[row + at / 3] + pixel + at % 3]) - i64::from(case.zero);
                value * i64::from(weights[9 * channel + at])
            };
            i64::from(biases[channel]) + (0..9).map(term).sum::<i64>()
        };
        for form in Form::available() {
            let kernels = Depthwise::new(form, &weights, &biases, &multipliers, case.raised());
            let (mut found, mut floats) = (vec![7u8; add.len()], vec![7f32; add.len()]);
            let mut added = floats.clone();
            let (element, zero) = (case.out_element, case.out_zero);
            let output = Output::Bytes { values: Shared::new(&mut found), element, zero };
            let sums = Output::Floats(Shared::new(&mut floats));
            let more = Output::Added { values: Shared::new(&mut added), add: &add };
            for output in [&output, &sums, &more] {
                // SAFETY: there is one thread.
                unsafe { kernels.rows(channel, &input, input_rows, count, pixels, output, 1, out_row) };
            }
            for place in 0..add.len() {
                let (row, pixel) = (place.wrapping_sub(1) / out_row, place.wrapping_sub(1) % out_row);
                let expected = if row < count && pixel < pixels {
                    let (sum, multiplier) = (sum(row, pixel), multipliers[channel]);
                    let float = sum as f32 * multiplier;
                    (coded(sum, multiplier, zero, element), float, float + add[place])
                } else {
                    // Beyond the rows nothing is written.
                    (7, 7.0, 7.0)
                };
                let found = (found[place], floats[place], added[place]);
                assert_eq!(found, expected, "seed {seed}, {form:?}, row {row}, pixel {pixel}");
            }
        }
    }
}
