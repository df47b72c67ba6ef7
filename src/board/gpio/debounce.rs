//! A button whose contacts bounce.

use std::time::{Duration, Instant};

/// Contacts bounce for up to some ten milliseconds; nobody presses twice within this.
const SETTLED: Duration = Duration::from_millis(30);

/// Tells presses from bouncing.
#[derive(Clone, Debug, Default)]
pub struct Debounce {
    /// `None` before the first reading.
    pressed: Option<bool>,
    /// Since when the contact has been other than `pressed`, without a break.
    differs_since: Option<Instant>,
}

impl Debounce {
    /// Takes what the contact says at `now`; true once for each press, when the contact has been
    /// closed for 30 ms.
    ///
    /// What the first reading says is no press: a line that nobody wired may read as closed, and
    /// must not switch restoring off.
    pub fn update(&mut self, closed: bool, now: Instant) -> bool {
        let pressed = *self.pressed.get_or_insert(closed);
        if closed == pressed {
            self.differs_since = None;
            return false;
        }
        let since = *self.differs_since.get_or_insert(now);
        if now.duration_since(since) < SETTLED {
            return false;
        }
        self.differs_since = None;
        self.pressed = Some(closed);
        closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times, in ms, at which presses are told of a contact that is read every 10 ms;
    /// `closed` holds the spans in which it is closed.
    fn presses(closed: &[(u64, u64)], until: u64) -> Vec<u64> {
        let start = Instant::now();
        let mut debounce = Debounce::default();
        let is_closed = |ms: u64| closed.iter().any(|(from, to)| (*from..*to).contains(&ms));
        let told = |ms: &u64| debounce.update(is_closed(*ms), start + Duration::from_millis(*ms));
        (0..until).step_by(10).filter(told).collect()
    }

    #[test]
    fn one_press_is_told_once_however_long_it_lasts() {
        assert_eq!(presses(&[(100, 200)], 1000), [130]);
        assert_eq!(presses(&[(100, 900)], 1000), [130]);
        assert_eq!(presses(&[(100, 200), (400, 500)], 1000), [130, 430]);
    }

    #[test]
    fn bouncing_is_no_press_more_or_less() {
        // Closing and opening both bounce.
        let bouncing = [(100, 105), (120, 125), (140, 300), (310, 315), (330, 335)];
        assert_eq!(presses(&bouncing, 1000), [170]);
        // Too short to be a finger: a spark on a long wire.
        assert_eq!(presses(&[(100, 125)], 1000), [0u64; 0]);
        // A contact that opens for a moment while it is held.
        assert_eq!(presses(&[(100, 300), (320, 500)], 1000), [130]);
    }

    #[test]
    fn a_contact_that_is_closed_at_the_start_is_no_press_until_it_opened() {
        assert_eq!(presses(&[(0, 1000)], 1000), [0u64; 0]);
        assert_eq!(presses(&[(0, 300), (500, 700)], 1000), [530]);
    }

    #[test]
    fn a_late_reading_still_tells_of_a_press() {
        let start = Instant::now();
        let mut debounce = Debounce::default();
        assert!(!debounce.update(false, start));
        assert!(!debounce.update(true, start));
        assert!(debounce.update(true, start + Duration::from_secs(5)));
        assert!(!debounce.update(true, start + Duration::from_secs(9)));
    }
}
