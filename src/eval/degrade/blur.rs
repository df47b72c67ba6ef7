//! Motion blur of a camera that moved while the shutter was open.

use super::kernel::{Kernel, Tap};
use crate::frame::Planes;

/// A straight, even camera motion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MotionBlur {
    /// Length of the motion in pixels; up to 1 nothing changes.
    pub length: f32,
    /// Direction in degrees, counter-clockwise from the picture's x axis.
    pub angle: f32,
}

/// A longer blur than this is no picture any more, and would only burn time.
const LONGEST: f32 = 255.0;

impl MotionBlur {
    /// The blurred picture `[3, H, W]`; the borders are mirrored.
    pub fn apply(&self, planes: &Planes) -> Planes {
        Kernel::new(self.taps()).apply(planes)
    }

    /// The line as weights. A pixel's weight falls off linearly with its distance
    /// to the line's middle axis, so that a turning line never shows steps.
    fn taps(&self) -> Vec<Tap> {
        let length = if self.length.is_nan() { 1.0 } else { self.length.clamp(1.0, LONGEST) };
        let half = (length - 1.0) / 2.0;
        let (sin, cos) = self.angle.to_radians().sin_cos();
        // Picture rows go down, angles up.
        let direction = (cos, -sin);
        let reach = half.ceil() as isize + 1;
        let mut taps = Vec::new();
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                let (x, y) = (dx as f32, dy as f32);
                let along = (x * direction.0 + y * direction.1).clamp(-half, half);
                let distance = (x - along * direction.0).hypot(y - along * direction.1);
                let weight = 1.0 - distance;
                // Below this, a tap is rounding of an axis-aligned line.
                if weight > 1e-4 {
                    taps.push(Tap { dy, dx, weight });
                }
            }
        }
        taps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot() -> Planes {
        let mut planes = Planes::zeros((3, 31, 31));
        planes[[0, 15, 15]] = 1.0;
        planes
    }

    #[test]
    fn no_motion_leaves_the_picture_as_it_is() {
        for length in [f32::NEG_INFINITY, 0.0, 1.0, f32::NAN] {
            assert_eq!(MotionBlur { length, angle: 30.0 }.apply(&dot()), dot());
        }
    }

    #[test]
    fn a_horizontal_blur_is_a_row_of_equal_weights() {
        let blurred = MotionBlur { length: 5.0, angle: 0.0 }.apply(&dot());
        for x in 13..=17 {
            assert!((blurred[[0, 15, x]] - 0.2).abs() < 1e-4);
        }
        assert!(blurred[[0, 14, 15]] == 0.0 && blurred[[0, 15, 12]] == 0.0);
    }

    #[test]
    fn a_rising_angle_goes_up_to_the_right() {
        let blurred = MotionBlur { length: 9.0, angle: 45.0 }.apply(&dot());
        assert!(blurred[[0, 13, 17]] > 0.05 && blurred[[0, 17, 17]] == 0.0);
    }

    #[test]
    fn the_mean_is_kept_up_to_the_mirrored_borders() {
        let planes =
            Planes::from_shape_fn((3, 41, 57), |(c, y, x)| ((x * 7 + y * 13 + c * 5) % 32) as f32 / 32.0);
        for angle in [0.0, 17.0, 90.0, 121.0] {
            let blurred = MotionBlur { length: 11.5, angle }.apply(&planes);
            let drift = blurred.mean().unwrap() - planes.mean().unwrap();
            assert!(drift.abs() < 2e-3, "{angle} degrees: mean moved by {drift}");
        }
    }

    #[test]
    fn a_blur_longer_than_the_picture_is_fine() {
        let planes = Planes::from_elem((3, 1, 1), 0.25);
        let blurred = MotionBlur { length: 1e9, angle: 33.0 }.apply(&planes);
        assert!((blurred[[2, 0, 0]] - 0.25).abs() < 1e-4);
    }
}
