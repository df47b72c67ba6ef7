//! The gate of GDFN.

use super::super::{Form, Gate};
use super::Case;
use rand::RngExt;

/// A scale and a zero of a side, all of them possible.
fn side(case: &mut Case) -> (f32, i32) {
    let zero = if case.random.random_bool(0.2) { 255 } else { case.random.random_range(0..=255) };
    (10f32.powf(case.random.random_range(-3.0..0.0)), zero)
}

fn gelu(byte: u8, (scale, zero): (f32, i32)) -> f64 {
    let x = f64::from(i32::from(byte) - zero) * f64::from(scale);
    0.5 * x * (1.0 + libm::erf(x / std::f64::consts::SQRT_2))
}

fn value(byte: u8, (scale, zero): (f32, i32)) -> f64 {
    f64::from(i32::from(byte) - zero) * f64::from(scale)
}

#[test]
fn a_gate_is_within_a_step_of_the_exact_one() {
    for seed in 0..100 {
        let mut case = Case::new(3000 + seed);
        let (a_side, b_side) = (side(&mut case), side(&mut case));
        // Every pair of bytes, and an odd rest.
        let a: Vec<u8> = (0..=65535u32).map(|at| (at >> 8) as u8).chain([3; 17]).collect();
        let b: Vec<u8> = (0..=65535u32).map(|at| at as u8).chain([200; 17]).collect();
        let largest = |value: &dyn Fn(u8) -> f64| (0..=255).map(|byte| value(byte).abs()).fold(0.0, f64::max);
        let most = largest(&|byte| gelu(byte, a_side)) * largest(&|byte| value(byte, b_side));
        // Outputs that fit their range, and such that saturate.
        let scale = (most / 10f64.powf(case.random.random_range(1.5..3.0))) as f32;
        let out_zero = case.random.random_range(0..=255);
        let rows = Form::available().into_iter().map(|form| {
            let gate = Gate::new(form, a_side, b_side, Some((scale, out_zero)));
            let (mut bytes, mut floats) = (vec![0; a.len()], vec![0.0; a.len()]);
            gate.row(&a, &b, &mut bytes);
            gate.row_f32(&a, &b, &mut floats);
            (bytes, floats)
        });
        let rows: Vec<_> = rows.collect();
        assert!(rows.iter().all(|row| *row == rows[0]), "seed {seed}: the forms differ");
        // Each number of the table is off by half a bit of its last one, and so is each product.
        for (((&a, &b), &byte), &float) in a.iter().zip(&b).zip(&rows[0].0).zip(&rows[0].1) {
            let exact = gelu(a, a_side) * value(b, b_side);
            assert!((f64::from(float) - exact).abs() <= 1e-6 * exact.abs(), "seed {seed}, {a}, {b}");
            let coded = (exact / f64::from(scale) + f64::from(out_zero)).clamp(0.0, 255.0);
            assert!((f64::from(byte) - coded).abs() <= 1.5, "seed {seed}, {a}, {b}: {byte}, not {coded}");
        }
    }
}

#[test]
fn a_gate_is_off_by_little_more_than_rounding_at_scales_that_fit() {
    // The output's range is what it is filled with.
    let (a_side, b_side) = ((0.02, 60), (0.015, 128));
    let most = gelu(255, a_side) * value(255, b_side);
    let out = ((2.0 * most / 255.0) as f32, 128);
    for form in Form::available() {
        let gate = Gate::new(form, a_side, b_side, Some(out));
        for a in 0..=255u8 {
            let b: Vec<u8> = (0..=255).collect();
            let mut bytes = vec![0; 256];
            gate.row(&[a; 256], &b, &mut bytes);
            for (&b, &byte) in b.iter().zip(&bytes) {
                let coded = gelu(a, a_side) * value(b, b_side) / f64::from(out.0) + 128.0;
                assert!(
                    (f64::from(byte) - coded.clamp(0.0, 255.0)).abs() < 0.52,
                    "{a}, {b}: {byte}, not {coded}"
                );
            }
        }
    }
}

#[test]
fn a_gate_whose_table_overflows_saturates() {
    for form in Form::available() {
        // One step of b is thousands of the output.
        let gate = Gate::new(form, (1.0, 0), (1.0, 100), Some((0.01, 30)));
        let mut bytes = [0; 4];
        gate.row(&[255, 255, 255, 0], &[255, 0, 100, 7], &mut bytes);
        assert_eq!(bytes, [255, 0, 30, 30], "{form:?}");
    }
}

#[test]
fn a_gate_writes_no_further_than_its_row() {
    for form in Form::available() {
        let gate = Gate::new(form, (0.1, 10), (0.1, 20), Some((0.5, 3)));
        for count in 0..150 {
            let (mut bytes, mut floats) = ([9; 200], [9.0; 200]);
            gate.row(&[77; 200][..count], &[5; 200][..count], &mut bytes[..count]);
            gate.row_f32(&[77; 200][..count], &[5; 200][..count], &mut floats[..count]);
            assert!(
                bytes[count..].iter().all(|&byte| byte == 9) && floats[count..].iter().all(|&x| x == 9.0)
            );
        }
    }
}
