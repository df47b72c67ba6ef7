//! Sums over the steps between two lines of the journal.

use super::checkpoint::State;
use super::journal::Event;
use std::time::Instant;

/// What happened since the last line of the journal.
pub(super) struct Recent {
    pub(super) start: Instant,
    /// Seconds.
    pub(super) waited: f64,
    loss: f32,
    gradient: f32,
    steps: usize,
    pictures: usize,
}

impl Default for Recent {
    fn default() -> Self {
        Self { start: Instant::now(), waited: 0.0, loss: 0.0, gradient: 0.0, steps: 0, pictures: 0 }
    }
}

impl Recent {
    pub(super) fn add(&mut self, loss: f32, gradient: f32, pictures: usize) {
        self.loss += loss;
        self.gradient += gradient;
        self.steps += 1;
        self.pictures += pictures;
    }

    pub(super) fn event(&self, state: &State, rate: f32) -> Event {
        let (steps, seconds) = (self.steps.max(1) as f32, self.start.elapsed().as_secs_f64().max(1e-9));
        Event::Train {
            step: state.progress.step,
            loss: self.loss / steps,
            rate,
            gradient: self.gradient / steps,
            pictures_per_second: self.pictures as f64 / seconds,
            data_wait: (self.waited / seconds).min(1.0),
            seconds: state.progress.seconds,
        }
    }
}
