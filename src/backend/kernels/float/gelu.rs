//! The exact GELU, x·Φ(x), by a polynomial.

use super::{Form, LANES, load, mul_add, store};
use pulp::{Simd, WithSimd};

/// Behind this |x| the polynomial is not asked any more.
const LIMIT: f32 = 5.2;

/// (Φ(x) - ½) / x by powers of 2x²/LIMIT² - 1, fitted so that x·Φ(x) is within 1.5e-7 of its value
/// before rounding, and within 1e-6 after it, for |x| up to 16.
const POLYNOMIAL: [f32; 14] = [
    0.13594998,
    -0.06774362,
    0.050025616,
    -0.039931986,
    0.031973917,
    -0.024698842,
    0.01803877,
    -0.012619652,
    0.008365102,
    -0.004542331,
    0.0020051738,
    -0.0014687554,
    0.0011886883,
    -0.00038824193,
];

#[inline(always)]
pub(super) fn gelu<S: Simd, const N: usize>(simd: S, x: [S::f32s; N]) -> [S::f32s; N] {
    let splat = |number| simd.splat_f32s(number);
    let mut powers = x;
    for power in &mut powers {
        let square = simd.min_f32s(simd.mul_f32s(*power, *power), splat(LIMIT * LIMIT));
        *power = mul_add(simd, square, splat(2.0 / (LIMIT * LIMIT)), splat(-1.0));
    }
    let mut sums = [splat(POLYNOMIAL[13]); N];
    for coefficient in POLYNOMIAL[..13].iter().rev() {
        for (sum, power) in sums.iter_mut().zip(powers) {
            *sum = mul_add(simd, *sum, power, splat(*coefficient));
        }
    }
    for (sum, x) in sums.iter_mut().zip(x) {
        let share = mul_add(simd, *sum, x, splat(0.5));
        let share = simd.max_f32s(simd.min_f32s(share, splat(1.0)), splat(0.0));
        *sum = simd.mul_f32s(share, x);
    }
    sums
}

/// GELU(a)·b, for a multiple of [`LANES`] numbers.
///
/// # Panics
/// Where there aren't as many of each.
pub(crate) fn gate(form: Form, a: &[f32], b: &[f32], to: &mut [f32]) {
    assert!(a.len() == b.len() && a.len() == to.len() && a.len().is_multiple_of(LANES));
    form.run(Gate { a, b, to });
}

struct Gate<'a> {
    a: &'a [f32],
    b: &'a [f32],
    to: &'a mut [f32],
}

impl WithSimd for Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for at in (0..self.to.len()).step_by(S::F32_LANES) {
            // SAFETY: all three have as many, whole vectors of them.
            unsafe {
                let [gate] = gelu::<S, 1>(simd, [load(simd, self.a.as_ptr().add(at))]);
                let value = load(simd, self.b.as_ptr().add(at));
                store(simd, self.to.as_mut_ptr().add(at), simd.mul_f32s(gate, value));
            }
        }
    }
}
