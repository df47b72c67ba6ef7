//! A small blur kernel, and a picture seen through it.

use crate::frame::Planes;

/// One weight of a kernel, at an offset from the pixel that is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tap {
    pub(super) dy: isize,
    pub(super) dx: isize,
    pub(super) weight: f32,
}

/// Weights that sum to 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kernel {
    taps: Vec<Tap>,
}

impl Kernel {
    /// The kernel of these weights, brought to a sum of 1.
    pub(super) fn new(mut taps: Vec<Tap>) -> Self {
        let total: f32 = taps.iter().map(|tap| tap.weight).sum();
        taps.iter_mut().for_each(|tap| tap.weight /= total);
        Self { taps }
    }

    /// The blurred picture `[3, H, W]`, clamped to 0..=1; the borders are mirrored.
    pub(super) fn apply(&self, planes: &Planes) -> Planes {
        let (channels, height, width) = planes.dim();
        if self.taps.len() <= 1 || height * width == 0 {
            return planes.clone();
        }
        let reach = |way: fn(&Tap) -> isize| self.taps.iter().map(|tap| way(tap).unsigned_abs()).max();
        let (tall, wide) = (reach(|tap| tap.dy).unwrap_or(0), reach(|tap| tap.dx).unwrap_or(0));
        let columns: Vec<usize> =
            (0..width + 2 * wide).map(|x| mirrored(x, -(wide as isize), width)).collect();
        let mut blurred = Planes::zeros((channels, height, width));
        // Mirroring once into a frame leaves the sums below without a single index to look up.
        let mut framed = vec![0.0; (height + 2 * tall) * columns.len()];
        for (plane, mut out) in planes.outer_iter().zip(blurred.outer_iter_mut()) {
            for (y, row) in framed.chunks_exact_mut(columns.len()).enumerate() {
                let from = plane.row(mirrored(y, -(tall as isize), height));
                row.iter_mut().zip(&columns).for_each(|(value, &x)| *value = from[x]);
            }
            for (y, mut row) in out.outer_iter_mut().enumerate() {
                let Some(sums) = row.as_slice_mut() else { continue };
                for tap in &self.taps {
                    let top = (y + tall).wrapping_add_signed(tap.dy);
                    let left = wide.wrapping_add_signed(tap.dx);
                    let from = &framed[top * columns.len() + left..][..width];
                    sums.iter_mut().zip(from).for_each(|(sum, value)| *sum += tap.weight * value);
                }
                sums.iter_mut().for_each(|sum| *sum = sum.clamp(0.0, 1.0));
            }
        }
        blurred
    }
}

/// The index at `at + step` of a line of `length` that is mirrored at both ends, however often.
fn mirrored(at: usize, step: isize, length: usize) -> usize {
    let period = 2 * length as isize;
    let position = (at as isize + step).rem_euclid(period);
    position.min(period - 1 - position) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_is_mirrored_with_its_edge_pixel() {
        let kernel = Kernel::new(vec![
            Tap { dy: 0, dx: -2, weight: 1.0 },
            Tap { dy: 0, dx: 0, weight: 2.0 },
            Tap { dy: -1, dx: 0, weight: 1.0 },
        ]);
        let planes = Planes::from_shape_fn((1, 2, 3), |(_, y, x)| (y * 3 + x) as f32 / 10.0);
        let blurred = kernel.apply(&planes);
        // Left of 0.0, 0.1, 0.2 stand 0.1, 0.0; above the first row stands itself.
        assert!((blurred[[0, 0, 0]] - (0.1 + 0.0 + 0.0) / 4.0).abs() < 1e-6);
        assert!((blurred[[0, 1, 2]] - (0.3 + 2.0 * 0.5 + 0.2) / 4.0).abs() < 1e-6);
    }
}
