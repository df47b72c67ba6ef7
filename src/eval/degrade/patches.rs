//! Soft random patches over a picture.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Uniform};

/// A smooth random field in -1..=1 with a handful of patches over the picture.
pub(super) struct Patches {
    knots: [[f32; Self::SIDE]; Self::SIDE],
}

impl Patches {
    const SIDE: usize = 5;

    pub(super) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut knots = [[0.0; Self::SIDE]; Self::SIDE];
        if let Ok(uniform) = Uniform::new_inclusive(-1.0, 1.0) {
            knots.iter_mut().flatten().for_each(|knot| *knot = uniform.sample(&mut rng));
        }
        Self { knots }
    }

    /// The field at `(x, y)`, both in 0..=1 over the picture.
    pub(super) fn at(&self, x: f32, y: f32) -> f32 {
        let split = |v: f32| {
            let v = v.clamp(0.0, 1.0) * (Self::SIDE - 1) as f32;
            let cell = (v as usize).min(Self::SIDE - 2);
            let t = v - cell as f32;
            (cell, t * t * (3.0 - 2.0 * t))
        };
        let ((cx, tx), (cy, ty)) = (split(x), split(y));
        let row = |y: usize| self.knots[y][cx] * (1.0 - tx) + self.knots[y][cx + 1] * tx;
        row(cy) * (1.0 - ty) + row(cy + 1) * ty
    }
}
