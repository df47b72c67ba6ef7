//! Whether frames flow, and how old they were over the last minute.

use serde::Serialize;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What one point of the history stands for.
const STEP: Duration = Duration::from_millis(500);

/// Points of the history: a minute.
const STEPS: usize = 120;

/// A frame is awaited this long before something is wrong: three frames at the slowest rate
/// that anybody would call live.
const PATIENCE: Duration = Duration::from_secs(3);

/// When frames came, and their ages.
#[derive(Debug)]
pub(super) struct Flow {
    started: Instant,
    last: Option<Instant>,
    /// Oldest first; the last one holds the step `newest`.
    points: VecDeque<Point>,
    newest: u64,
}

/// The frames of a step, by their ages in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Point {
    frames: u32,
    sum: f64,
    worst: f64,
}

/// The ages of the last minute's frames, from capture until the sink had them.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct History {
    /// Milliseconds between two points.
    step_ms: u64,
    /// Mean age in each step, oldest first; null where no frame came.
    mean_ms: Vec<Option<f64>>,
    /// Highest age in each step.
    worst_ms: Vec<Option<f64>>,
}

impl Flow {
    /// No frame yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { started: now, last: None, points: VecDeque::from([Point::default()]), newest: 0 }
    }

    /// Notes a frame that was captured then and is here now.
    pub(super) fn add(&mut self, captured: Instant, now: Instant) {
        self.forward(now);
        self.last = Some(now);
        let age = now.saturating_duration_since(captured).as_secs_f64() * 1e3;
        if let Some(point) = self.points.back_mut() {
            point.frames += 1;
            point.sum += age;
            point.worst = point.worst.max(age);
        }
    }

    /// The last minute.
    pub(super) fn history(&mut self, now: Instant) -> History {
        self.forward(now);
        let tenths = |ms: f64| (ms * 10.0).round() / 10.0;
        let points = |value: fn(&Point) -> f64| {
            let points = self.points.iter();
            points.map(|point| (point.frames > 0).then(|| tenths(value(point)))).collect()
        };
        History {
            step_ms: STEP.as_millis() as u64,
            mean_ms: points(|point| point.sum / f64::from(point.frames)),
            worst_ms: points(|point| point.worst),
        }
    }

    /// # Errors
    /// Why it is thought that no frames flow.
    pub(super) fn health(&self, now: Instant) -> Result<(), String> {
        let waited = now.saturating_duration_since(self.last.unwrap_or(self.started));
        match self.last {
            None => Err(format!("no frame yet, {:.1} s after the start", waited.as_secs_f64())),
            Some(_) if waited > PATIENCE => Err(format!("no frame since {:.1} s", waited.as_secs_f64())),
            Some(_) => Ok(()),
        }
    }

    fn forward(&mut self, now: Instant) {
        let step = (now.saturating_duration_since(self.started).as_millis() / STEP.as_millis()) as u64;
        let gone = step.saturating_sub(self.newest).min(STEPS as u64);
        for _ in 0..gone {
            if self.points.len() == STEPS {
                self.points.pop_front();
            }
            self.points.push_back(Point::default());
        }
        self.newest = self.newest.max(step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_kept_for_a_minute_with_gaps_where_no_frame_came() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut flow = Flow::new(start);
        flow.add(at(100), at(110));
        flow.add(at(200), at(230));
        flow.add(at(1100), at(1105));
        let history = flow.history(at(1600));
        assert_eq!(history.mean_ms, [Some(20.0), None, Some(5.0), None]);
        assert_eq!(history.worst_ms, [Some(30.0), None, Some(5.0), None]);
        let history = flow.history(at(60_900));
        assert_eq!(history.mean_ms.len(), STEPS);
        assert_eq!(history.mean_ms[0], Some(5.0));
        assert_eq!(flow.history(at(9_000_000)).worst_ms, vec![None; STEPS]);
    }

    #[test]
    fn it_is_ill_before_the_first_frame_and_when_none_came_for_a_while() {
        let start = Instant::now();
        let mut flow = Flow::new(start);
        assert!(flow.health(start).unwrap_err().contains("no frame yet"));
        flow.add(start, start);
        assert_eq!(flow.health(start + PATIENCE), Ok(()));
        let reason = flow.health(start + PATIENCE + Duration::from_secs(1)).unwrap_err();
        assert_eq!(reason, "no frame since 4.0 s");
    }
}
