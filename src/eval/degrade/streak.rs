//! One rain drop, drawn as the line a shutter time makes of it.

use ndarray::Array2;

/// Diameter of a drop in metres.
const DIAMETER: f32 = 0.002_2;

/// One drop: metres right of, below and before the camera, and metres per second.
pub(super) struct Streak {
    pub(super) centre: [f32; 3],
    pub(super) velocity: [f32; 3],
    /// Opacity and diameter, relative to the common drop.
    pub(super) strength: f32,
    pub(super) size: f32,
}

impl Streak {
    /// Adds the drop's way during `exposure` seconds to the opacities in `mask`, where nothing in
    /// `depth` is nearer.
    pub(super) fn draw(
        &self,
        mask: &mut Array2<f32>,
        depth: &Array2<f32>,
        focal: f32,
        exposure: f32,
        opacity: f32,
    ) {
        let (height, width) = mask.dim();
        let project = |seconds: f32| {
            let z = (self.centre[2] + self.velocity[2] * seconds).max(0.4);
            let x = self.centre[0] + self.velocity[0] * seconds;
            let y = self.centre[1] + self.velocity[1] * seconds;
            (width as f32 / 2.0 + focal * x / z, height as f32 / 2.0 + focal * y / z)
        };
        let (head, tail) = (project(exposure / 2.0), project(-exposure / 2.0));
        let z = self.centre[2];
        let sharp = 0.5 * DIAMETER * self.size * focal / z;
        // A lens focused on the road blurs what is right before it.
        let defocus = 0.0016 * focal / (z + 0.3);
        let finest = 0.55;
        let sigma = (finest * finest + sharp * sharp + defocus * defocus).sqrt();
        // What is finer than a pixel covers it only in part.
        let coverage = ((2.0 * sharp + 0.35) / (sigma + 0.35)).min(1.0);
        let opacity = opacity * self.strength * coverage;

        let (dx, dy) = (head.0 - tail.0, head.1 - tail.1);
        let length = dx.hypot(dy).max(1e-3);
        let (ux, uy) = (dx / length, dy / length);
        let steep = uy.abs() >= ux.abs();
        // Walk the longer axis, and across it as far as the streak's width shows.
        let (long, wide) = if steep { (height, width) } else { (width, height) };
        let (from, to) = if steep { (tail.1, head.1) } else { (tail.0, head.0) };
        let reach = 2.5 * sigma;
        let across = reach / if steep { uy.abs() } else { ux.abs() };
        for i in pixels(from.min(to) - reach, from.max(to) + reach, long) {
            let along = i as f32 + 0.5;
            let middle =
                if steep { tail.0 + (along - tail.1) * ux / uy } else { tail.1 + (along - tail.0) * uy / ux };
            for j in pixels(middle - across, middle + across, wide) {
                let (y, x) = if steep { (i, j) } else { (j, i) };
                if depth[[y, x]] < z {
                    continue;
                }
                let (px, py) = (x as f32 + 0.5 - tail.0, y as f32 + 0.5 - tail.1);
                let beside = px * uy - py * ux;
                let profile = (-0.5 * (beside / sigma).powi(2)).exp();
                let along = px * ux + py * uy;
                let ends = (along.min(length - along) / (0.3 * length + sigma) + 0.35).clamp(0.0, 1.0);
                let here = (opacity * profile * ends).clamp(0.0, 1.0);
                let pixel = &mut mask[[y, x]];
                *pixel += here * (1.0 - *pixel);
            }
        }
    }
}

/// The pixels between two positions, as far as they lie in `0..size`.
fn pixels(from: f32, to: f32, size: usize) -> std::ops::Range<usize> {
    (from.max(0.0) as usize).min(size)..(to.max(0.0).ceil() as usize).min(size)
}
