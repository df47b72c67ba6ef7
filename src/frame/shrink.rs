//! Frames made smaller for a network that restores at a fraction of their size.

use super::{Frame, Planes};
use crate::{Error, Result};

/// Makes frames smaller, each pixel the mean of the area that it covers; keeps its memory.
#[derive(Debug, Default)]
pub struct Shrinker {
    /// One row of the target's height, still as wide as the frame: R, G, B interleaved.
    row: Vec<f32>,
    columns: Spans,
    rows: Spans,
}

impl Shrinker {
    /// One without memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The frame as planes `[3, height, width]`, RGB in 0..=1; `planes` takes that shape and
    /// keeps its memory where it has it already.
    ///
    /// The target needn't have the frame's proportions. A side that is longer than the frame's
    /// repeats pixels.
    ///
    /// # Errors
    /// [`Error::Input`] for a frame or a target without pixels.
    pub fn shrink(&mut self, frame: &Frame, width: usize, height: usize, planes: &mut Planes) -> Result<()> {
        let (from_width, from_height) = (frame.width as usize, frame.height as usize);
        if width == 0 || height == 0 || from_width == 0 || from_height == 0 {
            return Err(Error::Input(format!(
                "a frame of {from_width}x{from_height} can't become {width}x{height}"
            )));
        }
        if planes.dim() != (3, height, width) || !planes.is_standard_layout() {
            *planes = Planes::zeros((3, height, width));
        }
        self.columns.plan(from_width, width, 1.0);
        self.rows.plan(from_height, height, 1.0 / 255.0);
        self.row.resize(3 * from_width, 0.0);
        let Some(samples) = planes.as_slice_mut() else { return Ok(()) };
        let (red, rest) = samples.split_at_mut(width * height);
        let (green, blue) = rest.split_at_mut(width * height);
        let rows = red.chunks_exact_mut(width).zip(green.chunks_exact_mut(width));
        for (y, ((red, green), blue)) in rows.zip(blue.chunks_exact_mut(width)).enumerate() {
            self.row.fill(0.0);
            let (first, shares) = self.rows.of(y);
            for (source, &share) in frame.rgb.chunks_exact(3 * from_width).skip(first).zip(shares) {
                self.row.iter_mut().zip(source).for_each(|(sum, &value)| *sum += share * f32::from(value));
            }
            for (x, ((red, green), blue)) in red.iter_mut().zip(green).zip(blue).enumerate() {
                let (first, shares) = self.columns.of(x);
                let mut sums = [0.0; 3];
                for (pixel, &share) in self.row[3 * first..].as_chunks::<3>().0.iter().zip(shares) {
                    sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += share * value);
                }
                [*red, *green, *blue] = sums;
            }
        }
        Ok(())
    }
}

/// Which cells of a line each cell of a shorter line covers, and how much each of them counts.
#[derive(Debug, Default)]
struct Spans {
    planned: Option<(usize, usize)>,
    /// First cell, and where its shares begin and end.
    spans: Vec<(usize, usize, usize)>,
    shares: Vec<f32>,
}

impl Spans {
    /// `unit` is what the shares of one target cell add up to.
    fn plan(&mut self, from: usize, to: usize, unit: f64) {
        if self.planned.replace((from, to)) == Some((from, to)) {
            return;
        }
        self.spans.clear();
        self.shares.clear();
        let scale = from as f64 / to as f64;
        for cell in 0..to {
            let (start, end) = (cell as f64 * scale, ((cell + 1) as f64 * scale).min(from as f64));
            let first = (start as usize).min(from - 1);
            let last = (end.ceil() as usize).clamp(first + 1, from);
            let begin = self.shares.len();
            let covered = |i: usize| ((i + 1) as f64).min(end) - (i as f64).max(start);
            self.shares.extend((first..last).map(|i| (covered(i) * unit / (end - start)) as f32));
            self.spans.push((first, begin, self.shares.len()));
        }
    }

    fn of(&self, cell: usize) -> (usize, &[f32]) {
        let (first, begin, end) = self.spans[cell];
        (first, &self.shares[begin..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: u32, height: u32) -> Frame {
        let mut frame = Frame::black(width, height);
        for (i, value) in frame.rgb.iter_mut().enumerate() {
            *value = (i * 37 % 251) as u8;
        }
        frame
    }

    #[test]
    fn each_pixel_is_the_mean_of_what_it_covers() {
        let (frame, mut planes) = (frame(8, 6), Planes::zeros((0, 0, 0)));
        Shrinker::new().shrink(&frame, 4, 2, &mut planes).unwrap();
        assert_eq!(planes.dim(), (3, 2, 4));
        for ((c, y, x), &value) in planes.indexed_iter() {
            let at = |dy: usize, dx: usize| f32::from(frame.rgb[3 * ((3 * y + dy) * 8 + 2 * x + dx) + c]);
            let mean = (0..3).map(|dy| at(dy, 0) + at(dy, 1)).sum::<f32>() / 6.0 / 255.0;
            assert!((value - mean).abs() < 1e-6, "{c} {y} {x}: {value} for {mean}");
        }
    }

    #[test]
    fn any_ratio_keeps_the_mean_of_the_picture() {
        let (frame, mut shrinker) = (frame(67, 41), Shrinker::new());
        let mean = |values: &mut dyn Iterator<Item = f32>| {
            let (sum, count) = values.fold((0.0f64, 0.0), |(sum, n), v| (sum + f64::from(v), n + 1.0));
            sum / count
        };
        let before = mean(&mut frame.rgb.iter().map(|&v| f32::from(v) / 255.0));
        let mut planes = Planes::zeros((0, 0, 0));
        for (width, height) in [(67, 41), (33, 20), (40, 24), (1, 1), (80, 48)] {
            shrinker.shrink(&frame, width, height, &mut planes).unwrap();
            let after = mean(&mut planes.iter().copied());
            assert!((before - after).abs() < 1e-4, "{width}x{height}: {after} for {before}");
        }
    }

    #[test]
    fn memory_is_used_again() {
        let (frame, mut shrinker, mut planes) = (frame(16, 8), Shrinker::new(), Planes::zeros((0, 0, 0)));
        shrinker.shrink(&frame, 8, 4, &mut planes).unwrap();
        let memory = (planes.as_ptr(), shrinker.row.as_ptr(), shrinker.columns.shares.as_ptr());
        shrinker.shrink(&frame, 8, 4, &mut planes).unwrap();
        assert_eq!(memory, (planes.as_ptr(), shrinker.row.as_ptr(), shrinker.columns.shares.as_ptr()));
        assert!(shrinker.shrink(&frame, 0, 4, &mut planes).is_err());
        assert!(shrinker.shrink(&Frame::black(0, 0), 8, 4, &mut planes).is_err());
    }
}
