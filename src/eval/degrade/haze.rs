//! Fog and haze by the atmospheric scattering model.

use super::assert_same_size;
use super::patches::Patches;
use crate::frame::Planes;
use ndarray::Array2;

/// Haze by Koschmieder's law: `I = J t + A (1 - t)` with `t = exp(-beta d)`, on the encoded
/// values, as the public dehazing sets (RESIDE) are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Haze {
    /// Scattering per metre; 0.02 leaves 13 % of the contrast at 100 m.
    pub beta: f32,
    /// Colour of the haze, sRGB in 0..=1.
    pub airlight: [f32; 3],
    /// How much `beta` varies across the picture in soft patches: 0 not at all, 0.5 by half.
    pub patchiness: f32,
}

impl Default for Haze {
    /// Even, moderate, slightly bluish fog.
    fn default() -> Self {
        Self { beta: 0.015, airlight: [0.80, 0.82, 0.84], patchiness: 0.0 }
    }
}

impl Haze {
    /// The hazy picture `[3, H, W]` of `planes` (sRGB in 0..=1) at `depth` `[H, W]` in metres.
    ///
    /// # Panics
    /// Where `depth` has another size than the picture.
    pub fn apply(&self, planes: &Planes, depth: &Array2<f32>, seed: u64) -> Planes {
        assert_same_size(planes, depth);
        let patches = Patches::new(seed);
        let (height, width) = depth.dim();
        let transmission = Array2::from_shape_fn((height, width), |(y, x)| {
            let patch = match self.patchiness {
                strength if strength > 0.0 => {
                    let at = |i: usize, size: usize| (i as f32 + 0.5) / size as f32;
                    strength * patches.at(at(x, width), at(y, height))
                }
                _ => 0.0,
            };
            transmission(self.beta * (1.0 + patch), depth[[y, x]])
        });
        let mut hazy = planes.clone();
        for (mut plane, air) in hazy.outer_iter_mut().zip(self.airlight) {
            plane.zip_mut_with(&transmission, |value, &t| {
                *value = (*value * t + air * (1.0 - t)).clamp(0.0, 1.0)
            });
        }
        hazy
    }
}

/// `exp(-beta d)`, also where one is 0 and the other infinite: no haze hides nothing.
fn transmission(beta: f32, depth: f32) -> f32 {
    if beta <= 0.0 || depth <= 0.0 { 1.0 } else { (-beta * depth).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Planes {
        Planes::from_shape_fn((3, 5, 7), |(c, y, x)| (c * 35 + y * 7 + x) as f32 / 105.0)
    }

    #[test]
    fn at_no_distance_there_is_no_haze() {
        let hazy = Haze { beta: 0.5, ..Haze::default() }.apply(&picture(), &Array2::zeros((5, 7)), 1);
        assert_eq!(hazy, picture());
    }

    #[test]
    fn infinitely_far_there_is_only_airlight() {
        let haze = Haze { airlight: [0.7, 0.8, 0.9], patchiness: 0.5, ..Haze::default() };
        let hazy = haze.apply(&picture(), &Array2::from_elem((5, 7), f32::INFINITY), 1);
        for (plane, air) in hazy.outer_iter().zip(haze.airlight) {
            assert!(plane.iter().all(|&v| v == air));
        }
    }

    #[test]
    fn no_haze_leaves_even_the_sky() {
        let depth = Array2::from_elem((5, 7), f32::INFINITY);
        assert_eq!(Haze { beta: 0.0, ..Haze::default() }.apply(&picture(), &depth, 1), picture());
    }

    #[test]
    fn the_model_is_koschmieders() {
        let haze = Haze { beta: 0.02, airlight: [0.9; 3], patchiness: 0.0 };
        let hazy = haze.apply(&Planes::from_elem((3, 1, 1), 0.1), &Array2::from_elem((1, 1), 50.0), 0);
        let t = (-1.0f32).exp();
        assert!((hazy[[1, 0, 0]] - (0.1 * t + 0.9 * (1.0 - t))).abs() < 1e-6);
    }

    #[test]
    fn patches_vary_with_the_seed_and_stay_smooth() {
        let haze = Haze { patchiness: 0.5, ..Haze::default() };
        let (black, depth) = (Planes::zeros((3, 90, 160)), Array2::from_elem((90, 160), 60.0));
        let hazy = haze.apply(&black, &depth, 1);
        assert_eq!(hazy, haze.apply(&black, &depth, 1));
        assert_ne!(hazy, haze.apply(&black, &depth, 2));
        let row = hazy.slice(ndarray::s![0, 45, ..]);
        let step = row.windows(2).into_iter().map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max);
        let span = row.iter().copied().fold(0.0, f32::max) - row.iter().copied().fold(1.0, f32::min);
        assert!(span > 0.02 && step < span / 10.0, "span {span}, step {step}");
    }
}
