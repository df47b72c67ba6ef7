//! Which way of restoring holds the frame rate.

use crate::board::thermal::Level as Heat;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// A way of restoring a frame: cheaper ones are further down the ladder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Which of the models, 0 the best.
    pub tier: usize,
    /// Share of each side that is restored; the rest is upsampled, guided by the input. 0..=1
    pub scale: f64,
    /// Every how many frames one is restored; the others carry its correction over.
    pub every: u32,
}

impl Level {
    /// Every frame as a whole, by the best model.
    pub const BEST: Self = Self { tier: 0, scale: 1.0, every: 1 };

    /// What a frame costs on average, as a share of the whole picture restored by the same
    /// model: pixels count, and so does a fixed part.
    fn share(&self) -> f64 {
        (0.02 + 0.98 * self.scale * self.scale) / f64::from(self.every)
    }
}

/// The ladder of one model: first smaller pictures, at the end fewer of them.
const RUNGS: [(f64, u32); 7] = [(1.0, 1), (0.75, 1), (0.5, 1), (0.375, 1), (0.25, 1), (0.25, 2), (0.25, 3)];

/// The part of a frame period that may be spent on restoring: a board that is warm rests for a
/// part of each, a hot one for most of it.
fn share_of_period(heat: Heat) -> f64 {
    match heat {
        Heat::Cool => 0.9,
        Heat::Warm => 0.6,
        Heat::Hot => 0.3,
    }
}

/// Frames over budget until the level goes down.
const PATIENCE_DOWN: u32 = 3;
/// Time well below the budget until it goes up.
const PATIENCE_UP: Duration = Duration::from_secs(2);
/// The same until it first had to go down.
const SETTLING: Duration = Duration::from_millis(300);
/// At most so long after ups that did not hold.
const LONGEST_PATIENCE: Duration = Duration::from_secs(60);
/// A better level is tried when it would cost less than this part of the budget.
const ROOM: f64 = 0.85;

/// A place on the ladder, the frame period that is held, and the heat.
pub(super) type Choice = (usize, f64, Heat);

/// Chooses the level from what frames cost.
#[derive(Debug)]
pub struct Governor {
    /// The dearest first.
    ladder: Vec<Level>,
    /// MACs per pixel of each model.
    tiers: Vec<f64>,
    scales: RangeInclusive<f64>,
    /// Whether of these only the largest is used.
    whole: bool,
    at: usize,
    /// Seconds that the work for one frame took on average at the present level.
    cost: Option<f64>,
    period: f64,
    heat: Heat,
    over: u32,
    room_since: Option<Instant>,
    patience: Duration,
    last_up: Option<Instant>,
}

impl Governor {
    /// A governor that holds `fps` with models of so many MACs per pixel, the best first.
    ///
    /// It starts with the least work, whose cost says at once which level will hold: to begin
    /// with the most would show nothing for a second on a small board.
    /// Internal resolutions outside `scales` (shares of each side) aren't used.
    pub fn new(fps: f64, tiers: &[f64], scales: &RangeInclusive<f64>) -> Self {
        let mut governor = Self {
            ladder: Vec::new(),
            tiers: tiers.to_vec(),
            scales: scales.clone(),
            whole: false,
            at: 0,
            cost: None,
            period: period(fps),
            heat: Heat::Cool,
            over: 0,
            room_since: None,
            patience: SETTLING,
            last_up: None,
        };
        governor.build();
        governor
    }

    fn build(&mut self) {
        let largest = RUNGS.map(|(scale, _)| scale).into_iter().find(|scale| self.scales.contains(scale));
        let is_allowed = |scale: f64| self.scales.contains(&scale) && (!self.whole || Some(scale) == largest);
        let rungs = |tier| {
            let allowed = RUNGS.iter().filter(|(scale, _)| is_allowed(*scale));
            allowed.map(move |&(scale, every)| Level { tier, scale, every })
        };
        let mut ladder: Vec<Level> = (0..self.tiers.len().max(1)).flat_map(rungs).collect();
        if ladder.is_empty() {
            ladder.push(Level { scale: *self.scales.end(), ..Level::BEST });
        }
        ladder.sort_by(|a, b| self.weight(b).total_cmp(&self.weight(a)));
        self.ladder = ladder;
        self.at = self.ladder.iter().rposition(|level| level.every == 1).unwrap_or(0);
        self.forget();
    }

    /// What a frame costs at a level, in a unit of its own.
    fn weight(&self, level: &Level) -> f64 {
        self.tiers.get(level.tier).copied().unwrap_or(1.0).max(1e-9) * level.share()
    }

    /// Other internal resolutions are allowed: it starts again among them.
    pub fn set_scales(&mut self, scales: &RangeInclusive<f64>) {
        self.scales = scales.clone();
        self.build();
    }

    /// Whether pictures are restored at the largest internal resolution that is allowed and no other,
    /// as a GPU does, whose engines are for one size each.
    pub fn keep_whole(&mut self, whole: bool) {
        if self.whole != whole {
            self.whole = whole;
            self.build();
        }
    }

    /// Other models are there, as in [`Self::new`].
    pub fn set_tiers(&mut self, tiers: &[f64]) {
        if self.tiers == tiers {
            self.forget();
        } else {
            self.tiers = tiers.to_vec();
            self.build();
        }
    }

    /// The level to restore by.
    pub fn level(&self) -> Level {
        self.ladder[self.at]
    }

    /// The level to prepare next, were the present one too dear.
    pub fn cheaper(&self) -> Option<Level> {
        self.ladder.get(self.at + 1).copied()
    }

    /// Another frame rate to hold.
    pub fn set_fps(&mut self, fps: f64) {
        self.period = period(fps);
    }

    /// What the board's temperature allows.
    pub fn set_heat(&mut self, heat: Heat) {
        self.heat = heat;
    }

    /// Forgets what levels cost: another size of frames, another model. The level stays until
    /// the new costs are known.
    pub fn forget(&mut self) {
        self.cost = None;
        (self.over, self.room_since, self.last_up, self.patience) = (0, None, None, SETTLING);
    }

    /// What [`Self::reason`] depends on, to tell without words whether it is another.
    pub(super) fn choice(&self) -> Choice {
        (self.at, self.period, self.heat)
    }

    /// Why the level isn't the best; empty where it is.
    pub fn reason(&self) -> String {
        if self.at == 0 {
            return String::new();
        }
        let fps = 1.0 / self.period;
        match self.heat {
            Heat::Cool => format!("to hold {fps:.1} frames per second"),
            heat => format!("to hold {fps:.1} frames per second while the board is {heat:?}").to_lowercase(),
        }
    }

    /// Reports what one frame cost at the present level; gives the level of the next.
    ///
    /// At levels that restore every n-th frame `work` is the mean over n frames.
    pub fn report(&mut self, work: Duration, now: Instant) -> Level {
        let work = work.as_secs_f64();
        let cost = self.cost.map_or(work, |known| known + 0.25 * (work - known));
        self.cost = Some(cost);
        let budget = self.period * share_of_period(self.heat);
        if cost > budget {
            self.room_since = None;
            self.over += 1;
            if self.over >= PATIENCE_DOWN || cost > 2.0 * budget {
                self.down(budget, now);
            }
        } else {
            self.over = 0;
            self.consider_up(budget, now);
        }
        self.level()
    }

    /// Goes down to the first level that is expected to hold, or to the last.
    fn down(&mut self, budget: f64, now: Instant) {
        // An up that didn't hold for long: wait longer before the next one.
        if self.last_up.take().is_some_and(|up| now.duration_since(up) < 2 * self.patience) {
            self.patience = (2 * self.patience).min(LONGEST_PATIENCE);
        }
        self.patience = self.patience.max(PATIENCE_UP);
        let holds = |index: &usize| self.expected(*index).is_none_or(|cost| cost <= budget);
        let below = self.at + 1..self.ladder.len();
        let at = below.clone().find(holds).unwrap_or(self.ladder.len() - 1);
        if at != self.at {
            (self.at, self.cost) = (at, None);
        }
        self.over = 0;
    }

    /// Goes up by one level where there has been room for a while: what a larger picture costs is
    /// known but roughly.
    fn consider_up(&mut self, budget: f64, now: Instant) {
        let better = self.at.checked_sub(1);
        let room = |index: &usize| self.expected(*index).is_none_or(|cost| cost < ROOM * budget);
        let Some(better) = better.filter(room) else {
            self.room_since = None;
            return;
        };
        let since = *self.room_since.get_or_insert(now);
        if now.duration_since(since) >= self.patience {
            (self.at, self.cost) = (better, None);
            self.room_since = None;
            self.last_up = Some(now);
        } else if self.last_up.is_some_and(|up| now.duration_since(up) > 4 * self.patience) {
            self.patience = PATIENCE_UP;
        }
    }

    /// What a level should cost, by what the present one costs now.
    fn expected(&self, index: usize) -> Option<f64> {
        Some(self.cost? * self.weight(&self.ladder[index]) / self.weight(&self.level()))
    }
}

fn period(fps: f64) -> f64 {
    1.0 / fps.clamp(0.01, 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a machine that takes `full` seconds for a whole picture; gives the level at the end
    /// and the number of changes.
    fn simulate(
        (governor, clock): &mut (Governor, Instant),
        seconds: f64,
        full: impl Fn(f64) -> f64,
    ) -> (Level, usize) {
        let start = *clock;
        let (mut time, mut changes) = (0.0, 0);
        while time < seconds {
            let level = governor.level();
            let tier = if level.tier == 0 { 1.0 } else { 0.5 };
            let work = full(time) * tier * (0.05 + 0.95 * level.scale * level.scale) / f64::from(level.every);
            let after = governor.report(Duration::from_secs_f64(work), start + Duration::from_secs_f64(time));
            changes += usize::from(after != level);
            time += work.max(governor.period);
        }
        *clock += Duration::from_secs_f64(time);
        (governor.level(), changes)
    }

    #[test]
    fn a_fast_machine_comes_to_the_best_soon() {
        let mut governor = (Governor::new(30.0, &[1.0], &(0.25..=1.0)), Instant::now());
        let (level, changes) = simulate(&mut governor, 2.0, |_| 0.02);
        assert!(level == Level::BEST && changes <= 4, "{level:?} after {changes} changes");
        assert!(governor.0.reason().is_empty());
    }

    #[test]
    fn a_slow_one_comes_to_the_level_that_holds_and_stays_there() {
        let mut governor = (Governor::new(10.0, &[1.0], &(0.25..=1.0)), Instant::now());
        let (level, changes) = simulate(&mut governor, 120.0, |_| 0.24);
        assert_eq!(level, Level { tier: 0, scale: 0.5, every: 1 });
        assert!(changes <= 5, "{changes} changes");
        assert!(governor.0.reason().contains("10.0 frames"));
    }

    #[test]
    fn a_busy_while_costs_quality_only_as_long_as_it_lasts() {
        let mut governor = (Governor::new(10.0, &[1.0], &(0.25..=1.0)), Instant::now());
        let busy = |time: f64| if (20.0..40.0).contains(&time) { 0.5 } else { 0.05 };
        assert!(simulate(&mut governor, 39.0, busy).0.scale < 0.5);
        assert_eq!(simulate(&mut governor, 60.0, |_| 0.05).0, Level::BEST);
    }

    #[test]
    fn noise_in_the_times_does_not_make_it_swing() {
        let mut governor = (Governor::new(10.0, &[1.0], &(0.25..=1.0)), Instant::now());
        let jitter = |time: f64| 0.28 * (1.0 + 0.25 * (time * 37.0).sin());
        let (_, changes) = simulate(&mut governor, 600.0, jitter);
        assert!(changes <= 12, "{changes} changes in ten minutes");
    }

    #[test]
    fn heat_takes_quality_away_and_gives_it_back() {
        let mut governor = (Governor::new(10.0, &[1.0], &(0.25..=1.0)), Instant::now());
        simulate(&mut governor, 10.0, |_| 0.07);
        assert_eq!(governor.0.level(), Level::BEST);
        governor.0.set_heat(Heat::Hot);
        let (hot, _) = simulate(&mut governor, 10.0, |_| 0.07);
        assert!(hot.scale <= 0.5, "{hot:?}");
        assert!(governor.0.reason().contains("hot"), "{}", governor.0.reason());
        governor.0.set_heat(Heat::Cool);
        assert_eq!(simulate(&mut governor, 60.0, |_| 0.07).0, Level::BEST);
    }

    #[test]
    fn a_gpu_restores_at_the_largest_resolution_and_what_follows_it_at_any() {
        for (scales, largest) in [(0.25..=1.0, 1.0), (0.25..=0.6, 0.5)] {
            let mut governor = Governor::new(30.0, &[1.0], &scales);
            assert_eq!(governor.level().scale, 0.25);
            governor.keep_whole(true);
            assert_eq!((governor.level().scale, governor.cheaper()), (largest, None));
            governor.report(Duration::from_secs(1), Instant::now());
            assert_eq!(governor.level().scale, largest);
            governor.keep_whole(false);
            assert_eq!(governor.level(), Level { tier: 0, scale: 0.25, every: 1 });
        }
    }

    #[test]
    fn lighter_models_stand_where_their_work_puts_them_and_limits_are_kept() {
        let mut governor = (Governor::new(30.0, &[2.0, 1.0], &(0.5..=1.0)), Instant::now());
        let places: Vec<(usize, f64)> = governor.0.ladder.iter().map(|l| (l.tier, l.scale)).collect();
        assert_eq!(places, [(0, 1.0), (0, 0.75), (1, 1.0), (1, 0.75), (0, 0.5), (1, 0.5)]);
        assert_eq!(governor.0.level(), Level { tier: 1, scale: 0.5, every: 1 });
        assert_eq!(simulate(&mut governor, 10.0, |_| 0.08).0, Level { tier: 1, scale: 0.75, every: 1 });
        let level = governor.0.level();
        governor.0.forget();
        assert_eq!(governor.0.level(), level);
        governor.0.set_tiers(&[1.0]);
        assert_eq!(governor.0.ladder.len(), 3);
        governor.0.set_scales(&(0.7..=0.8));
        assert_eq!(governor.0.level().scale, 0.75);
        assert_eq!(Governor::new(30.0, &[1.0], &(0.1..=0.6)).ladder[0].scale, 0.5);
        assert_eq!(Governor::new(30.0, &[1.0], &(0.6..=0.7)).level().scale, 0.7);
    }
}
