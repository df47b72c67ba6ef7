//! What values a tensor takes, and where to clip them.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Bins of a histogram of magnitudes; even, so that pairs of them can be merged.
const BINS: usize = 2048;

/// Magnitudes that int8 tells apart, symmetric: 0 to 127.
const LEVELS: usize = 128;

/// Part of the values that [`Observer::Percentile`] keeps.
const PERCENTILE: f64 = 0.9999;

/// How the range of an activation is chosen from the values that it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observer {
    /// All of them: nothing is clipped, and one outlier makes every step coarse.
    MinMax,
    /// 99.99 % of them: what restores best of these.
    #[default]
    Percentile,
    /// Where the clipped and rounded distribution tells the least else (Kullback-Leibler), as
    /// TensorRT's entropy calibration does.
    Entropy,
    /// Where clipping and rounding together make the smallest mean squared error.
    Mse,
}

/// A histogram of the magnitudes of a tensor's values, over a range that grows as needed.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    /// The upper end of the last bin.
    limit: f32,
    highest: f32,
    lowest_value: f32,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BINS], limit: 0.0, highest: 0.0, lowest_value: 0.0 }
    }
}

impl Histogram {
    /// Counts values in.
    ///
    /// # Errors
    /// [`Error::Model`] where one is no finite number.
    pub(super) fn add(&mut self, values: impl Iterator<Item = f32> + Clone) -> Result<()> {
        let (mut highest, mut lowest) = (0.0f32, 0.0f32);
        for value in values.clone() {
            if !value.is_finite() {
                return Err(Error::Model(format!("it gives {value}: there is no range to quantize")));
            }
            highest = highest.max(value.abs());
            lowest = lowest.min(value);
        }
        self.highest = self.highest.max(highest);
        self.lowest_value = self.lowest_value.min(lowest);
        self.reach(highest);
        if self.limit == 0.0 {
            // Nothing but zeros so far.
            self.counts[0] += values.count() as u64;
            return Ok(());
        }
        let scale = BINS as f32 / self.limit;
        for value in values {
            self.counts[((value.abs() * scale) as usize).min(BINS - 1)] += 1;
        }
        Ok(())
    }

    /// Widens the range until it holds `highest`.
    fn reach(&mut self, highest: f32) {
        if self.limit == 0.0 {
            self.limit = highest;
        }
        while self.limit < highest {
            for bin in 0..BINS / 2 {
                self.counts[bin] = self.counts[2 * bin] + self.counts[2 * bin + 1];
            }
            self.counts[BINS / 2..].fill(0);
            self.limit *= 2.0;
        }
    }

    /// Whether no value was below zero.
    pub(super) fn is_one_sided(&self) -> bool {
        self.lowest_value >= 0.0
    }

    /// The magnitude from which on values are clipped; 0 where all were zero.
    pub(super) fn threshold(&self, observer: Observer) -> f32 {
        let bins = match observer {
            _ if self.limit == 0.0 => return 0.0,
            Observer::MinMax => return self.highest,
            Observer::Percentile => self.percentile(),
            Observer::Entropy => self.least_divergence(),
            Observer::Mse => self.least_error(),
        };
        (self.limit * bins as f32 / BINS as f32).min(self.highest)
    }

    fn percentile(&self) -> usize {
        let total: u64 = self.counts.iter().sum();
        let wanted = (total as f64 * PERCENTILE).ceil() as u64;
        let mut seen = 0;
        let reached = |count: &u64| {
            seen += count;
            seen >= wanted
        };
        self.counts.iter().position(reached).map_or(BINS, |bin| bin + 1)
    }

    /// Rounding costs step²/12 for each value within the range, clipping the squared distance.
    fn least_error(&self) -> usize {
        let middle = |bin: usize| bin as f64 + 0.5;
        let error = |bins: usize| {
            let step = bins as f64 / (LEVELS - 1) as f64;
            let kept: u64 = self.counts[..bins].iter().sum();
            let clipped = self.counts[bins..].iter().enumerate();
            let clipped: f64 = clipped
                .map(|(beyond, &count)| count as f64 * (middle(bins + beyond) - bins as f64).powi(2))
                .sum();
            kept as f64 * step * step / 12.0 + clipped
        };
        let candidates = (BINS / 32..=BINS).step_by(8);
        candidates.min_by(|&a, &b| error(a).total_cmp(&error(b))).unwrap_or(BINS)
    }

    fn least_divergence(&self) -> usize {
        let candidates = (LEVELS..=BINS).step_by(LEVELS / 8);
        candidates.min_by(|&a, &b| self.divergence(a).total_cmp(&self.divergence(b))).unwrap_or(BINS)
    }

    /// Kullback-Leibler divergence of the values clipped to so many bins from the same rounded
    /// to [`LEVELS`].
    fn divergence(&self, bins: usize) -> f64 {
        let beyond: u64 = self.counts[bins..].iter().sum();
        let mut clipped: Vec<f64> = self.counts[..bins].iter().map(|&count| count as f64).collect();
        // A level spreads what falls on it over those of its bins that hold anything.
        let mut rounded = vec![0.0; bins];
        for level in 0..LEVELS {
            let range = level * bins / LEVELS..(level + 1) * bins / LEVELS;
            let mass: f64 = clipped[range.clone()].iter().sum();
            let filled = clipped[range.clone()].iter().filter(|count| **count > 0.0).count();
            for bin in range.filter(|&bin| clipped[bin] > 0.0) {
                rounded[bin] = mass / filled as f64;
            }
        }
        clipped[bins - 1] += beyond as f64;
        let (p_total, q_total): (f64, f64) = (clipped.iter().sum(), rounded.iter().sum());
        if p_total == 0.0 || q_total == 0.0 {
            return f64::INFINITY;
        }
        let terms = clipped.iter().zip(&rounded).filter(|(p, _)| **p > 0.0);
        // Values clipped into a bin that rounding leaves empty can't be told at all.
        terms.map(|(p, q)| p / p_total * ((p / p_total) / (q / q_total).max(1e-9)).ln()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bell of unit deviation and, rarely, a value far out.
    fn bell(count: usize, outlier: f32) -> Vec<f32> {
        let mut state = 7u64;
        let mut uniform = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        let mut values: Vec<f32> =
            (0..count).map(|_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0).collect();
        values.push(outlier);
        values
    }

    fn threshold(values: &[f32], observer: Observer) -> f32 {
        let mut histogram = Histogram::default();
        // In parts, so that the range has to grow.
        for part in values.chunks(1000) {
            histogram.add(part.iter().copied()).unwrap();
        }
        histogram.threshold(observer)
    }

    fn squared_error(values: &[f32], threshold: f32) -> f64 {
        let step = threshold / 127.0;
        let error = |x: &f32| f64::from(x - (x / step).round().clamp(-127.0, 127.0) * step).powi(2);
        values.iter().map(error).sum()
    }

    #[test]
    fn outliers_are_clipped_by_all_but_the_extremes() {
        let values = bell(100_000, 40.0);
        assert_eq!(threshold(&values, Observer::MinMax), 40.0);
        let clipped = [Observer::Percentile, Observer::Entropy].map(|o| threshold(&values, o));
        assert!(clipped.iter().all(|limit| (2.5..10.0).contains(limit)), "{clipped:?}");
        // One value far out of 100,000 weighs as much as the finer steps of all the others.
        assert!((20.0..35.0).contains(&threshold(&values, Observer::Mse)));
    }

    #[test]
    fn the_least_error_is_the_least_that_there_is() {
        let values = bell(50_000, 12.0);
        let chosen = squared_error(&values, threshold(&values, Observer::Mse));
        let best =
            (10..=120).map(|tenth| squared_error(&values, tenth as f32 / 10.0)).fold(f64::MAX, f64::min);
        assert!(chosen <= 1.03 * best, "{chosen} against {best}");
    }

    #[test]
    fn zeros_and_single_values_have_a_range_and_what_is_no_number_has_none() {
        for observer in [Observer::MinMax, Observer::Percentile, Observer::Entropy, Observer::Mse] {
            assert_eq!(threshold(&[0.0; 10], observer), 0.0);
            let one = threshold(&[0.0, -0.25, 0.0], observer);
            assert!(one > 0.2 && one <= 0.25, "{observer:?}: {one}");
        }
        let mut histogram = Histogram::default();
        assert!(histogram.add([1.0, f32::NAN].into_iter()).is_err());
        histogram.add([0.0, 2.0].into_iter()).unwrap();
        assert!(histogram.is_one_sided() && histogram.highest == 2.0);
        histogram.add([-1.0].into_iter()).unwrap();
        assert!(!histogram.is_one_sided());
    }
}
