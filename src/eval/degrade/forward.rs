//! Motion blur of a camera that moves ahead: on a car, a robot, a walking person.

use crate::frame::Planes;
use ndarray::Array3;

/// A camera that came closer while the shutter was open. Everything moves away from one point,
/// which stays sharp; the further from it, the longer the blur.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForwardMotion {
    /// Length of the blur in pixels, up to 64, at the corner that is furthest from the point.
    pub length: f32,
    /// Where the camera heads to, as shares of width and height; it may lie outside.
    pub heading: [f32; 2],
}

const LONGEST: f32 = 64.0;

impl ForwardMotion {
    /// The blurred picture of `planes` `[3, H, W]`; give linear light for the blur of a sensor.
    pub fn apply(&self, planes: &Planes) -> Planes {
        let (channels, height, width) = planes.dim();
        let length = if self.length.is_nan() { 0.0 } else { self.length.clamp(0.0, LONGEST) };
        let [heading_x, heading_y] = self.heading.map(|share| if share.is_finite() { share } else { 0.5 });
        let (x0, y0) = (heading_x * width as f32, heading_y * height as f32);
        let furthest =
            x0.abs().max((width as f32 - x0).abs()).hypot(y0.abs().max((height as f32 - y0).abs()));
        if length <= 0.5 || furthest <= 0.0 {
            return planes.clone();
        }
        // A little finer than pixels, so that no steps show.
        let moments = (1.5 * length).ceil().max(4.0) as usize;
        let scales: Vec<f32> = (0..moments)
            .map(|moment| 1.0 + length / furthest * ((moment as f32 + 0.5) / moments as f32 - 0.5))
            .collect();
        let mut out = Array3::zeros((channels, height, width));
        for y in 0..height {
            for x in 0..width {
                let (from_x, from_y) = (x as f32 + 0.5 - x0, y as f32 + 0.5 - y0);
                for scale in &scales {
                    let spot = Spot::at(x0 + from_x * scale - 0.5, y0 + from_y * scale - 0.5, height, width);
                    for channel in 0..channels {
                        out[[channel, y, x]] += spot.value(planes, channel);
                    }
                }
            }
        }
        out / moments as f32
    }
}

/// Where light comes from: between four pixels, of which those beyond the border are the last.
struct Spot {
    rows: [usize; 2],
    columns: [usize; 2],
    down: f32,
    right: f32,
}

impl Spot {
    fn at(x: f32, y: f32, height: usize, width: usize) -> Self {
        let (x, y) = (x.clamp(0.0, width as f32 - 1.0), y.clamp(0.0, height as f32 - 1.0));
        let (column, row) = (x as usize, y as usize);
        Self {
            rows: [row, (row + 1).min(height - 1)],
            columns: [column, (column + 1).min(width - 1)],
            down: y - row as f32,
            right: x - column as f32,
        }
    }

    fn value(&self, planes: &Planes, channel: usize) -> f32 {
        let [left, right] = self.columns;
        let along = |row: usize| {
            planes[[channel, row, left]] * (1.0 - self.right) + planes[[channel, row, right]] * self.right
        };
        along(self.rows[0]) * (1.0 - self.down) + along(self.rows[1]) * self.down
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_camera_heads_to_stays_sharp_and_the_sides_are_smeared_outwards() {
        let stripes = Planes::from_shape_fn((3, 41, 81), |(_, _, x)| (x % 4 / 2) as f32);
        let blurred = ForwardMotion { length: 16.0, heading: [0.5, 0.5] }.apply(&stripes);
        let change = |x: usize| (blurred[[0, 20, x]] - stripes[[0, 20, x]]).abs();
        let mean = |from: usize| (from..from + 8).map(change).sum::<f32>() / 8.0;
        assert!(mean(36) < 0.15 && mean(2) > 0.4 && mean(70) > 0.4, "{} {} {}", mean(36), mean(2), mean(70));
        // No light is lost, wherever the camera heads to.
        let even = Planes::from_elem((3, 9, 12), 0.3);
        for heading in [[0.5, 0.5], [-2.0, 0.1], [f32::NAN, 0.5]] {
            let blurred = ForwardMotion { length: 20.0, heading }.apply(&even);
            assert!(blurred.iter().all(|x| (x - 0.3).abs() < 1e-5));
        }
    }
}
