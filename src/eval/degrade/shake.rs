//! Motion blur of a hand that did not hold the camera still.

use super::kernel::{Kernel, Tap};
use super::patches::Patches;
use crate::frame::Planes;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::collections::BTreeMap;
use std::f32::consts::TAU;

/// A curved camera motion while the shutter was open, drawn by the seed.
///
/// The picture is where the camera stood in the middle of that time, as in the public sets that
/// average frames of a fast camera (GoPro, REDS).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CameraShake {
    /// Length of the way in pixels, up to 64; up to 1 nothing changes.
    pub length: f32,
    /// How much the way bends: 0 is a straight line, 1 turns by about a right angle.
    pub bend: f32,
    /// By how much another part of the scene moves differently, as a share of the motion:
    /// 0 all moves as one.
    pub parallax: f32,
}

const LONGEST: f32 = 64.0;

/// Moments that the shutter's time is cut into.
const MOMENTS: usize = 96;

impl CameraShake {
    /// The blurred picture of `planes` `[3, H, W]`; give linear light for the blur of a sensor.
    pub fn apply(&self, planes: &Planes, seed: u64) -> Planes {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let way = self.way(&mut rng);
        let blurred = kernel(&way).apply(planes);
        if self.parallax <= 0.0 || way.len() < 2 {
            return blurred;
        }
        let turn: f32 = 0.5 * self.parallax * rng.random_range(-1.0..=1.0f32);
        let scale = 1.0 + self.parallax * rng.random_range(-1.0..=0.6f32);
        let (sin, cos) = turn.sin_cos();
        let other: Vec<_> =
            way.iter().map(|(x, y)| (scale * (x * cos - y * sin), scale * (x * sin + y * cos))).collect();
        let mut both = kernel(&other).apply(planes);
        let patches = Patches::new(rng.random());
        let (_, height, width) = planes.dim();
        for (mut plane, first) in both.outer_iter_mut().zip(blurred.outer_iter()) {
            for (y, (mut row, first)) in plane.outer_iter_mut().zip(first.outer_iter()).enumerate() {
                for (x, (value, first)) in row.iter_mut().zip(first).enumerate() {
                    let here = patches.at((x as f32 + 0.5) / width as f32, (y as f32 + 0.5) / height as f32);
                    let share = (0.5 + 5.0 * here).clamp(0.0, 1.0);
                    *value = *value * share + first * (1.0 - share);
                }
            }
        }
        both
    }

    /// Where the camera stood at each moment, in pixels from where it stood in the middle.
    fn way(&self, rng: &mut ChaCha8Rng) -> Vec<(f32, f32)> {
        let length = if self.length.is_nan() { 0.0 } else { self.length.clamp(0.0, LONGEST) };
        if length <= 1.0 {
            return vec![(0.0, 0.0)];
        }
        let mut normal = || -> f32 { StandardNormal.sample(rng) };
        // The turning rate drifts, so that hooks and S-curves come up as well as arcs.
        let (mut rate, drift) = (normal(), 4.0 * normal());
        let mut heading = TAU * (0.5 + 0.5 * normal());
        let mut speed = 1.0f32;
        let mut way = vec![(0.0f32, 0.0f32)];
        let mut total = 0.0;
        for moment in 1..MOMENTS {
            let t = moment as f32 / MOMENTS as f32;
            rate += drift / MOMENTS as f32 + 0.15 * normal();
            heading += 1.6 * self.bend * rate / MOMENTS as f32 * (0.5 + t);
            speed = (speed * (0.08 * normal()).exp()).clamp(0.3, 3.0);
            let (sin, cos) = heading.sin_cos();
            let (x, y) = way[moment - 1];
            way.push((x + speed * cos, y + speed * sin));
            total += speed;
        }
        let middle = way[MOMENTS / 2];
        way.iter().map(|(x, y)| ((x - middle.0) * length / total, (y - middle.1) * length / total)).collect()
    }
}

/// Each moment's light, shared by the four pixels around where it fell.
fn kernel(way: &[(f32, f32)]) -> Kernel {
    let mut weights = BTreeMap::new();
    for (x, y) in way {
        let (left, top) = (x.floor(), y.floor());
        let (fx, fy) = (x - left, y - top);
        for (dy, wy) in [(0, 1.0 - fy), (1, fy)] {
            for (dx, wx) in [(0, 1.0 - fx), (1, fx)] {
                *weights.entry((top as isize + dy, left as isize + dx)).or_insert(0.0) += wx * wy;
            }
        }
    }
    // What is a hundredth of a moment can't be seen, and costs as much as any other tap.
    let heavy = weights.into_iter().filter(|(_, weight)| *weight > 0.01);
    Kernel::new(heavy.map(|((dy, dx), weight)| Tap { dy, dx, weight }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot() -> Planes {
        let mut planes = Planes::zeros((3, 61, 61));
        planes.slice_mut(ndarray::s![.., 30, 30]).fill(1.0);
        planes
    }

    #[test]
    fn a_still_hand_changes_nothing() {
        for length in [f32::NAN, 0.0, 1.0] {
            let shake = CameraShake { length, bend: 1.0, parallax: 0.5 };
            assert_eq!(shake.apply(&dot(), 3), dot());
        }
    }

    #[test]
    fn light_is_kept_and_spread_within_the_length() {
        for seed in 0..20 {
            let blurred = CameraShake { length: 20.0, bend: 0.7, parallax: 0.0 }.apply(&dot(), seed);
            let plane = blurred.index_axis(ndarray::Axis(0), 1);
            assert!((plane.sum() - 1.0).abs() < 1e-3, "seed {seed}");
            let lit: Vec<_> = plane.indexed_iter().filter(|(_, v)| **v > 1e-3).map(|(at, _)| at).collect();
            let far = lit.iter().map(|(y, x)| (*y as f32 - 30.0).hypot(*x as f32 - 30.0)).fold(0.0, f32::max);
            assert!((3.0..=16.0).contains(&far), "seed {seed}: {far} pixels from the middle");
        }
    }

    #[test]
    fn the_seed_decides_the_way_and_parallax_blurs_two_parts_apart() {
        let shake = CameraShake { length: 15.0, bend: 0.5, parallax: 0.0 };
        assert_eq!(shake.apply(&dot(), 1), shake.apply(&dot(), 1));
        assert_ne!(shake.apply(&dot(), 1), shake.apply(&dot(), 2));
        let lines = Planes::from_shape_fn((3, 64, 64), |(_, _, x)| (x / 4 % 2) as f32);
        assert_ne!(shake.apply(&lines, 1), CameraShake { parallax: 0.8, ..shake }.apply(&lines, 1));
    }
}
