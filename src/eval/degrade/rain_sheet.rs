//! A flat sheet of rain streaks, as the paired benchmark sets draw it.

use crate::frame::Planes;
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Streaks of one direction over the whole picture, without depth.
///
/// [`super::Rain`] is rain in space, for scenes whose depth is known. The public sets (Rain100L,
/// Rain800) draw theirs onto the picture: thin tapered strokes, often in tufts, all of nearly
/// one direction, added to what is behind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RainSheet {
    /// Tufts of streaks per 1000 pixels.
    pub density: f32,
    /// Most streaks in a tuft; each has 1 to so many.
    pub tuft: u32,
    /// Lean in degrees from vertical, -45..=45; above 0 the streaks fall to the right.
    pub lean: f32,
    /// Standard deviation of the lean from streak to streak, in degrees.
    pub spread: f32,
    /// Shortest and longest streak in pixels.
    pub length: [f32; 2],
    /// Thinnest and widest streak: half width in pixels where its light has gone.
    pub width: [f32; 2],
    /// Faintest and brightest streak: what it adds to a black pixel at its middle.
    pub brightness: [f32; 2],
    /// Share of streaks that are a short, bright bead instead.
    pub beads: f32,
    /// Light that the rain too fine to be seen adds everywhere, 0..=1.
    pub veil: f32,
    /// 0 adds light whatever is behind, 1 screens: bright things gain less.
    pub screen: f32,
}

impl RainSheet {
    /// The rainy picture `[3, H, W]` of `planes` in 0..=1.
    pub fn apply(&self, planes: &Planes, seed: u64) -> Planes {
        let (_, height, width) = planes.dim();
        let light = self.light(height, width, seed);
        let mut rainy = planes.clone();
        for mut plane in rainy.outer_iter_mut() {
            plane.zip_mut_with(&light, |value, &light| {
                let gain = 1.0 - self.screen * *value;
                *value = (*value + light * gain).clamp(0.0, 1.0);
            });
        }
        rainy
    }

    /// What the rain adds to each pixel `[H, W]`.
    fn light(&self, height: usize, width: usize, seed: u64) -> Array2<f32> {
        let mut light = Array2::from_elem((height, width), self.veil.max(0.0));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let within = |[low, high]: [f32; 2], share: f32| low + (high - low) * share;
        // Tufts begin outside as well, as far as their streaks reach in.
        let margin = self.length[1].clamp(0.0, 256.0) / 2.0;
        let (tall, wide) = (height as f32 + 2.0 * margin, width as f32 + 2.0 * margin);
        let tufts = (self.density.clamp(0.0, 1000.0) * tall * wide / 1000.0).round() as usize;
        for _ in 0..tufts {
            let middle = (rng.random::<f32>() * wide - margin, rng.random::<f32>() * tall - margin);
            // Long and bright tufts are rare, short and faint ones many.
            let (size, shine): (f32, f32) = (rng.random::<f32>().powi(2), rng.random::<f32>().powi(2));
            for _ in 0..rng.random_range(1..=self.tuft.max(1)) {
                let length = within(self.length, (size + 0.3 * rng.random::<f32>()).min(1.0)).min(256.0);
                let brightness = within(self.brightness, (0.8 * shine + 0.3 * rng.random::<f32>()).min(1.0));
                let half_width = within(self.width, rng.random::<f32>().powi(2));
                let off = |share: f32, rng: &mut ChaCha8Rng| share * (rng.random::<f32>() - 0.5);
                let (along, across) = match self.tuft {
                    0 | 1 => (0.0, 0.0),
                    _ => (off(1.6 * length, &mut rng), off(9.0, &mut rng)),
                };
                // Three dice make a fair bell.
                let bell = (0..3).map(|_| off(2.0, &mut rng)).sum::<f32>();
                let lean = (self.lean + self.spread * bell).clamp(-60.0, 60.0).to_radians();
                let bead = rng.random::<f32>() < self.beads;
                Stroke {
                    middle: (middle.0 + along * lean.sin() + across, middle.1 + along * lean.cos()),
                    slope: lean.tan(),
                    half_length: if bead { 2.5 } else { 0.5 * length * lean.cos() },
                    half_width: if bead { half_width.max(1.2) } else { half_width },
                    brightness: if bead { 1.5 * brightness } else { brightness },
                    head: rng.random_range(-0.6..=0.6),
                }
                .draw(&mut light);
            }
        }
        light
    }
}

/// One streak; lengths in pixels.
struct Stroke {
    middle: (f32, f32),
    /// Pixels to the right per row down.
    slope: f32,
    /// Half of its rows.
    half_length: f32,
    half_width: f32,
    brightness: f32,
    /// Where it is brightest, -1 at its top, 1 at its foot.
    head: f32,
}

impl Stroke {
    fn draw(&self, light: &mut Array2<f32>) {
        let (height, width) = light.dim();
        // A lean spreads the same width over more pixels of a row.
        let across = self.half_width * self.slope.hypot(1.0);
        for y in span(self.middle.1 - self.half_length, self.middle.1 + self.half_length, height) {
            let t = (y as f32 + 0.5 - self.middle.1) / self.half_length;
            // From the head to either end.
            let from_head = if t < self.head {
                (self.head - t) / (1.0 + self.head)
            } else {
                (t - self.head) / (1.0 - self.head)
            };
            let along = bump(from_head) * self.brightness;
            let centre = self.middle.0 + self.slope * (y as f32 + 0.5 - self.middle.1);
            for x in span(centre - across, centre + across, width) {
                light[[y, x]] += along * bump((x as f32 + 0.5 - centre) / across);
            }
        }
    }
}

/// A smooth hill: 1 at 0, 0 from 1 on.
fn bump(x: f32) -> f32 {
    let rest = (1.0 - x * x).max(0.0);
    rest * rest
}

/// The pixels whose centres lie between two positions, as far as they are in `0..size`.
fn span(from: f32, to: f32, size: usize) -> std::ops::Range<usize> {
    let start = (from - 0.5).ceil().max(0.0) as usize;
    start.min(size)..((to + 0.5).floor().max(0.0) as usize).min(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHEET: RainSheet = RainSheet {
        density: 2.0,
        tuft: 3,
        lean: 20.0,
        spread: 1.0,
        length: [10.0, 40.0],
        width: [1.0, 2.0],
        brightness: [0.1, 0.4],
        beads: 0.05,
        veil: 0.0,
        screen: 0.0,
    };

    #[test]
    fn rain_only_adds_light_and_the_seed_decides_where() {
        let grey = Planes::from_elem((3, 120, 160), 0.4);
        let rainy = SHEET.apply(&grey, 1);
        assert!(rainy.iter().all(|v| (0.4..=1.0).contains(v)) && rainy != grey);
        assert_eq!(rainy, SHEET.apply(&grey, 1));
        assert_ne!(rainy, SHEET.apply(&grey, 2));
        assert_eq!(RainSheet { density: 0.0, ..SHEET }.apply(&grey, 1), grey);
    }

    #[test]
    fn a_lean_above_zero_falls_to_the_right() {
        let light = SHEET.light(200, 200, 1);
        // How alike the sheet is to itself, one row down and `step` tenths to the right.
        let alike = |rows: usize, columns: isize| -> f32 {
            let mut sum = 0.0;
            for y in 0..200 - rows {
                for x in 20..180usize {
                    sum += light[[y, x]] * light[[y + rows, x.wrapping_add_signed(columns)]];
                }
            }
            sum
        };
        // tan 20 degrees is 0.36: 8 rows down, 3 to the right.
        let best = (-8..=8).max_by(|&a, &b| alike(8, a).total_cmp(&alike(8, b))).unwrap();
        assert!((2..=4).contains(&best), "{best}");
    }

    #[test]
    fn screened_rain_spares_what_is_bright() {
        let white = Planes::from_elem((3, 60, 60), 0.95);
        let gain = |screen| (RainSheet { screen, veil: 0.03, ..SHEET }.apply(&white, 1) - &white).sum();
        assert!(gain(1.0) < 0.3 * gain(0.0));
    }

    #[test]
    fn any_size_and_any_number_is_fine() {
        let wild = RainSheet { length: [0.0, f32::INFINITY], width: [0.0, 0.0], lean: f32::NAN, ..SHEET };
        for (height, width) in [(1, 1), (0, 5), (9, 3)] {
            wild.apply(&Planes::from_elem((3, height, width), 0.5), u64::MAX);
        }
    }
}
