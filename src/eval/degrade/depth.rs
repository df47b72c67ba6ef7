//! A depth map for a photo that comes without one.

use super::guided;
use super::patches::Patches;
use crate::frame::{Planes, resize_bicubic};
use ndarray::{Array2, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Distance of the farthest thing, in metres.
pub const FARTHEST: f32 = 100.0;

/// Longer side of the small picture that the layout is worked out on.
const SMALL: usize = 120;

/// Distances in metres `[H, W]`, at most [`FARTHEST`], that the photo `planes` `[3, H, W]` in
/// 0..=1 could have been taken at.
///
/// Nobody can tell from one photo, so this draws a layout by `seed` (ground to a horizon, things
/// that stand on it, a far bright sky) and lets its edges follow the photo's. The farthest thing
/// is 1.3 to 4.5 times as far as the nearest, as in the depth that the public haze sets were
/// made with.
pub fn plausible(planes: &Planes, seed: u64) -> Array2<f32> {
    let (_, height, width) = planes.dim();
    let longer = height.max(width);
    if height.min(width) == 0 {
        return Array2::from_elem((height, width), FARTHEST);
    }
    let small = |side: usize| (side * SMALL.min(longer) / longer).max(1);
    let Ok(photo) = resize_bicubic(planes.view(), small(height), small(width)) else {
        return Array2::from_elem((height, width), FARTHEST);
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let layout = Layout::draw(&mut rng).over(&photo);
    let ratio = rng.random_range(1.3f32.ln()..=4.5f32.ln());
    let near = FARTHEST * (-ratio).exp();
    let metres = stretched(layout).mapv(|far| near * (ratio * far).exp());
    enlarged(&metres, height, width)
}

/// Where things are in a scene; distances from 0, nearest, to about 1, farthest.
struct Layout {
    /// Row of the horizon as a share of the height, from the top.
    horizon: f32,
    /// How much of the distance is the ground's.
    ground: f32,
    /// How soon the ground is far: 1 evenly, more as seen from nearer to it.
    flatness: f32,
    /// How much nearer it gets again from the horizon to the top (trees, ceilings).
    roof: f32,
    /// Distance of what stands on the ground, in soft patches.
    things: f32,
    patches: Patches,
    fine: Patches,
    /// How much farther bright and dull parts are than dark and colourful ones.
    brightness: f32,
    /// Distance of the sky.
    sky: f32,
}

impl Layout {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mut within = |low: f32, high: f32| rng.random_range(low..=high);
        Self {
            horizon: within(-0.1, 0.65),
            ground: within(0.0, 1.2),
            flatness: within(0.8, 4.0),
            roof: within(-0.6, 1.0).max(0.0),
            things: within(0.1, 0.7),
            brightness: within(-0.2, 0.8),
            sky: within(0.8, 1.6),
            patches: Patches::new(rng.random()),
            fine: Patches::new(rng.random()),
        }
    }

    fn over(&self, photo: &Planes) -> Array2<f32> {
        let (_, height, width) = photo.dim();
        let luma = Array2::from_shape_fn((height, width), |(y, x)| {
            0.3 * photo[[0, y, x]] + 0.59 * photo[[1, y, x]] + 0.11 * photo[[2, y, x]]
        });
        let soft = guided::box_mean(&luma, 2);
        let rough = guided::box_mean(&(&luma - &soft).mapv(f32::abs), 3);
        let mean = luma.mean().unwrap_or(0.5);
        let layout = Array2::from_shape_fn((height, width), |(y, x)| {
            let (v, u) = ((y as f32 + 0.5) / height as f32, (x as f32 + 0.5) / width as f32);
            let below = (v - self.horizon) / (1.0 - self.horizon);
            let ground = if below > 0.0 {
                1.0 / (1.0 + self.flatness * below)
            } else {
                1.0 - self.roof * (-below).min(1.0)
            };
            let stands = self.patches.at(u, v) + 0.5 * self.fine.at(to_and_fro(2.3 * u), to_and_fro(1.7 * v));
            let colour = (0..3).map(|c| photo[[c, y, x]]);
            let (low, high) = colour.fold((1.0f32, 0.0f32), |(low, high), v| (low.min(v), high.max(v)));
            let dull = soft[[y, x]] - mean - 0.5 * (high - low);
            let far = self.ground * ground + self.things * stands + self.brightness * dull;
            far + self.sky * self.sky_at(photo, y, x, v, rough[[y, x]])
        });
        let radius = (height.max(width) / 12).max(1);
        guided::filter(&luma, &layout, radius, 0.004)
    }

    /// How much like sky a place is, 0..=1: bright or blue, even, and above the horizon.
    fn sky_at(&self, photo: &Planes, y: usize, x: usize, v: f32, rough: f32) -> f32 {
        let [red, green, blue] = [0, 1, 2].map(|c| photo[[c, y, x]]);
        let bright = ramp(red.min(green).min(blue), 0.5, 0.75);
        let is_blue = ramp(blue - red.max(green), 0.0, 0.12) * ramp(blue, 0.35, 0.5);
        let above = 1.0 - ramp(v, self.horizon.max(0.2), self.horizon.max(0.2) + 0.25);
        bright.max(is_blue) * (1.0 - ramp(rough, 0.02, 0.06)) * above
    }
}

/// Goes from 0 to 1, back, and so on: repeats a patch without a seam.
fn to_and_fro(at: f32) -> f32 {
    1.0 - (1.0 - at.rem_euclid(2.0)).abs()
}

/// 0 up to `from`, 1 from `to` on, a line in between.
fn ramp(value: f32, from: f32, to: f32) -> f32 {
    ((value - from) / (to - from)).clamp(0.0, 1.0)
}

/// The same layout with all but its extremes spread over 0..=1.
fn stretched(layout: Array2<f32>) -> Array2<f32> {
    let mut sorted: Vec<f32> = layout.iter().copied().collect();
    sorted.sort_by(f32::total_cmp);
    let at = |share: f32| sorted[((sorted.len() - 1) as f32 * share) as usize];
    let (low, high) = (at(0.02), at(0.98));
    layout.mapv(|far| ((far - low) / (high - low).max(1e-6)).clamp(0.0, 1.0))
}

fn enlarged(small: &Array2<f32>, height: usize, width: usize) -> Array2<f32> {
    let view = small.view().insert_axis(Axis(0));
    match resize_bicubic(view, height, width) {
        Ok(large) => large.index_axis_move(Axis(0), 0).mapv_into(|d| d.clamp(1.0, FARTHEST)),
        Err(_) => Array2::from_elem((height, width), FARTHEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blue above, textured green below.
    fn landscape() -> Planes {
        Planes::from_shape_fn((3, 90, 130), |(c, y, x)| match (y < 36, c) {
            (true, 2) => 0.9,
            (true, _) => 0.6,
            (false, 1) => 0.25 + 0.2 * ((x * 7 + y * 3) % 5) as f32 / 5.0,
            (false, _) => 0.15,
        })
    }

    #[test]
    fn distances_are_positive_bounded_and_by_seed() {
        let depth = plausible(&landscape(), 1);
        assert!(depth.iter().all(|d| (1.0..=FARTHEST).contains(d)));
        assert_eq!(depth, plausible(&landscape(), 1));
        assert_ne!(depth, plausible(&landscape(), 2));
    }

    #[test]
    fn a_blue_sky_is_mostly_farther_than_the_ground() {
        let farther = (0..40).filter(|&seed| {
            let depth = plausible(&landscape(), seed);
            let mean = |from: usize, to: usize| depth.slice(ndarray::s![from..to, ..]).mean().unwrap();
            mean(0, 18) > 1.1 * mean(60, 90)
        });
        let farther = farther.count();
        assert!(farther >= 34, "{farther} of 40");
    }

    #[test]
    fn any_size_is_fine() {
        for (height, width) in [(0, 4), (1, 1), (2, 300), (700, 3)] {
            assert_eq!(plausible(&Planes::zeros((3, height, width)), 1).dim(), (height, width));
        }
    }
}
