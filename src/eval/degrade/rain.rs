//! Falling rain: drops in space, drawn as the streaks a shutter time makes of them.

use super::streak::Streak;
use super::{Haze, assert_same_size};
use crate::frame::Planes;
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Uniform};

/// Rain between the camera and the scene.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rain {
    /// How many drops: 0 none, 1 a shower, 3 a cloudburst.
    pub density: f32,
    /// Lean of the falling drops in degrees from vertical; above 0 they drift to the right.
    pub wind: f32,
    /// Shutter time in seconds: a streak is as long as the drop's way in that time.
    pub exposure: f32,
    /// Opacity of the streaks in 0..=1.
    pub brightness: f32,
    /// Colour of the light that the drops catch, sRGB in 0..=1.
    pub sky: [f32; 3],
    /// Scattering per metre of the far rain, which is seen as a veil rather than as drops.
    pub veil: f32,
    /// Speed in metres per second at which the camera drives into the rain; 0 stands still.
    pub approach: f32,
}

impl Default for Rain {
    /// A shower with a light wind, seen by a camera that stands still.
    fn default() -> Self {
        Self {
            density: 1.0,
            wind: 8.0,
            exposure: 1.0 / 40.0,
            brightness: 0.6,
            sky: [0.86, 0.88, 0.90],
            veil: 0.000_6,
            approach: 0.0,
        }
    }
}

/// Layers of drops: nearest and farthest metre, and drops in view at density 1. Fewer than in
/// nature far away, where single drops are finer than pixels: `veil` stands for those.
const LAYERS: [(f32, f32, f32); 6] = [
    (0.8, 1.5, 12.0),
    (1.5, 2.7, 40.0),
    (2.7, 5.0, 110.0),
    (5.0, 9.0, 260.0),
    (9.0, 17.0, 480.0),
    (17.0, 32.0, 800.0),
];

/// Fall speed of a 2 mm drop, in metres per second.
const FALL: f32 = 6.8;

/// Focal length by picture width: the 65 degrees of a common dashcam.
const FOCAL_PER_WIDTH: f32 = 0.785;

/// Beyond this many metres the veil grows no thicker.
const VEIL_REACH: f32 = 400.0;

impl Rain {
    /// The rainy picture `[3, H, W]` of `planes` (sRGB in 0..=1) at `depth` `[H, W]` in metres,
    /// `time` seconds after the rain of this `seed` began. The same drops are further down a
    /// moment later, so frames at successive times make a film.
    ///
    /// # Panics
    /// Where `depth` has another size than the picture.
    pub fn apply(&self, planes: &Planes, depth: &Array2<f32>, time: f64, seed: u64) -> Planes {
        assert_same_size(planes, depth);
        let veil = Haze { beta: self.veil * self.density.max(0.0), airlight: self.sky, patchiness: 0.0 };
        // The sky's own light comes through the same rain already: only what is before it fades.
        let mut rainy = veil.apply(planes, &depth.mapv(|d| d.min(VEIL_REACH)), seed);
        let streaks = self.streaks(depth, time, seed);
        for (mut plane, sky) in rainy.outer_iter_mut().zip(self.sky) {
            // A drop brightens what is darker than the sky behind us, and darkens nothing.
            plane.zip_mut_with(&streaks, |value, &opacity| {
                *value = (*value + opacity * (sky - *value).max(0.0)).clamp(0.0, 1.0);
            });
        }
        rainy
    }

    /// Opacity of the streaks in 0..=1 at each pixel `[H, W]`.
    fn streaks(&self, depth: &Array2<f32>, time: f64, seed: u64) -> Array2<f32> {
        let (height, width) = depth.dim();
        let mut mask = Array2::zeros((height, width));
        let Ok(unit) = Uniform::new(0.0f32, 1.0) else { return mask };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let focal = FOCAL_PER_WIDTH * (width.max(height * 16 / 9) as f32).max(1.0);
        for (near, far, drops) in LAYERS {
            // Room for streaks that reach into view from outside.
            let margin = 1.0 + (FALL + self.approach.abs()) * self.exposure;
            let room =
                [width as f32 / focal * far + margin, height as f32 / focal * far + margin, far - near];
            let in_view = (width as f32 * height as f32) / focal.powi(2) * far * far;
            // Density counts drops in view, and the room is larger than the view.
            let count =
                (self.density.max(0.0) * drops * (room[0] * room[1] / in_view).min(4.0)).round() as usize;
            for _ in 0..count {
                let mut die = || unit.sample(&mut rng);
                let start = [die() * room[0], die() * room[1], die() * room[2]];
                let fall = FALL * (0.85 + 0.3 * die());
                let lean = (self.wind + 5.0 * (die() - 0.5)).to_radians().tan();
                let velocity = [fall * lean, fall, -self.approach];
                let at = |axis: usize| {
                    let way = f64::from(start[axis]) + f64::from(velocity[axis]) * time;
                    way.rem_euclid(f64::from(room[axis])) as f32
                };
                let centre = [at(0) - room[0] / 2.0, at(1) - room[1] / 2.0, near + at(2)];
                let streak =
                    Streak { centre, velocity, strength: 0.45 + 0.55 * die(), size: 0.7 + 0.6 * die() };
                // Drops fade in and out where their layer ends, instead of jumping to its other end.
                let inside = (at(2) / room[2]).min(1.0 - at(2) / room[2]);
                let fade = (inside / 0.12).min(1.0);
                streak.draw(&mut mask, depth, focal, self.exposure, self.brightness * fade);
            }
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn black() -> (Planes, Array2<f32>) {
        (Planes::zeros((3, 90, 160)), Array2::from_elem((90, 160), f32::INFINITY))
    }

    const STREAKS_ONLY: Rain = Rain {
        density: 1.0,
        wind: 8.0,
        exposure: 0.025,
        brightness: 0.6,
        sky: [0.9; 3],
        veil: 0.0,
        approach: 0.0,
    };

    #[test]
    fn streaks_only_brighten_and_never_beyond_the_sky() {
        let (_, depth) = black();
        let grey = Planes::from_shape_fn((3, 90, 160), |(_, y, x)| ((x + y) % 100) as f32 / 100.0);
        let rainy = STREAKS_ONLY.apply(&grey, &depth, 0.3, 1);
        assert!(rainy.iter().zip(&grey).all(|(r, g)| r >= g && *r <= g.max(0.9)));
        assert_ne!(rainy, grey);
    }

    #[test]
    fn more_density_is_more_rain_and_none_is_none() {
        let (black, depth) = black();
        let mean = |density| Rain { density, ..STREAKS_ONLY }.apply(&black, &depth, 0.0, 1).mean().unwrap();
        assert_eq!(mean(0.0), 0.0);
        assert!(mean(1.0) > 1.5 * mean(0.5) && mean(2.0) > 1.5 * mean(1.0));
    }

    #[test]
    fn what_is_nearer_than_the_drops_hides_them() {
        let (black, _) = black();
        let wall = Array2::from_elem((90, 160), 0.5);
        assert_eq!(STREAKS_ONLY.apply(&black, &wall, 0.0, 1), black);
    }

    #[test]
    fn near_drops_fall_from_frame_to_frame_at_the_speed_of_rain() {
        let black = Planes::zeros((3, 90, 160));
        // A wall at 2.7 m leaves the two nearest layers.
        let depth = Array2::from_elem((90, 160), 2.7);
        let still = Rain { wind: 0.0, density: 0.5, ..STREAKS_ONLY };
        let frame = |time| still.apply(&black, &depth, time, 3).index_axis_move(ndarray::Axis(0), 0);
        let (before, after) = (frame(1.0), frame(1.01));
        // How well the later frame, moved up by so many rows, matches the earlier one.
        let match_at = |rows: usize| {
            let n = 90 - rows;
            (&before.slice(ndarray::s![..n, ..]) * &after.slice(ndarray::s![rows.., ..])).sum() / n as f32
        };
        // 6.8 cm in 10 ms are 3 to 8 rows at 1 to 2.7 m.
        let best = (0..20).max_by(|&a, &b| match_at(a).total_cmp(&match_at(b))).unwrap();
        assert!((3..=8).contains(&best), "moved by {best} rows");
        assert_eq!(frame(1.0), before);
    }

    #[test]
    fn the_veil_grows_with_distance() {
        let veil = Rain { brightness: 0.0, veil: 0.01, ..STREAKS_ONLY };
        let depth = Array2::from_shape_fn((1, 9), |(_, x)| 40.0 * x as f32);
        let row = veil.apply(&Planes::zeros((3, 1, 9)), &depth, 0.0, 1);
        assert!(row.slice(ndarray::s![0, 0, ..]).windows(2).into_iter().all(|w| w[1] > w[0]));
    }

    #[test]
    fn any_size_time_and_seed_is_fine() {
        for (height, width) in [(1, 1), (3, 17), (61, 7)] {
            let depth = Array2::from_elem((height, width), 30.0);
            let planes = Planes::from_elem((3, height, width), 0.5);
            let rain = Rain { approach: 20.0, wind: -60.0, density: 2.0, ..Rain::default() };
            let rainy = rain.apply(&planes, &depth, 86_400.0, u64::MAX);
            assert!(rainy.iter().all(|v| (0.0..=1.0).contains(v)));
        }
    }
}
