//! How the image side is trained, as a recipe (TOML) says it.

use crate::train::data::Mix;
use crate::train::optimizer::Schedule;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A recipe for the image side of a head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadRecipe {
    /// Optimizer steps.
    pub steps: u64,
    /// Views per step.
    pub batch: usize,
    /// Pictures that are degraded at a time.
    pub samples_per_round: usize,
    /// Views of each degraded picture.
    pub looks: usize,
    /// Times that a view is used before the next round.
    pub uses: usize,
    /// Seed of everything random.
    pub seed: u64,
    /// Decay of the weights, per step and rate.
    pub weight_decay: f32,
    /// Share of what the tower sees that is hidden from its projection at each step.
    #[serde(default)]
    pub dropout: f32,
    /// Share of the averaged weights that a step leaves as they are.
    pub average: f32,
    /// Weight of the squared distance between d_I and d_T, in parts of the latter's square.
    pub pull: f32,
    /// Learning rate.
    pub schedule: Schedule,
    /// What is shown how often.
    pub data: Mix,
}

/// What [`HeadRecipe::shipped`] reads.
const SHIPPED: &str = include_str!("../../../models/recipes/head.toml");

/// What [`HeadRecipe::for_clip`] reads.
const FOR_CLIP: &str = include_str!("../../../models/recipes/head-clip.toml");

impl HeadRecipe {
    /// The recipe of the head that we ship.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn shipped() -> Result<Self> {
        Self::parse(SHIPPED, "the shipped recipe")
    }

    /// The recipe for the adapters on a user's CLIP, after the paper's.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn for_clip() -> Result<Self> {
        Self::parse(FOR_CLIP, "the recipe for CLIP")
    }

    /// Reads a recipe.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be read; else as [`Self::parse`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Parses and checks a recipe; `name` stands for it in messages.
    ///
    /// # Errors
    /// [`Error::Input`] says where it is wrong.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let recipe: Self = toml::from_str(text).map_err(|e| {
            let line = text[..e.span().map_or(0, |span| span.start)].matches('\n').count() + 1;
            Error::Input(format!("{name}, line {line}: {}", e.message()))
        })?;
        recipe.check().map_err(|reason| Error::Input(format!("{name}: {reason}")))?;
        Ok(recipe)
    }

    fn check(&self) -> Result<(), String> {
        let counts = [
            ("steps", self.steps),
            ("batch", self.batch as u64),
            ("samples_per_round", self.samples_per_round as u64),
            ("looks", self.looks as u64),
            ("uses", self.uses as u64),
        ];
        if let Some((name, value)) = counts.iter().find(|(_, value)| !(1..=100_000_000).contains(value)) {
            return Err(format!("{name} cannot be {value}"));
        }
        if self.batch > self.samples_per_round * self.looks {
            return Err(format!("a batch of {} needs more views than a round has", self.batch));
        }
        for (name, share) in [("average", self.average), ("dropout", self.dropout)] {
            if !(0.0..1.0).contains(&share) {
                return Err(format!("{name} is from 0 to below 1, not {share}"));
            }
        }
        let rates = [self.weight_decay, self.pull, self.schedule.peak, self.schedule.last];
        if rates.iter().any(|value| !(0.0..=1000.0).contains(value)) {
            return Err("weight_decay, pull, peak and last are numbers from 0".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_recipe_reads_and_a_misspelt_key_is_named_with_its_line() {
        HeadRecipe::shipped().unwrap();
        HeadRecipe::for_clip().unwrap();
        let text = SHIPPED.replace("looks = 2", "lucks = 2");
        let error = HeadRecipe::parse(&text, "mine.toml").unwrap_err().to_string();
        assert!(error.starts_with("mine.toml, line") && error.contains("lucks"), "{error}");
        assert!(HeadRecipe::parse(&SHIPPED.replace("batch = 32", "batch = 0"), "mine.toml").is_err());
    }
}
