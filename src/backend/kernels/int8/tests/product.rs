//! Products of a matrix with rows of pixels.
#![allow(unsafe_code)]

use super::super::{Form, Output, Product, Rows, Shared, TILE};
use super::{Case, coded, decoded};
use rand::RngExt;

#[test]
fn products_are_the_sums_written_out() {
    for seed in 0..300 {
        let mut case = Case::new(seed);
        let (inputs, outputs) = (case.random.random_range(1..=100), case.random.random_range(1..20));
        let (count, at) = (case.random.random_range(1..=TILE), case.random.random_range(0..5));
        let row = count + at + 3;
        let bytes = case.bytes(inputs * row);
        let weights = case.weights(inputs * outputs);
        let (biases, multipliers) = case.finish(outputs, inputs);
        let offsets: Vec<usize> = (0..inputs).map(|input| input * row).collect();
        let rows = Rows { bytes: &bytes, offsets: &offsets, element: case.element };
        let add = case.floats(outputs * (count + 2));
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
            let mut added = floats.clone();
            let (element, zero) = (case.out_element, case.out_zero);
            let output = Output::Bytes { values: Shared::new(&mut found), element, zero };
            let sums = Output::Floats(Shared::new(&mut floats));
            let more = Output::Added { values: Shared::new(&mut added), add: &add };
            for output in [&output, &sums, &more] {
                // SAFETY: there is one thread.
                unsafe { product.tile(&rows, at, count, output, (0, stride), &mut vec![0; product.panel()]) };
            }
            for (output, &multiplier) in multipliers.iter().enumerate() {
                for pixel in 0..stride {
                    let place = output * stride + pixel;
                    let expected = if pixel < count {
                        let sum = sum(output, pixel);
                        let float = sum as f32 * multiplier;
                        (coded(sum, multiplier, zero, element), float, float + add[place])
                    } else {
                        // Beyond the tile nothing is written.
                        (7, 7.0, 7.0)
                    };
                    let found = (found[place], floats[place], added[place]);
                    assert_eq!(found, expected, "seed {seed}, {form:?}, output {output}, pixel {pixel}");
                }
            }
        }
    }
}
