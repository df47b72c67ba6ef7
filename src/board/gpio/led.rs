//! What the LED shows.

use crate::telemetry::State;
use std::time::Duration;

/// Whether the LED is lit, `since` after the loop came into this state; see the table of
/// [`super`].
pub fn is_lit(state: State, since: Duration) -> bool {
    let blinks = |period: u128, lit: u128| since.as_millis() % period < lit;
    match state {
        State::Bypass => false,
        State::Starting => blinks(1000, 500),
        State::Clear => blinks(2000, 100),
        State::Restoring => true,
        State::Fault => blinks(200, 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often the LED goes on in ten seconds, and for how many of them it is lit.
    fn seen(state: State) -> (usize, f64) {
        let lit: Vec<bool> = (0..1000).map(|i| is_lit(state, Duration::from_millis(10 * i))).collect();
        let rises = lit.windows(2).filter(|pair| !pair[0] && pair[1]).count() + usize::from(lit[0]);
        (rises, lit.iter().filter(|lit| **lit).count() as f64 / 100.0)
    }

    #[test]
    fn every_state_looks_different() {
        assert_eq!(seen(State::Bypass), (0, 0.0));
        assert_eq!(seen(State::Starting), (10, 5.0));
        assert_eq!(seen(State::Clear), (5, 0.5));
        assert_eq!(seen(State::Restoring), (1, 10.0));
        assert_eq!(seen(State::Fault), (50, 5.0));
    }
}
