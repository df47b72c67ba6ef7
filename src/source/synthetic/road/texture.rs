//! Randomness that depends on a place alone, and noise without shimmer made of it.

/// A well-mixed number from a seed and a lattice point.
pub fn hash(seed: u32, x: i32, y: i32) -> u32 {
    let mut h = seed ^ (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^ (h >> 15)
}

/// Random choices for one thing of the scene: always the same ones for the same thing.
pub struct Dice {
    seed: u32,
    throws: i32,
}

impl Dice {
    /// The dice of thing number `index` of the kind `stream`.
    pub fn new(seed: u32, stream: u32, index: i32) -> Self {
        Self { seed: hash(seed ^ stream.wrapping_mul(0xC2B2_AE3D), index, stream as i32), throws: 0 }
    }

    /// Evenly in 0..1.
    pub fn unit(&mut self) -> f32 {
        self.throws += 1;
        unit(hash(self.seed, self.throws, 0))
    }

    /// Evenly in `from..to`.
    pub fn range(&mut self, from: f32, to: f32) -> f32 {
        from + (to - from) * self.unit()
    }

    /// True in this share of all cases.
    pub fn chance(&mut self, share: f32) -> bool {
        self.unit() < share
    }

    /// One of several.
    pub fn pick<T: Copy, const N: usize>(&mut self, of: &[T; N]) -> T {
        of[((self.unit() * N as f32) as usize).min(N - 1)]
    }
}

fn unit(hash: u32) -> f32 {
    // Through i32, which converts in one instruction where u32 takes several.
    (hash >> 8) as i32 as f32 * (1.0 / 16_777_216.0)
}

/// Smooth noise in -1..=1, one random value per unit square; f64, because a drive of hours is
/// too long for the digits of f32.
pub fn noise(x: f64, y: f64, seed: u32) -> f32 {
    let cell = |v: f64| {
        let truncated = v as i64;
        let cell = truncated - i64::from(v < truncated as f64);
        (cell as i32, (v - cell as f64) as f32)
    };
    let ((cx, tx), (cy, ty)) = (cell(x), cell(y));
    // A lighter hash than the one for dice: this is where most of the time goes.
    let (across, down) = ((cx as u32).wrapping_mul(0x9E37_79B1), (cy as u32).wrapping_mul(0x85EB_CA77));
    let value = |dx: u32, dy: u32| {
        let h = across.wrapping_add(dx.wrapping_mul(0x9E37_79B1))
            ^ down.wrapping_add(dy.wrapping_mul(0x85EB_CA77))
            ^ seed;
        unit((h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D))
    };
    let (sx, sy) = (tx * tx * (3.0 - 2.0 * tx), ty * ty * (3.0 - 2.0 * ty));
    let (low, high) = (value(0, 0), value(0, 1));
    let low = low + (value(1, 0) - low) * sx;
    let high = high + (value(1, 1) - high) * sx;
    2.0 * (low + (high - low) * sy) - 1.0
}

/// Several octaves of noise, each half as long and somewhat weaker than the one before, about
/// -1..=1. Octaves that are finer than the `footprint` of a pixel are left out softly: that is
/// what keeps a far texture still.
pub fn fractal(x: f64, y: f64, footprint: f32, wavelength: f32, octaves: u32, seed: u32) -> f32 {
    octaves_of_noise((x, y), footprint, (wavelength, octaves), (0.42, 0.64), seed)
}

/// As [`fractal`], with fine octaves nearly as strong as coarse ones: leaves, grass, stones,
/// which show as much contrast from near as from afar.
pub fn speckle(x: f64, y: f64, footprint: f32, wavelength: f32, octaves: u32, seed: u32) -> f32 {
    octaves_of_noise((x, y), footprint, (wavelength, octaves), (0.38, 0.92), seed)
}

fn octaves_of_noise(
    (x, y): (f64, f64),
    footprint: f32,
    (mut wavelength, octaves): (f32, u32),
    (mut strength, weaker): (f32, f32),
    seed: u32,
) -> f32 {
    let mut sum = 0.0;
    for octave in 0..octaves {
        let visible = (wavelength / footprint - 1.0).clamp(0.0, 1.0);
        if visible == 0.0 {
            break;
        }
        let scale = 1.0 / f64::from(wavelength);
        sum += visible * strength * noise(x * scale, y * scale, seed.wrapping_add(octave));
        wavelength *= 0.5;
        strength *= weaker;
    }
    sum
}

/// 0 up to `from`, 1 beyond `to`, smooth between.
pub fn smoothstep(from: f32, to: f32, value: f32) -> f32 {
    let t = ((value - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// How much of a pixel of width `footprint` around `at` lies in `from..to`.
pub fn covered(at: f32, footprint: f32, from: f32, to: f32) -> f32 {
    let half = footprint / 2.0;
    (((at + half).min(to) - (at - half).max(from)) / footprint).clamp(0.0, 1.0)
}

/// How much of a pixel is on the positive side of an edge at signed `distance`.
pub fn inside(distance: f32, footprint: f32) -> f32 {
    (distance / footprint + 0.5).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_continuous_also_far_out_and_below_zero() {
        for start in [-3.001, 0.0, 5_000_000.4] {
            for i in 0..1000 {
                let at = start + f64::from(i) * 0.01;
                let step = noise(at + 0.01, -at, 7) - noise(at, -at, 7);
                assert!(step.abs() < 0.05, "a step of {step} at {at}");
            }
        }
    }

    #[test]
    fn texture_finer_than_a_pixel_is_gone() {
        assert_eq!(fractal(0.3, 0.7, 2.0, 1.0, 5, 1), 0.0);
        assert_ne!(fractal(0.3, 0.7, 0.2, 1.0, 5, 1), 0.0);
    }

    #[test]
    fn a_pixel_half_over_an_edge_is_half_covered() {
        assert_eq!(covered(1.0, 0.5, 1.0, 4.0), 0.5);
        assert_eq!(covered(2.0, 8.0, 1.5, 2.5), 0.125);
    }
}
