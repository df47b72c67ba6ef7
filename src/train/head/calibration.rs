//! Whether a head's probabilities can be believed: of pictures that it is 80 % sure of, 80 % should
//! be what it says (Guo et al., On Calibration of Modern Neural Networks, 2017).

use crate::Result;
use crate::bundle::Task;
use crate::plot::{self, Reliability};
use crate::vlm::Score;
use std::path::Path;

/// Bins of the reliability diagram.
const BINS: usize = 10;

/// Temperatures that are tried: from 1/8 to 8, in steps of 3 %.
const STEPS: i32 = 70;
const STEP: f64 = 1.03;

/// What a head has seen in pictures whose task is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    pictures: Vec<Seen>,
}

#[derive(Clone, Debug, PartialEq)]
struct Seen {
    is: Task,
    logits: Vec<(Task, f64)>,
}

impl Seen {
    /// Probability of each task at a temperature: the sum over its prompts.
    fn tasks(&self, temperature: f64) -> Vec<(Task, f64)> {
        let highest = self.logits.iter().fold(f64::NEG_INFINITY, |high, (_, logit)| high.max(*logit));
        let power = |logit: f64| ((logit - highest) / temperature).exp();
        let total: f64 = self.logits.iter().map(|(_, logit)| power(*logit)).sum();
        let sum =
            |task: Task| self.logits.iter().filter(|(t, _)| *t == task).map(|(_, l)| power(*l)).sum::<f64>();
        Task::ALL.into_iter().map(|task| (task, sum(task) / total)).collect()
    }
}

impl Calibration {
    /// Counts a picture that shows `is`.
    pub fn add(&mut self, is: Task, scores: &[Score]) {
        let logits = scores.iter().map(|score| (score.prompt.task, f64::from(score.logit))).collect();
        self.pictures.push(Seen { is, logits });
    }

    /// How many pictures there are.
    pub fn count(&self) -> usize {
        self.pictures.len()
    }

    /// Mean surprise (negative logarithm of the true task's probability, in nats) at a temperature.
    pub fn surprise(&self, temperature: f64) -> f64 {
        let of = |seen: &Seen| {
            let tasks = seen.tasks(temperature);
            let p = tasks.iter().find(|(task, _)| *task == seen.is).map_or(0.0, |(_, p)| *p);
            -p.max(1e-12).ln()
        };
        self.pictures.iter().map(of).sum::<f64>() / self.pictures.len().max(1) as f64
    }

    /// The temperature of the least surprise.
    pub fn best_temperature(&self) -> f64 {
        let tried = (-STEPS..=STEPS).map(|step| STEP.powi(step));
        tried.min_by(|a, b| self.surprise(*a).total_cmp(&self.surprise(*b))).unwrap_or(1.0)
    }

    /// How often the likeliest task was right, by how likely it was called.
    pub fn reliability(&self, temperature: f64) -> Reliability {
        let mut reliability = Reliability::new(BINS);
        for seen in &self.pictures {
            let tasks = seen.tasks(temperature);
            if let Some((task, p)) = tasks.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)) {
                reliability.add(p, task == seen.is);
            }
        }
        reliability
    }

    /// Draws the reliability diagram at a temperature as SVG.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the file can't be written.
    pub fn draw(&self, path: &Path, temperature: f64) -> Result<()> {
        let reliability = self.reliability(temperature);
        let error = 100.0 * reliability.expected_error();
        let title = format!("{} pictures at temperature {temperature:.2}: off by {error:.1} %", self.count());
        plot::reliability(path, &title, &reliability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Prompt;

    /// A head that is right in three of four cases and gives odds of e^`logit` to 1.
    fn three_of_four(logit: f32) -> Calibration {
        let score = |task: Task, logit: f32| Score {
            prompt: Prompt { task, text: task.to_string() },
            logit,
            probability: 0.0,
        };
        let scores = [score(Task::Derain, logit), score(Task::Clear, 0.0)];
        let mut calibration = Calibration::default();
        for at in 0..400 {
            calibration.add(if at % 4 == 0 { Task::Clear } else { Task::Derain }, &scores);
        }
        calibration
    }

    #[test]
    fn the_temperature_makes_probabilities_as_high_as_the_head_is_right() {
        // Odds of 3 to 1 are meant; the logits say 81 to 1, four times as much on their scale.
        let calibration = three_of_four(4.0 * 3f32.ln());
        let found = calibration.best_temperature();
        assert!((found / 4.0 - 1.0).abs() < 0.03, "{found}");
        assert!(calibration.surprise(found) < calibration.surprise(1.0));
        let [before, after] = [1.0, found].map(|t| calibration.reliability(t).expected_error());
        assert!((before - (81.0 / 82.0 - 0.75)).abs() < 1e-4 && after < 0.01, "{before} {after}");
    }

    #[test]
    fn prompts_of_one_task_count_together() {
        let score =
            |task, logit| Score { prompt: Prompt { task, text: String::new() }, logit, probability: 0.0 };
        let mut calibration = Calibration::default();
        let thirds = [score(Task::Denoise, 1.0), score(Task::Denoise, 1.0), score(Task::Clear, 1.0)];
        calibration.add(Task::Denoise, &thirds);
        assert!((calibration.surprise(1.0) - 1.5f64.ln()).abs() < 1e-9);
        assert!((calibration.reliability(1.0).expected_error() - 1.0 / 3.0).abs() < 1e-9);
    }
}
