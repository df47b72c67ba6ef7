//! Recipes: everything that decides what a run learns, as TOML.

use super::data::Mix;
use super::loss::Loss;
use super::optimizer::{AdamW, Schedule};
use crate::arch::VluNetConfig;
use crate::{Error, Result};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::path::Path;

/// A recipe for a restorer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The network: a preset's name, or its values in a table.
    pub network: Network,
    /// Steps of the whole run.
    pub steps: u64,
    /// Seed of everything random.
    #[serde(default)]
    pub seed: u64,
    /// Patches and batches, one after the other.
    pub phases: Vec<Phase>,
    /// Parts of a batch whose gradients are balanced against each other; patches of one task
    /// are put together.
    #[serde(default = "parts")]
    pub parts: usize,
    /// How pictures are prepared and used.
    #[serde(default)]
    pub rounds: RoundPlan,
    /// The optimizer.
    #[serde(default)]
    pub optimizer: AdamW,
    /// The learning rate.
    pub rate: Schedule,
    /// The loss.
    #[serde(default)]
    pub loss: Loss,
    /// Decay of the weights' running average, which is what is validated and exported.
    #[serde(default = "average")]
    pub average: f32,
    /// How often d is the image tower's d_I of the very picture; else it is the prompt's d_T.
    #[serde(default)]
    pub from_image: f32,
    /// Distillation, used with a teacher alone.
    #[serde(default)]
    pub teacher: Teacher,
    /// What is learned from.
    pub data: Mix,
}

/// The network to train.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Network {
    /// [`VluNetConfig::preset`]: `full`, `small`, `nano`, `pico`.
    Preset(String),
    /// Any other.
    Config(VluNetConfig),
}

// By hand, as serde's own way for untagged enums does not say which key is at fault.
impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NetworkVisitor)
    }
}

struct NetworkVisitor;

impl<'de> Visitor<'de> for NetworkVisitor {
    type Value = Network;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a preset's name or a table of the network's values")
    }

    fn visit_str<E>(self, name: &str) -> Result<Network, E> {
        Ok(Network::Preset(name.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Network, A::Error> {
        VluNetConfig::deserialize(MapAccessDeserializer::new(map)).map(Network::Config)
    }
}

/// A part of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Where it ends, as a share of all steps; the last phase goes to 1.
    pub until: f64,
    /// Side of the patches in pixels.
    pub patch: usize,
    /// Patches per step.
    pub batch: usize,
}

/// Pictures are degraded in rounds, and each round is used for some steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoundPlan {
    /// Pictures per round.
    pub pictures: usize,
    /// Steps per round.
    pub steps: u64,
    /// Of every set, each so many-th picture is kept for validation.
    pub held_out: usize,
    /// Steps between validations.
    pub validate: u64,
}

impl Default for RoundPlan {
    fn default() -> Self {
        Self { pictures: 96, steps: 48, held_out: 24, validate: 1000 }
    }
}

/// How much a teacher's picture counts beside the true one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Teacher {
    /// Weight of the loss against the teacher's picture; the true one's is 1 less this.
    pub weight: f32,
}

impl Default for Teacher {
    fn default() -> Self {
        Self { weight: 0.5 }
    }
}

/// Pixels of a batch: far more than a device trains on, far less than would fill a machine.
const LARGEST_BATCH: usize = 64 << 20;

fn parts() -> usize {
    4
}

fn average() -> f32 {
    0.999
}

impl Recipe {
    /// Reads a recipe file.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be read, [`Error::Input`] where a key is unknown or
    /// missing, or a value out of range.
    pub fn open(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(&text).map_err(|e| Error::Input(format!("recipe {}: {e}", path.display())))
    }

    /// Reads a recipe.
    ///
    /// # Errors
    /// [`Error::Input`] as [`Self::open`].
    pub fn parse(text: &str) -> Result<Self> {
        let recipe: Self = toml::from_str(text).map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            Error::Input(format!("line {line}: {}", crate::error::one_line(e.message())))
        })?;
        recipe.validate()?;
        Ok(recipe)
    }

    /// The recipe as TOML.
    ///
    /// # Errors
    /// [`Error::Input`] where a value has no TOML form.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self).map_err(|e| Error::Input(format!("recipe: {e}")))
    }

    /// The network's configuration.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown preset, [`Error::Config`] for values out of range.
    pub fn config(&self) -> Result<VluNetConfig> {
        let config = match &self.network {
            Network::Config(config) => config.clone(),
            Network::Preset(name) => VluNetConfig::preset(name).ok_or_else(|| {
                Error::Input(format!("no network is called {name}; there are full, small, nano, pico"))
            })?,
        };
        config.validate()?;
        Ok(config)
    }

    /// The phase of a step, counted from 0, of `steps`.
    pub fn phase(&self, step: u64, steps: u64) -> &Phase {
        let done = step as f64 / steps.max(1) as f64;
        let running = self.phases.iter().find(|phase| done < phase.until);
        running.unwrap_or(&self.phases[self.phases.len() - 1])
    }

    /// The largest patch, which every picture must hold.
    pub fn largest_patch(&self) -> usize {
        self.phases.iter().map(|phase| phase.patch).max().unwrap_or_default()
    }

    fn validate(&self) -> Result<()> {
        let multiple = self.config()?.multiple();
        let fail = |what: String| Err(Error::Input(what));
        if self.phases.is_empty() {
            return fail("there is no [[phases]] entry".into());
        }
        for Phase { until, patch, batch } in &self.phases {
            if !(*until > 0.0 && *until <= 1.0) {
                return fail(format!("a phase ends at {until} of the run; it must be above 0 and at most 1"));
            }
            if !(multiple..=1024).contains(patch) || !patch.is_multiple_of(multiple) {
                return fail(format!(
                    "patches of {patch}; this network takes multiples of {multiple} up to 1024"
                ));
            }
            if !(1..=4096).contains(batch) {
                return fail(format!("a batch of {batch}; it must be in 1..=4096"));
            }
            if batch * patch * patch > LARGEST_BATCH {
                return fail(format!("a batch of {batch} patches of {patch}x{patch} is over 64 megapixels"));
            }
        }
        let in_range = [
            ("steps", (1..=100_000_000).contains(&self.steps)),
            ("parts", (1..=4096).contains(&self.parts)),
            ("rounds.pictures", (1..=65_536).contains(&self.rounds.pictures)),
            ("rounds.steps", (1..=1_000_000).contains(&self.rounds.steps)),
            ("rounds.held_out", self.rounds.held_out >= 2),
            ("rounds.validate", self.rounds.validate >= 1),
            ("rate.peak", self.rate.peak > 0.0 && self.rate.peak <= 1.0),
            ("rate.last", (0.0..=self.rate.peak).contains(&self.rate.last)),
            ("average", (0.0..1.0).contains(&self.average)),
            ("from_image", (0.0..=1.0).contains(&self.from_image)),
            ("teacher.weight", (0.0..=1.0).contains(&self.teacher.weight)),
            ("optimizer.betas", self.optimizer.betas.iter().all(|beta| (0.0..1.0).contains(beta))),
            ("optimizer.weight_decay", (0.0..=1.0).contains(&self.optimizer.weight_decay)),
            ("optimizer.clip", self.optimizer.clip > 0.0),
            (
                "loss",
                [self.loss.l1, self.loss.log_l1, self.loss.frequency, self.loss.ssim]
                    .iter()
                    .all(|w| (0.0..=100.0).contains(w)),
            ),
        ];
        match in_range.into_iter().find(|(_, good)| !good) {
            Some((key, _)) => fail(format!("{key} is out of range")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_that_is_shipped_reads_and_survives_the_round_trip() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/recipes");
        let mut count = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // The head's recipes are of another kind.
            if name.ends_with(".toml") && !name.starts_with("head") {
                let recipe = Recipe::open(&path).unwrap();
                assert_eq!(Recipe::parse(&recipe.to_toml().unwrap()).unwrap(), recipe, "{}", path.display());
                count += 1;
            }
        }
        assert!(count > 0, "no recipe is there");
    }

    #[test]
    fn a_value_out_of_range_is_named() {
        let nano = include_str!("../../models/recipes/nano.toml");
        for (from, to, named) in [
            ("patch = 64", "patch = 60", "patches of 60"),
            ("batch = 16", "batch = 0", "a batch of 0"),
            ("peak = 2e-3", "peak = -1.0", "rate.peak"),
            ("until = 1.0", "until = 1.5", "1.5"),
            ("network = \"nano\"", "network = \"nana\"", "nana"),
            ("seed = 1", "seed = 1\naverage = 1.0", "average"),
            ("seed = 1", "sead = 1", "sead"),
        ] {
            assert!(nano.contains(from), "{from}");
            let message = Recipe::parse(&nano.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(message.contains(named), "{message}");
        }
    }

    #[test]
    fn phases_follow_one_another_to_the_end_and_beyond() {
        let recipe = Recipe::parse(include_str!("../../models/recipes/nano-finish.toml")).unwrap();
        let patches = [0, 699, 700, 999, 1000, 2000].map(|step| recipe.phase(step, 1000).patch);
        assert_eq!(patches, [96, 96, 128, 128, 128, 128]);
    }
}
