//! Mean and variance of what a picture has of one channel.

use super::{Form, LANES, load, mul_add};
use pulp::{Simd, WithSimd};

/// Sums that don't wait for each other.
const SUMS: usize = 4;

/// Mean and variance of the numbers whose share is 1; that of all others is 0. `count` of them are 1.
///
/// # Panics
/// Where there aren't as many shares as numbers, or no whole vectors of them.
pub(crate) fn moments(form: Form, x: &[f32], shares: &[f32], count: usize) -> [f32; 2] {
    assert!(x.len() == shares.len() && x.len().is_multiple_of(LANES));
    let each = 1.0 / count as f32;
    let mean = each * form.run(Sum { x, shares, mean: None });
    [mean, each * form.run(Sum { x, shares, mean: Some(mean) })]
}

/// The sum of numbers, or of their squared distances from their mean.
struct Sum<'a> {
    x: &'a [f32],
    shares: &'a [f32],
    mean: Option<f32>,
}

impl WithSimd for Sum<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let mut sums = [simd.splat_f32s(0.0); SUMS];
        let mean = simd.splat_f32s(self.mean.unwrap_or(0.0));
        let mut at = 0;
        while at < self.x.len() {
            for sum in &mut sums {
                if at >= self.x.len() {
                    break;
                }
                // SAFETY: both have as many, whole vectors of them.
                let (x, share) = unsafe {
                    (load(simd, self.x.as_ptr().add(at)), load(simd, self.shares.as_ptr().add(at)))
                };
                let x = simd.mul_f32s(simd.sub_f32s(x, mean), share);
                *sum = match self.mean {
                    None => simd.add_f32s(*sum, x),
                    Some(_) => mul_add(simd, x, x, *sum),
                };
                at += S::F32_LANES;
            }
        }
        let [a, b, c, d] = sums;
        simd.reduce_sum_f32s(simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d)))
    }
}
