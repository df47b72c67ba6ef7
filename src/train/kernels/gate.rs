//! GDFN's gate, GELU(a)·b, on the CPU.

use super::vectorised;

/// `h` `[B, 2F, N]` holds a, then b, in each sample's `2·half` values: GELU(a)·b.
pub(super) fn gate(h: &[f32], half: usize) -> Vec<f32> {
    let mut out = vec![0.0; h.len() / 2];
    vectorised(
        #[inline(always)]
        || {
            for (h, out) in h.chunks_exact(2 * half).zip(out.chunks_exact_mut(half)) {
                let (a, b) = h.split_at(half);
                for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                    *out = a * normal(*a).0 * b;
                }
            }
        },
    );
    out
}

/// The gradient with respect to `h`.
pub(super) fn gradient(h: &[f32], gradient: &[f32], half: usize) -> Vec<f32> {
    let mut of_h = vec![0.0; h.len()];
    vectorised(
        #[inline(always)]
        || {
            let samples = h.chunks_exact(2 * half).zip(of_h.chunks_exact_mut(2 * half));
            for ((h, of_h), gradient) in samples.zip(gradient.chunks_exact(half)) {
                let ((a, b), (of_a, of_b)) = (h.split_at(half), of_h.split_at_mut(half));
                for (((of_a, of_b), (a, b)), g) in
                    of_a.iter_mut().zip(of_b).zip(a.iter().zip(b)).zip(gradient)
                {
                    let (distribution, density) = normal(*a);
                    *of_a = g * b * (distribution + a * density);
                    *of_b = g * a * distribution;
                }
            }
        },
    );
    of_h
}

/// The standard normal's distribution Φ(x) and density φ(x).
///
/// Abramowitz and Stegun 7.1.26: within 1.5e-7 of the exact error function, and branch-free.
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    const COEFFICIENTS: [f32; 5] = [1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6];
    let bell = exp(-0.5 * x * x);
    let t = 1.0 / (1.0 + 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2 * x.abs());
    let mut tail = 0.0;
    for coefficient in COEFFICIENTS {
        tail = (tail + coefficient) * t;
    }
    let upper = 0.5 * tail * bell;
    let distribution = if x >= 0.0 { 1.0 - upper } else { upper };
    (distribution, bell * 0.398_942_3)
}

/// eˣ for x ≤ 0, within 2e-7 of it; below −87 as at −87.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding it rounds to an integer, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let scaled = x.max(-87.0) * std::f32::consts::LOG2_E;
    let rounded = scaled + ROUND;
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(127 << 23));
    let rest = (scaled - (rounded - ROUND)) * std::f32::consts::LN_2;
    const SERIES: [f32; 6] = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0];
    let mut sum = 1.0 / 5040.0;
    for coefficient in SERIES {
        sum = sum * rest + coefficient;
    }
    (sum * rest + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_within_2e_7() {
        for step in 0..8000 {
            let x = -f64::from(step) * 0.01;
            let exact = f64::from(x as f32).exp();
            let error = (f64::from(exp(x as f32)) - exact).abs();
            assert!(error < 2e-7, "at {x}: {error:e}");
            // The last digits of x, which f32 rounds, are worth more the further down it is.
            assert!(error / exact < 6e-7 - 1e-7 * x, "at {x}: {:e}", error / exact);
        }
    }

    #[test]
    fn the_distribution_is_that_of_the_error_function() {
        // Φ from tables, to seven digits.
        for (x, expected) in
            [(0.0, 0.5), (0.5, 0.691_462_5), (1.0, 0.841_344_7), (-1.5, 0.066_807_2), (3.0, 0.998_650_1)]
        {
            assert!((normal(x).0 - expected).abs() < 3e-7, "at {x}");
        }
    }
}
