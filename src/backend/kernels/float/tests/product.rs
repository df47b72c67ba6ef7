//! Products of channels with a matrix.
#![allow(unsafe_code)]

use super::super::{Form, LANES, Product, Row, Run};
use super::{Case, Sum, UNTOUCHED, assert_all};
use crate::backend::kernels::Shared;
use rand::RngExt;

#[test]
fn products_are_the_sums_written_out() {
    for seed in 0..200 {
        let mut case = Case::new(seed as u64);
        // Each number of outputs is split into blocks in its own way.
        let (outputs, inputs) = (seed % 100 + 1, case.upto(100));
        let (count, pixels) = (case.upto(2), LANES * case.upto(3));
        let taps: Vec<usize> = if case.random.random_bool(0.5) {
            vec![case.random.random_range(0..30)]
        } else {
            (0..9).map(|_| case.random.random_range(0..30)).collect()
        };
        let reach = taps.iter().max().unwrap() + pixels;
        let (from, to, more) = (
            case.planes(inputs, count, reach),
            case.planes(outputs, count, pixels),
            case.planes(outputs, count, pixels),
        );
        let (x, add) = (case.floats(from.floats), case.floats(more.floats));
        let mut weights = case.floats(outputs * inputs * taps.len());
        let is_added = case.random.random_bool(0.5);
        let rows: Vec<Row> = (0..count)
            .map(|row| Row { input: from.rows[row], output: to.rows[row], add: more.rows[row] })
            .collect();
        let mut products: Vec<Product> = Form::available()
            .into_iter()
            .map(|form| Product::new(form, &weights, outputs, inputs, taps.len()))
            .collect();
        if case.random.random_bool(0.3) {
            weights = case.floats(weights.len());
            products.iter_mut().for_each(|product| product.set(&weights));
        }
        let is_rectified = case.random.random_bool(0.3);
        if is_rectified {
            products = products.into_iter().map(Product::rectified).collect();
        }
        let sum = |output: usize, row: usize, pixel: usize| -> Sum {
            let added = add[output * more.stride + more.rows[row] + pixel];
            let terms = weights[output * inputs * taps.len()..].iter().take(inputs * taps.len());
            let term = |(at, weight): (usize, &f32)| {
                let (input, tap) = (at / taps.len(), at % taps.len());
                f64::from(*weight) * f64::from(x[input * from.stride + from.rows[row] + taps[tap] + pixel])
            };
            let added = is_added.then_some(f64::from(added));
            let sum: Sum = terms.enumerate().map(term).chain(added).collect();
            Sum { value: if is_rectified { sum.value.max(0.0) } else { sum.value }, ..sum }
        };
        let expected = to.filled(outputs, pixels, sum);
        for (product, form) in products.iter().zip(Form::available()) {
            let mut found = vec![UNTOUCHED; to.floats];
            let run = Run {
                input: &x,
                input_stride: from.stride,
                taps: &taps,
                output: &Shared::new(&mut found),
                output_stride: to.stride,
                add: is_added.then_some((add.as_slice(), more.stride)),
                rows: &rows,
                pixels,
            };
            // SAFETY: there is one thread.
            unsafe { product.run(&run) };
            let shape = format!("{outputs} of {inputs} times {}", taps.len());
            assert_all(&found, &expected, &format!("seed {seed}, {form:?}, {shape}"));
        }
    }
}

#[test]
fn a_rectified_product_has_nothing_below_zero() {
    for (outputs, inputs) in [(1, 1), (13, 7), (24, 32)] {
        let mut case = Case::new(outputs as u64);
        let (x, weights) = (case.floats(inputs * LANES), case.floats(outputs * inputs));
        for form in Form::available() {
            let plain = Product::new(form, &weights, outputs, inputs, 1);
            let rectified = plain.clone().rectified();
            let [plain, rectified] = [plain, rectified].map(|product| {
                let mut found = vec![UNTOUCHED; outputs * LANES];
                let run = Run {
                    input: &x,
                    input_stride: LANES,
                    taps: &[0],
                    output: &Shared::new(&mut found),
                    output_stride: LANES,
                    add: None,
                    rows: &[Row::default()],
                    pixels: LANES,
                };
                // SAFETY: there is one thread.
                unsafe { product.run(&run) };
                found
            });
            let expected: Vec<f32> = plain.iter().map(|sum| sum.max(0.0)).collect();
            assert_eq!(rectified, expected, "{form:?}");
        }
    }
}

#[test]
#[should_panic(expected = "assertion failed")]
fn a_row_beyond_the_input_is_refused() {
    let product = Product::new(Form::best(), &[1.0; 4], 2, 2, 1);
    let mut output = vec![0.0; 64];
    let run = Run {
        input: &[0.0; 47],
        input_stride: 32,
        taps: &[0],
        output: &Shared::new(&mut output),
        output_stride: 32,
        add: None,
        rows: &[Row::default()],
        pixels: 16,
    };
    // SAFETY: there is one thread.
    unsafe { product.run(&run) };
}
