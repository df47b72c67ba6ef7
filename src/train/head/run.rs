//! A run of the image side in its folder: log, checkpoints, going on where it stopped.

use super::confusion::Confusion;
use super::image_phase::ImagePhase;
use super::prompts::task_of;
use super::recipe::HeadRecipe;
use super::state::State;
use super::views::{View, Views};
use crate::arch::ClipConfig;
use crate::train::data::{Library, Rounds};
use crate::weights::read_safetensors;
use crate::{Error, Result};
use burn::tensor::Device;
use ndarray::{Array2, Ix2};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The files of a head's run.
#[derive(Clone, Debug)]
pub struct HeadFolder(PathBuf);

impl HeadFolder {
    /// A folder that is there or will be made.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The text tower with its adapter.
    pub fn text(&self) -> PathBuf {
        self.0.join("text.safetensors")
    }

    /// d_T of the canonical prompts.
    pub fn text_features(&self) -> PathBuf {
        self.0.join("text_features.safetensors")
    }

    /// The image side in training.
    pub fn state(&self) -> PathBuf {
        self.0.join("image.safetensors")
    }

    /// A line of JSON every few steps.
    pub fn log(&self) -> PathBuf {
        self.0.join("image.jsonl")
    }

    /// Reads d_T of the canonical prompts.
    ///
    /// # Errors
    /// [`Error::Io`] where there is none, [`Error::Weights`] where it is no such matrix.
    pub fn read_text_features(&self) -> Result<Array2<f32>> {
        let (weights, _) = read_safetensors(&self.text_features(), 1 << 20)?;
        let features = weights.get("text_features")?.clone();
        features.into_dimensionality::<Ix2>().map_err(|e| Error::Weights(format!("text_features: {e}")))
    }
}

/// How a run goes, beside its recipe.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Time between checkpoints.
    pub save_every: Duration,
    /// Steps between lines of the log.
    pub log_every: u64,
    /// Steps between looks at held-out pictures.
    pub test_every: u64,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { save_every: Duration::from_secs(120), log_every: 20, test_every: 200 }
    }
}

/// A line of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogLine {
    /// Steps done.
    pub step: u64,
    /// Seconds since this start of the run.
    pub seconds: f64,
    /// Mean loss since the line before.
    pub loss: f32,
    /// Length of the last gradient.
    pub gradient: f32,
    /// Learning rate.
    pub rate: f32,
    /// Mean recall over the tasks on held-out pictures, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// What was taken for what, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Confusion>,
}

/// Every so many pictures one is held out.
const HELD_OUT: usize = 10;

/// Held-out pictures that are looked at.
const TEST_SAMPLES: usize = 192;

/// Trains the image side, or goes on with it where the folder has a checkpoint.
///
/// `keep_going` is asked after every step; `report` gets each line of the log.
///
/// # Errors
/// [`Error::Io`] where the folder lacks the text features or can't be written;
/// [`Error::Weights`] where a checkpoint is of another head, or the loss is no longer finite:
/// the checkpoint before then is kept.
pub fn train_images(
    config: &ClipConfig,
    recipe: &HeadRecipe,
    library: &Library,
    folder: &HeadFolder,
    options: &RunOptions,
    device: &Device,
    mut keep_going: impl FnMut() -> bool,
    mut report: impl FnMut(&LogLine),
) -> Result<State> {
    let (library, held_out) = library.split(HELD_OUT);
    let text_features = folder.read_text_features()?;
    let tests = held_out_views(config, recipe, held_out)?;
    let mut phase = ImagePhase::new(config, recipe.clone(), Arc::new(library), &text_features, device)?;
    let mut state = if folder.state().exists() {
        State::load(&folder.state(), config, device)?
    } else {
        State::new(config, recipe.seed, device)
    };
    let (start, mut saved, mut losses) = (Instant::now(), Instant::now(), Vec::new());
    while state.step < recipe.steps {
        let step = phase.step(&mut state)?;
        losses.push(step.loss);
        let last = state.step == recipe.steps;
        let tested = state.step.is_multiple_of(options.test_every) || last;
        if state.step.is_multiple_of(options.log_every) || tested {
            let confusion = if tested { Some(confusion(&phase, &state, &tests)?) } else { None };
            let line = LogLine {
                step: state.step,
                seconds: start.elapsed().as_secs_f64(),
                loss: losses.iter().sum::<f32>() / losses.len() as f32,
                gradient: step.gradient,
                rate: step.rate,
                accuracy: confusion.as_ref().map(Confusion::accuracy),
                confusion,
            };
            losses.clear();
            append(&folder.log(), &line)?;
            report(&line);
        }
        let go_on = keep_going();
        if last || !go_on || saved.elapsed() >= options.save_every {
            state.save(&folder.state())?;
            saved = Instant::now();
        }
        if !go_on {
            break;
        }
    }
    Ok(state)
}

fn held_out_views(config: &ClipConfig, recipe: &HeadRecipe, held_out: Library) -> Result<Vec<View>> {
    let mut mix = recipe.data.clone();
    // A small library holds nothing out of some sets.
    mix.entries.retain(|entry| held_out.set(&entry.set).is_ok());
    if mix.entries.is_empty() {
        return Ok(Vec::new());
    }
    let rounds = Rounds::new(Arc::new(held_out), mix, TEST_SAMPLES, !recipe.seed)?;
    Views::new(rounds, config.image_size, 1, !recipe.seed).round(0)
}

fn confusion(phase: &ImagePhase, state: &State, views: &[View]) -> Result<Confusion> {
    let mut confusion = Confusion::default();
    for (seen, wanted) in phase.look(&state.average, views)? {
        confusion.add(task_of(&wanted), task_of(&seen));
    }
    Ok(confusion)
}

fn append(path: &Path, line: &LogLine) -> Result<()> {
    let mut text = serde_json::to_string(line).map_err(|e| Error::Input(format!("a line of the log: {e}")))?;
    text.push('\n');
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(Error::io("write", path))
}
