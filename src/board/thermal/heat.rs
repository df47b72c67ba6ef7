//! How much the governor must save, without flicker.

use crate::board::profile::ThermalLimits;
use crate::telemetry::BoardState;
use serde::Serialize;
use std::time::{Duration, Instant};

/// After the last sign of throttling or of a weak supply, saving goes on for this long: such
/// signs come and go by the second.
const HOLD: Duration = Duration::from_secs(10);

/// How much is to be saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nothing.
    #[default]
    Cool,
    /// Something: no more work than now.
    Warm,
    /// All that can be.
    Hot,
}

/// The level over time.
#[derive(Clone, Debug)]
pub struct Heat {
    limits: ThermalLimits,
    by_temperature: Level,
    slowed_until: Option<Instant>,
}

impl Heat {
    /// Cool, until a reading says otherwise.
    pub fn new(limits: &ThermalLimits) -> Self {
        Self { limits: limits.clone(), by_temperature: Level::Cool, slowed_until: None }
    }

    /// The level after a reading that was taken at `now`.
    ///
    /// A limit that is reached holds until the board is cooler than it by the hysteresis; a board
    /// that throttles or lacks voltage is at least warm, for ten seconds more. Without a
    /// temperature the last one holds.
    pub fn update(&mut self, state: &BoardState, now: Instant) -> Level {
        if let Some(celsius) = state.temperature_c {
            let ThermalLimits { warm_c, hot_c, hysteresis_c, .. } = self.limits;
            let reaches = |level: Level, limit: f64| {
                let held = if self.by_temperature >= level { hysteresis_c } else { 0.0 };
                celsius >= limit - held
            };
            self.by_temperature = if reaches(Level::Hot, hot_c) {
                Level::Hot
            } else if reaches(Level::Warm, warm_c) {
                Level::Warm
            } else {
                Level::Cool
            };
        }
        if state.throttled || state.undervoltage {
            self.slowed_until = Some(now + HOLD);
        }
        let slowed = self.slowed_until.is_some_and(|until| now < until);
        self.by_temperature.max(if slowed { Level::Warm } else { Level::Cool })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heat() -> Heat {
        let limits = ThermalLimits { zones: Vec::new(), warm_c: 70.0, hot_c: 80.0, hysteresis_c: 5.0 };
        Heat::new(&limits)
    }

    #[test]
    fn a_limit_holds_until_the_board_is_well_below_it() {
        let mut heat = heat();
        let start = Instant::now();
        for (celsius, level) in [
            (69.9, Level::Cool),
            (70.0, Level::Warm),
            (66.0, Level::Warm),
            (64.9, Level::Cool),
            (69.0, Level::Cool),
            (81.0, Level::Hot),
            (76.0, Level::Hot),
            (74.9, Level::Warm),
            (79.0, Level::Warm),
            (80.0, Level::Hot),
            (40.0, Level::Cool),
        ] {
            let state = BoardState { temperature_c: Some(celsius), ..BoardState::default() };
            assert_eq!(heat.update(&state, start), level, "{celsius}");
        }
    }

    #[test]
    fn a_board_that_throttles_is_warm_for_a_while() {
        let mut heat = heat();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let fine = BoardState { temperature_c: Some(50.0), ..BoardState::default() };
        let throttled = BoardState { throttled: true, ..fine.clone() };
        let weak = BoardState { undervoltage: true, ..BoardState::default() };
        assert_eq!(heat.update(&fine, at(0)), Level::Cool);
        assert_eq!(heat.update(&throttled, at(1)), Level::Warm);
        assert_eq!(heat.update(&fine, at(10)), Level::Warm);
        assert_eq!(heat.update(&fine, at(11)), Level::Cool);
        assert_eq!(heat.update(&weak, at(12)), Level::Warm);
        assert_eq!(heat.update(&BoardState { temperature_c: Some(85.0), ..weak }, at(13)), Level::Hot);
    }

    #[test]
    fn a_sensor_that_falls_silent_changes_nothing() {
        let mut heat = heat();
        let now = Instant::now();
        let hot = BoardState { temperature_c: Some(90.0), ..BoardState::default() };
        assert_eq!(heat.update(&hot, now), Level::Hot);
        assert_eq!(heat.update(&BoardState::default(), now), Level::Hot);
        assert!(Level::Cool < Level::Warm && Level::Warm < Level::Hot);
    }
}
