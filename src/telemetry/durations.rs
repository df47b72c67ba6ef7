//! How long something takes, as percentiles over the last while.

use serde::Serialize;
use std::time::Duration;

/// Samples that percentiles are taken over: half a minute at 30 frames per second.
const WINDOW: usize = 1024;

/// The last thousand durations of something.
#[derive(Clone, Debug, Default)]
pub struct Durations {
    /// Microseconds; a ring once it is full.
    samples: Vec<u32>,
    next: usize,
}

/// Percentiles in milliseconds; zero before the first sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: f64,
    /// Nine of ten are at most this.
    pub p90: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
}

impl Durations {
    /// Adds one; the oldest is forgotten.
    pub fn add(&mut self, duration: Duration) {
        let micros = u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
        if self.samples.len() < WINDOW {
            self.samples.reserve_exact(WINDOW - self.samples.len());
            self.samples.push(micros);
        } else {
            self.samples[self.next] = micros;
        }
        self.next = (self.next + 1) % WINDOW;
    }

    /// Their percentiles (nearest rank).
    pub fn percentiles(&self) -> Percentiles {
        let mut sorted = self.samples.clone();
        sorted.sort_unstable();
        let at = |share: f64| {
            let rank = (share * sorted.len() as f64).ceil() as usize;
            sorted.get(rank.saturating_sub(1)).map_or(0.0, |&micros| f64::from(micros) / 1e3)
        };
        Percentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99) }
    }
}

impl Serialize for Durations {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.percentiles().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_last_samples() {
        let mut durations = Durations::default();
        assert_eq!(durations.percentiles(), Percentiles::default());
        for ms in 1..=100 {
            durations.add(Duration::from_millis(ms));
        }
        assert_eq!(durations.percentiles(), Percentiles { p50: 50.0, p90: 90.0, p99: 99.0 });
        for _ in 0..WINDOW {
            durations.add(Duration::from_millis(7));
        }
        assert_eq!(durations.percentiles(), Percentiles { p50: 7.0, p90: 7.0, p99: 7.0 });
    }
}
