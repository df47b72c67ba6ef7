//! A driver's frame numbers and times as those of a [`crate::frame::Frame`].

use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// A frame can't have waited longer than this: its time isn't that of this clock.
const OLDEST: Duration = Duration::from_secs(2);

/// Makes rising 64-bit numbers of a driver's 32-bit ones.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    last: Option<u32>,
    number: u64,
}

impl Numbering {
    /// The number of a frame: 0 for the first, gaps as the driver has them. A driver that
    /// doesn't count, or begins anew, counts as one that loses nothing.
    pub(super) fn number(&mut self, sequence: u32) -> u64 {
        if let Some(last) = self.last.replace(sequence) {
            self.number += match sequence.wrapping_sub(last) {
                gap @ 1..=0x7FFF_FFFF => u64::from(gap),
                _ => 1,
            };
        }
        self.number
    }
}

/// When a frame was captured, by the driver's time on CLOCK_MONOTONIC where that makes sense;
/// else now.
pub(super) fn captured(time: Option<Duration>) -> Instant {
    let now = Instant::now();
    let read = clock_gettime(ClockId::Monotonic);
    let clock = u64::try_from(read.tv_sec).ok().zip(u32::try_from(read.tv_nsec).ok());
    let clock = clock.map(|(seconds, nanos)| Duration::new(seconds, nanos));
    clock.and_then(|clock| now.checked_sub(age(clock, time?)?)).unwrap_or(now)
}

/// How long ago a time was, unless it is to come or too far back.
fn age(now: Duration, time: Duration) -> Option<Duration> {
    now.checked_sub(time).filter(|age| *age <= OLDEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_over_gaps_wraps_and_restarts() {
        let mut numbering = Numbering::default();
        let given: Vec<u64> = [7, 8, 10, 10, u32::MAX - 1, u32::MAX, 0, 1, 0, 1]
            .into_iter()
            .map(|sequence| numbering.number(sequence))
            .collect();
        // 10 again, the leap back to u32::MAX − 1 and the restart at 0 are one frame each.
        assert_eq!(given, [0, 1, 3, 4, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn times_of_other_clocks_are_not_believed() {
        let second = Duration::from_secs;
        assert_eq!(age(second(100), second(99)), Some(second(1)));
        assert_eq!(age(second(100), second(101)), None);
        assert_eq!(age(second(100), second(0)), None);
        assert!(captured(None).elapsed() < second(1));
        // Since 1970, as drivers that use the wall clock say.
        let wall = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        assert!(captured(Some(wall)).elapsed() < second(1));
    }

    #[test]
    fn an_instant_is_as_old_as_its_monotonic_time() {
        let read = clock_gettime(ClockId::Monotonic);
        let clock = Duration::new(read.tv_sec as u64, read.tv_nsec as u32);
        let age = captured(clock.checked_sub(Duration::from_millis(700))).elapsed();
        assert!((700..1900).contains(&age.as_millis()), "{age:?}");
    }
}
