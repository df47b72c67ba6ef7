//! How often something was right, by how sure it was.

use super::{FONT, write};
use crate::Result;
use plotters::prelude::*;
use std::path::Path;

/// Answers by how sure they were given, in bins of equal width from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Reliability {
    bins: Vec<Bin>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Bin {
    count: u32,
    right: u32,
    /// Sum of the probabilities.
    sure: f64,
}

impl Bin {
    fn share_right(self) -> f64 {
        f64::from(self.right) / f64::from(self.count.max(1))
    }
}

impl Reliability {
    /// No answers yet.
    pub fn new(bins: usize) -> Self {
        Self { bins: vec![Bin::default(); bins] }
    }

    /// Counts an answer given with a probability of 0..=1.
    pub fn add(&mut self, probability: f64, right: bool) {
        let last = self.bins.len().saturating_sub(1);
        let at = ((probability * self.bins.len() as f64) as usize).min(last);
        if let Some(bin) = self.bins.get_mut(at) {
            bin.count += 1;
            bin.right += u32::from(right);
            bin.sure += probability;
        }
    }

    /// The expected calibration error: by how much the probabilities of a bin are off from the
    /// share that was right, as the mean over all answers, 0..=1.
    pub fn expected_error(&self) -> f64 {
        let total: u32 = self.bins.iter().map(|bin| bin.count).sum();
        let off = |bin: &Bin| (bin.sure - f64::from(bin.right)).abs();
        self.bins.iter().map(off).sum::<f64>() / f64::from(total.max(1))
    }
}

/// Draws a reliability diagram: a bar to the share that was right in each bin, with how many answers
/// that are, and the line that well-calibrated answers keep to.
///
/// # Errors
/// [`crate::Error::Io`] where the file can't be written.
pub fn reliability(path: &Path, title: &str, reliability: &Reliability) -> Result<()> {
    write(path, (520, 520), |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, (FONT, 18))
            .margin(14)
            .x_label_area_size(40)
            .y_label_area_size(52)
            .build_cartesian_2d(0.0..1.0, 0.0..1.08)?;
        chart
            .configure_mesh()
            .x_desc("how sure")
            .y_desc("share that was right")
            .label_style((FONT, 13))
            .light_line_style(TRANSPARENT)
            .draw()?;
        let width = 1.0 / reliability.bins.len().max(1) as f64;
        let filled = || (0u32..).zip(&reliability.bins).filter(|(_, bin)| bin.count > 0);
        chart.draw_series(filled().map(|(at, bin)| {
            let left = f64::from(at) * width;
            let corners = [(left + 0.1 * width, 0.0), (left + 0.9 * width, bin.share_right())];
            Rectangle::new(corners, RGBColor(70, 120, 180).filled())
        }))?;
        chart.draw_series(filled().map(|(at, bin)| {
            let place = ((f64::from(at) + 0.2) * width, bin.share_right() + 0.04);
            Text::new(bin.count.to_string(), place, (FONT, 13))
        }))?;
        chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], BLACK.stroke_width(1)))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_what_the_bins_are_off_by() {
        let mut seen = Reliability::new(10);
        assert_eq!(seen.expected_error(), 0.0);
        // Nine answers of ten right at 0.9; one of two at 1, that is half a bin's off.
        (0..10).for_each(|at| seen.add(0.9, at > 0));
        seen.add(1.0, true);
        assert!((seen.expected_error() - (10.0 - 10.0f64).abs()).abs() < 1e-9);
        seen.add(0.15, true);
        assert!((seen.expected_error() - 0.85 / 12.0).abs() < 1e-9, "{}", seen.expected_error());
    }

    #[test]
    fn bars_and_counts_are_drawn_for_bins_with_answers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reliability.svg");
        let mut seen = Reliability::new(10);
        (0..37).for_each(|at| seen.add(0.95, at % 5 > 0));
        reliability(&path, "a head", &seen).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        assert!(svg.contains("a head") && svg.contains("\n37\n"), "{svg}");
        reliability(&path, "nothing", &Reliability::new(0)).unwrap();
    }
}
