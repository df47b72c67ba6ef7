//! A head tried on sets of pictures: what it takes each for.

use super::calibration::Calibration;
use super::confusion::Confusion;
use crate::Result;
use crate::bundle::Task;
use crate::frame::from_rgb8;
use crate::plot;
use crate::vlm::Detector;
use image::RgbImage;
use ndarray::Array2;
use std::fmt;
use std::path::Path;

/// Sets of pictures by what they show, and what a head has taken them for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exam {
    /// The sets in the order of their trial.
    pub sets: Vec<ExamSet>,
    /// How far its probabilities can be believed.
    pub calibration: Calibration,
}

/// One set of an [`Exam`].
#[derive(Clone, Debug, PartialEq)]
pub struct ExamSet {
    /// The set's name.
    pub name: String,
    /// What its pictures show.
    pub is: Task,
    /// How many were taken for each task, in the order of [`Task::ALL`].
    pub taken_for: [u32; Task::ALL.len()],
    /// How sure the head was, on average: the likeliest prompt's probability.
    pub confidence: f64,
}

impl Exam {
    /// Tries a set of pictures that show `is`.
    ///
    /// # Errors
    /// As [`Detector::detect`], and whatever a picture's own error is.
    pub fn try_set(
        &mut self,
        detector: &mut Detector,
        name: &str,
        is: Task,
        pictures: impl IntoIterator<Item = Result<RgbImage>>,
    ) -> Result<()> {
        let (mut taken_for, mut confidence, mut count) = ([0; Task::ALL.len()], 0.0, 0);
        for picture in pictures {
            let detection = detector.detect(from_rgb8(&picture?).view())?;
            if let Some(at) = Task::ALL.iter().position(|task| *task == detection.task()) {
                taken_for[at] += 1;
            }
            confidence += f64::from(detection.confidence());
            self.calibration.add(is, &detection.scores);
            count += 1;
        }
        let confidence = confidence / f64::from(count.max(1));
        self.sets.push(ExamSet { name: name.into(), is, taken_for, confidence });
        Ok(())
    }

    /// All sets together.
    pub fn confusion(&self) -> Confusion {
        let mut confusion = Confusion::default();
        for set in &self.sets {
            for (task, count) in Task::ALL.into_iter().zip(set.taken_for) {
                (0..count).for_each(|_| confusion.add(set.is, task));
            }
        }
        confusion
    }

    /// Draws the confusion matrix as SVG.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the file can't be written.
    pub fn draw(&self, path: &Path) -> Result<()> {
        let confusion = self.confusion();
        let names: Vec<String> = Task::ALL.iter().map(Task::to_string).collect();
        let counts = Array2::from_shape_fn((names.len(), names.len()), |(is, taken_for)| {
            confusion.counts[is][taken_for]
        });
        let title = format!("Top-1 accuracy {:.1} % (mean over tasks)", 100.0 * confusion.accuracy());
        plot::matrix(path, &title, ["is", "is taken for"], &names, counts.view())
    }
}

/// A table in Markdown, a row per set.
impl fmt::Display for Exam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| set | is | right |")?;
        Task::ALL.iter().try_for_each(|task| write!(f, " {task} |"))?;
        writeln!(f, " sure |\n|---|---|---|{}---|", "---|".repeat(Task::ALL.len()))?;
        for set in &self.sets {
            let right = Task::ALL.iter().zip(set.taken_for).find(|(task, _)| **task == set.is);
            let right = right.map_or(0, |(_, count)| count);
            let total = set.taken_for.iter().sum::<u32>().max(1);
            let share = 100.0 * f64::from(right) / f64::from(total);
            write!(f, "| {} | {} | {share:.0} % |", set.name, set.is)?;
            set.taken_for.iter().try_for_each(|count| write!(f, " {count} |"))?;
            writeln!(f, " {:.2} |", set.confidence)?;
        }
        Ok(())
    }
}
