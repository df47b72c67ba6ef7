//! Small changes that make a view another one each time it is used.

use super::views::View;
use crate::bundle::Preprocessing;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// How a view is changed on its way into the tower.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Twist {
    mirrored: bool,
    upside_down: bool,
    /// Factors of R, G and B.
    gains: [f32; 3],
    gamma: f32,
}

/// How often a view stands on its head: what is wrong with a picture looks the same then, and
/// what the picture shows, which must not matter, is less easily learned by heart.
const UPSIDE_DOWN: f32 = 0.25;

impl Twist {
    /// The view as it is.
    pub(super) const NONE: Self = Self { mirrored: false, upside_down: false, gains: [1.0; 3], gamma: 1.0 };

    pub(super) fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self {
            mirrored: rng.random(),
            upside_down: rng.random::<f32>() < UPSIDE_DOWN,
            gains: std::array::from_fn(|_| rng.random_range(0.95..=1.05)),
            gamma: rng.random_range(0.93..=1.07),
        }
    }

    /// Appends the numbers that the tower takes of a view with `side` pixels a side.
    pub(super) fn append(&self, view: &View, side: usize, pixels: &mut Vec<f32>) {
        let Preprocessing { mean, std, .. } = Preprocessing::clip();
        for (channel, plane) in view.pixels.chunks_exact(side * side).enumerate() {
            let (mean, std, gain) = (mean[channel], std[channel], self.gains[channel]);
            let table: [f32; 256] = std::array::from_fn(|value| {
                let changed = (value as f32 / 255.0).powf(self.gamma) * gain;
                (changed.min(1.0) - mean) / std
            });
            for row in 0..side {
                let row = if self.upside_down { side - 1 - row } else { row };
                let row = plane[row * side..][..side].iter().map(|x| table[usize::from(*x)]);
                if self.mirrored {
                    pixels.extend(row.rev());
                } else {
                    pixels.extend(row);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::prompts::one;
    use super::*;

    #[test]
    fn a_view_is_turned_as_the_twist_says() {
        let view = View { pixels: (0..12).map(|x| x * 20).collect(), wanted: one(0) };
        let Preprocessing { mean, std, .. } = Preprocessing::clip();
        let red = |twist: Twist| -> Vec<i32> {
            let mut pixels = Vec::new();
            twist.append(&view, 2, &mut pixels);
            assert_eq!(pixels.len(), 12);
            pixels[..4].iter().map(|x| ((x * std[0] + mean[0]) * 255.0).round() as i32).collect()
        };
        assert_eq!(red(Twist::NONE), [0, 20, 40, 60]);
        assert_eq!(red(Twist { mirrored: true, ..Twist::NONE }), [20, 0, 60, 40]);
        assert_eq!(red(Twist { upside_down: true, ..Twist::NONE }), [40, 60, 0, 20]);
        assert_eq!(red(Twist { gains: [1.1; 3], ..Twist::NONE }), [0, 22, 44, 66]);
    }
}
