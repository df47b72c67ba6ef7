//! What is drawn how often: the `[[data]]` entries of a recipe.

use super::library::{Library, Set};
use crate::bundle::Task;
use crate::eval::degrade::draw::{Degrade, Kind};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// One kind of sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The set of the library to draw from.
    pub set: String,
    /// The task that these samples train.
    pub task: Task,
    /// The prompt of these samples, instead of the task's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What is done to a clean picture; none for pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degrade: Option<Degrade>,
    /// Mild degradations of which one may come on top.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mixed_with: Vec<Kind>,
    /// How likely one of `mixed_with` does, 0 to 1.
    #[serde(default = "third")]
    pub mixed_chance: f32,
    /// Clean pictures are made smaller first, by a factor between this and 1: what is small in
    /// the world is as sharp as ever, and what the weather does is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shrink: Option<f32>,
    /// How often this entry is drawn, relative to the others.
    #[serde(default = "once")]
    pub weight: f64,
}

fn third() -> f32 {
    0.3
}

fn once() -> f64 {
    1.0
}

impl Entry {
    /// The prompt of a sample, whose noise has this `sigma` if it is noise.
    pub(super) fn prompt(&self, sigma: Option<f32>) -> &str {
        if let Some(prompt) = &self.prompt {
            return prompt;
        }
        match (self.task, sigma) {
            // Between the paper's 15, 25 and 50.
            (Task::Denoise, Some(sigma)) if sigma > 37.0 => "image with large amount of noise",
            (Task::Denoise, Some(sigma)) if sigma > 20.0 => "image with many noise",
            (Task::Denoise, _) => "image with noise",
            (Task::Derain, _) => "image with rain",
            (Task::Dehaze, _) => "image with haze",
            (Task::Deblur, _) => "image with blur",
            (Task::LowLight, _) => "image with low light",
            (Task::Clear, _) => "a clear photo",
        }
    }

    fn check(&self, library: &Library) -> Result<()> {
        let fail = |reason: &str| {
            Err(Error::Input(format!("data entry {} of set {}: {reason}", self.task, self.set)))
        };
        match (library.set(&self.set)?, &self.degrade) {
            (Set::Pairs(_), Some(_)) => {
                return fail("its set has pairs, which are degraded already; leave degrade out");
            }
            (Set::Clean(_), None) if self.task != Task::Clear => {
                return fail("its set has clean pictures; say how to degrade them");
            }
            (_, Some(degrade)) => degrade.check()?,
            _ => {}
        }
        if !(0.0..=1.0).contains(&self.mixed_chance) {
            return fail("mixed_chance is within 0 to 1");
        }
        if self.shrink.is_some_and(|factor| !(0.1..=1.0).contains(&factor)) {
            return fail("shrink is within 0.1 to 1");
        }
        if !(self.weight > 0.0 && self.weight.is_finite()) {
            return fail("weight is a number above 0");
        }
        Ok(())
    }
}

/// The entries of a recipe.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mix {
    /// At least one.
    pub entries: Vec<Entry>,
}

impl Mix {
    /// # Errors
    /// [`Error::Input`] where there is no entry, or one can't be drawn from this library.
    pub fn check(&self, library: &Library) -> Result<()> {
        if self.entries.is_empty() {
            return Err(Error::Input("the recipe has no [[data]] entry".into()));
        }
        self.entries.iter().try_for_each(|entry| entry.check(library))
    }

    /// The share of each entry; they sum to 1.
    pub fn shares(&self) -> Vec<f64> {
        let total: f64 = self.entries.iter().map(|entry| entry.weight).sum();
        self.entries.iter().map(|entry| entry.weight / total).collect()
    }
}
