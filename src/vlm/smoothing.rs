//! Detections in time: one d_I that moves without flicker, one task at a time.

use super::{CLEAR_FROM, Degradation, Detection, Score};
use crate::bundle::{Prompt, Task};
use std::time::Duration;

/// How detections are smoothed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smoothing {
    /// Time constant of the exponential averages.
    pub memory: Duration,
    /// A clear picture passes untouched from this probability on, 0..=1.
    pub enter_clear: f32,
    /// It is restored again below this one, at most `enter_clear`.
    pub leave_clear: f32,
    /// Another task is taken when it is likelier than the present one by this.
    pub margin: f32,
}

impl Default for Smoothing {
    /// One second; in at [`CLEAR_FROM`], out at 0.4; 0.15.
    fn default() -> Self {
        Self { memory: Duration::from_secs(1), enter_clear: CLEAR_FROM, leave_clear: 0.4, margin: 0.15 }
    }
}

/// What is to be done to the frames from now on.
#[derive(Clone, Debug)]
pub struct Guidance {
    /// The task; [`Task::Clear`] lets frames pass untouched.
    pub task: Task,
    /// d_I to restore by.
    pub degradation: Degradation,
    /// The likeliest prompt of the task, in words.
    pub label: String,
    /// The task's smoothed probability, 0..=1.
    pub confidence: f32,
    /// Smoothed probability of each task that the bundle knows.
    pub tasks: Vec<(Task, f32)>,
}

/// The state of the averages.
#[derive(Clone, Debug)]
pub struct Smoother {
    settings: Smoothing,
    /// None before the first detection.
    average: Option<Average>,
}

#[derive(Clone, Debug)]
struct Average {
    task: Task,
    vector: Vec<f32>,
    /// One probability per prompt.
    probabilities: Vec<f32>,
}

impl Smoother {
    /// Nothing seen yet.
    pub fn new(settings: Smoothing) -> Self {
        Self { settings, average: None }
    }

    /// Forgets what was seen: another scene, another model.
    pub fn reset(&mut self) {
        self.average = None;
    }

    /// Takes a detection that comes `elapsed` after the one before.
    pub fn add(&mut self, detection: &Detection, elapsed: Duration) -> Guidance {
        let Smoothing { memory, .. } = self.settings;
        let seen: Vec<f32> = detection.scores.iter().map(|score| score.probability).collect();
        // Another number of prompts is another model.
        let before = self.average.take().filter(|average| average.probabilities.len() == seen.len());
        let average = match before {
            None => Average {
                task: detection.task(),
                vector: detection.degradation.as_slice().to_vec(),
                probabilities: seen,
            },
            Some(mut average) => {
                let share = -(-elapsed.as_secs_f32() / memory.as_secs_f32().max(1e-3)).exp_m1();
                follow(&mut average.probabilities, &seen, share);
                average.task = self.choose(average.task, &by_task(&detection.scores, &average.probabilities));
                follow(&mut average.vector, detection.degradation.as_slice(), share);
                average
            }
        };
        let guidance = average.guidance(detection);
        self.average = Some(average);
        guidance
    }

    /// The task after this look: the present one, unless another is clearly likelier.
    fn choose(&self, present: Task, tasks: &[(Task, f32)]) -> Task {
        let of = |task: Task| tasks.iter().find(|(known, _)| *known == task).map_or(0.0, |(_, p)| *p);
        let best = |clear: bool| {
            let wanted = tasks.iter().filter(|(task, _)| (*task == Task::Clear) == clear);
            wanted.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(present, |(task, _)| *task)
        };
        let clear = of(Task::Clear);
        match present {
            Task::Clear if clear >= self.settings.leave_clear => Task::Clear,
            Task::Clear => best(false),
            _ if clear >= self.settings.enter_clear => Task::Clear,
            _ => {
                let other = best(false);
                if of(other) > of(present) + self.settings.margin { other } else { present }
            }
        }
    }
}

impl Average {
    fn guidance(&self, detection: &Detection) -> Guidance {
        let tasks = by_task(&detection.scores, &self.probabilities);
        let of_task = detection.scores.iter().zip(&self.probabilities);
        let label = of_task
            .filter(|(score, _)| score.prompt.task == self.task)
            .max_by(|a, b| a.1.total_cmp(b.1))
            .map_or_else(String::new, |(score, _)| score.prompt.text.clone());
        // The average of finite vectors of one length is such a vector.
        let degradation =
            Degradation::new(self.vector.clone()).unwrap_or_else(|_| detection.degradation.clone());
        let confidence = tasks.iter().find(|(task, _)| *task == self.task).map_or(0.0, |(_, p)| *p);
        Guidance { task: self.task, degradation, label, confidence, tasks }
    }
}

fn by_task(scores: &[Score], probabilities: &[f32]) -> Vec<(Task, f32)> {
    let mut tasks: Vec<(Task, f32)> = Vec::new();
    for (Score { prompt: Prompt { task, .. }, .. }, probability) in scores.iter().zip(probabilities) {
        match tasks.iter_mut().find(|(known, _)| known == task) {
            Some((_, sum)) => *sum += probability,
            None => tasks.push((*task, *probability)),
        }
    }
    tasks
}

fn follow(average: &mut [f32], new: &[f32], share: f32) {
    average.iter_mut().zip(new).for_each(|(average, new)| *average += share * (new - *average));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::DEGRADATION_DIM;

    const STEP: Duration = Duration::from_millis(500);

    /// A detection that is that sure of a task; the rest goes to the clear prompt, or rain.
    fn seen(task: Task, probability: f32, value: f32) -> Detection {
        let rest = if task == Task::Clear { Task::Derain } else { Task::Clear };
        let score = |task: Task, probability: f32| Score {
            prompt: Prompt { text: format!("a {task} picture"), task },
            logit: probability.ln(),
            probability,
        };
        let mut scores: Vec<Score> = [Task::Derain, Task::Dehaze, Task::Clear].map(|t| score(t, 0.0)).into();
        for (wanted, p) in [(task, probability), (rest, 1.0 - probability)] {
            scores.iter_mut().filter(|s| s.prompt.task == wanted).for_each(|s| s.probability = p);
        }
        Detection { degradation: Degradation::new(vec![value; DEGRADATION_DIM]).unwrap(), scores }
    }

    #[test]
    fn one_odd_look_changes_nothing_and_a_lasting_change_is_followed() {
        let mut smoother = Smoother::new(Smoothing::default());
        for _ in 0..5 {
            assert_eq!(smoother.add(&seen(Task::Derain, 0.9, 1.0), STEP).task, Task::Derain);
        }
        assert_eq!(smoother.add(&seen(Task::Dehaze, 0.9, 0.0), STEP).task, Task::Derain);
        let guidance = smoother.add(&seen(Task::Derain, 0.9, 1.0), STEP);
        assert_eq!((guidance.task, guidance.label.as_str()), (Task::Derain, "a derain picture"));
        let looks = (1..20).find(|_| smoother.add(&seen(Task::Dehaze, 0.9, 0.0), STEP).task == Task::Dehaze);
        assert!(looks.is_some_and(|looks| (2..=5).contains(&looks)), "{looks:?}");
    }

    #[test]
    fn scores_on_the_edge_do_not_switch_the_bypass_to_and_fro() {
        let mut smoother = Smoother::new(Smoothing::default());
        let mut switches = 0;
        let mut last = smoother.add(&seen(Task::Clear, 0.9, 0.0), STEP).task;
        for look in 0..100 {
            let task =
                smoother.add(&seen(Task::Clear, if look % 2 == 0 { 0.42 } else { 0.58 }, 0.0), STEP).task;
            switches += usize::from(task != last);
            last = task;
        }
        assert_eq!((switches, last), (0, Task::Clear));
        let left = (0..10).any(|_| smoother.add(&seen(Task::Derain, 0.95, 1.0), STEP).task == Task::Derain);
        assert!(left);
    }

    #[test]
    fn d_i_moves_by_the_time_that_has_passed() {
        let mut smoother = Smoother::new(Smoothing::default());
        smoother.add(&seen(Task::Derain, 0.9, 0.0), STEP);
        let after = |smoother: &mut Smoother, elapsed| {
            smoother.add(&seen(Task::Derain, 0.9, 1.0), elapsed).degradation.as_slice()[0]
        };
        let value = after(&mut smoother, Duration::from_secs(1));
        assert!((value - 0.632).abs() < 1e-3, "{value}");
        assert!(after(&mut smoother, Duration::from_secs(60)) > 0.999);
        smoother.reset();
        assert_eq!(after(&mut smoother, STEP), 1.0);
    }
}
