//! A lens that is focused somewhere else.

use super::kernel::{Kernel, Tap};
use crate::frame::Planes;

/// The even disc that an open lens makes of a point out of focus.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Defocus {
    /// Radius of the disc in pixels, up to 32; up to 0.5 nothing changes.
    pub radius: f32,
}

/// A larger disc than this is no picture any more, and would only burn time.
const LARGEST: f32 = 32.0;

impl Defocus {
    /// The blurred picture `[3, H, W]`; the borders are mirrored.
    pub fn apply(&self, planes: &Planes) -> Planes {
        Kernel::new(self.taps()).apply(planes)
    }

    /// The disc as weights: 1 inside, falling off over one pixel at the rim, so that a growing
    /// radius never jumps.
    fn taps(&self) -> Vec<Tap> {
        let radius = if self.radius.is_nan() { 0.0 } else { self.radius.clamp(0.0, LARGEST) };
        let reach = radius.ceil() as isize + 1;
        let mut taps = Vec::new();
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                let weight = (radius + 0.5 - (dx as f32).hypot(dy as f32)).clamp(0.0, 1.0);
                if weight > 0.0 {
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
    fn in_focus_nothing_changes() {
        for radius in [f32::NAN, -1.0, 0.0, 0.4] {
            assert_eq!(Defocus { radius }.apply(&dot()), dot());
        }
    }

    #[test]
    fn a_dot_becomes_an_even_disc_of_the_radius() {
        let blurred = Defocus { radius: 4.0 }.apply(&dot());
        let (inside, rim) = (blurred[[0, 15, 15]], blurred[[0, 15, 19]]);
        assert!((blurred[[0, 12, 15]] - inside).abs() < 1e-7 && rim > 0.0 && rim < inside);
        assert_eq!(blurred[[0, 15, 20]], 0.0);
        let area = 1.0 / inside;
        assert!((area / (std::f32::consts::PI * 16.0) - 1.0).abs() < 0.05, "{area} pixels");
    }
}
