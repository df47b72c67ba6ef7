//! What the processor can do at most, to measure kernels by.

use super::Form;
use pulp::{Simd, WithSimd};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Sums that don't wait for each other: more than a multiplication takes cycles, times units.
const SUMS: usize = 24;

/// Rounds of [`SUMS`] multiply-adds between two looks at the clock.
const ROUNDS: usize = 200_000;

/// Multiply-adds of floats per second on this thread, for so long.
pub(crate) fn multiply_adds(form: Form, length: Duration) -> f64 {
    let (start, mut count) = (Instant::now(), 0.0);
    while start.elapsed() < length {
        count += form.run(Rounds);
    }
    count / start.elapsed().as_secs_f64()
}

/// A number of rounds; gives the multiply-adds in it.
struct Rounds;

impl WithSimd for Rounds {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let (factor, term) = (simd.splat_f32s(black_box(0.999)), simd.splat_f32s(black_box(1e-3)));
        let mut sums = [simd.splat_f32s(1.0); SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = super::mul_add(simd, *sum, factor, term);
            }
        }
        let total = sums.into_iter().fold(simd.splat_f32s(0.0), |total, sum| simd.add_f32s(total, sum));
        black_box(simd.reduce_sum_f32s(total));
        (SUMS * ROUNDS * S::F32_LANES) as f64
    }
}
