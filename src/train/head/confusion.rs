//! What a head takes for what.

use crate::bundle::Task;
use serde::{Deserialize, Serialize};

/// Counts of pictures by what they are and what they were taken for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// By what they are, in the order of [`Task::ALL`], then what they were taken for.
    pub counts: [[u32; Task::ALL.len()]; Task::ALL.len()],
}

impl Confusion {
    /// Counts a picture.
    pub fn add(&mut self, is: Task, taken_for: Task) {
        let place = |task| Task::ALL.iter().position(|other| *other == task).unwrap_or(0);
        self.counts[place(is)][place(taken_for)] += 1;
    }

    /// Share of a task's pictures that were taken for it; none where there are none.
    pub fn recall(&self, task: Task) -> Option<f64> {
        let (row, at) = Task::ALL
            .iter()
            .zip(&self.counts)
            .enumerate()
            .find_map(|(at, (other, row))| (*other == task).then_some((row, at)))?;
        let total: u32 = row.iter().sum();
        (total > 0).then(|| f64::from(row[at]) / f64::from(total))
    }

    /// The mean of all recalls: each task counts the same, however many pictures it has.
    pub fn accuracy(&self) -> f64 {
        let recalls: Vec<f64> = Task::ALL.into_iter().filter_map(|task| self.recall(task)).collect();
        recalls.iter().sum::<f64>() / recalls.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_class_does_not_outvote_a_small_one() {
        let mut confusion = Confusion::default();
        for _ in 0..99 {
            confusion.add(Task::Clear, Task::Clear);
        }
        confusion.add(Task::Derain, Task::Clear);
        assert_eq!(confusion.accuracy(), 0.5);
        assert_eq!((confusion.recall(Task::Derain), confusion.recall(Task::Dehaze)), (Some(0.0), None));
    }
}
