//! Time for sources that deliver at a rate.

use std::time::{Duration, Instant};

/// A clock that frames are due by.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When time 0 of the stream was.
    start: Option<Instant>,
}

impl Pace {
    /// Waits until the frame that belongs to `time` of the stream is due, for about `patience`
    /// at the most; tells whether it is.
    ///
    /// The first frame is due at once. Where frames come too late the clock starts anew: a
    /// camera that was slow doesn't hurry.
    pub(super) fn wait(&mut self, time: Duration, patience: Duration) -> bool {
        let now = Instant::now();
        let start = match self.start {
            Some(start) if start + time >= now => start,
            _ => now.checked_sub(time).unwrap_or(now),
        };
        self.start = Some(start);
        let early = (start + time).saturating_duration_since(now);
        std::thread::sleep(early.min(patience));
        early <= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn frames_are_due_at_their_time_and_no_later() {
        let mut pace = Pace::default();
        let begin = Instant::now();
        assert!(pace.wait(Duration::from_secs(5), LONG));
        assert!(pace.wait(Duration::from_millis(5030), LONG));
        assert!(begin.elapsed() >= Duration::from_millis(30));
        // An hour early: the patience ends first.
        assert!(!pace.wait(LONG, Duration::from_millis(1)));
        assert!(begin.elapsed() < LONG);
    }

    #[test]
    fn a_source_that_was_slow_does_not_hurry() {
        let mut pace = Pace::default();
        assert!(pace.wait(Duration::ZERO, LONG));
        std::thread::sleep(Duration::from_millis(60));
        assert!(pace.wait(Duration::from_millis(10), LONG));
        let late = Instant::now();
        assert!(pace.wait(Duration::from_millis(30), LONG));
        assert!(late.elapsed() >= Duration::from_millis(15), "{:?}", late.elapsed());
    }
}
