//! Runs of both sides in their folder: log, checkpoints, going on where one stopped.

use super::confusion::Confusion;
use super::export::Head;
use super::folder::{HeadFolder, LogLine};
use super::frozen::FrozenClip;
use super::image_phase::ImagePhase;
use super::prompts::{canonical, task_of};
use super::recipe::HeadRecipe;
use super::state::State;
use super::text_phase::{TextOptions, TextOutcome, train_text};
use super::text_tower::TextTower;
use super::views::{View, Views};
use crate::arch::{ClipConfig, VisionConfig};
use crate::onnx::image_tower_weights;
use crate::train::data::{Library, Rounds};
use crate::{Error, Result};
use burn::tensor::Device;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// The set of clean pictures, to which the targets of all pairs are added.
const CLEAN_SET: &str = "clean";

/// Every so many pictures one is held out.
const HELD_OUT: usize = 10;

/// Held-out pictures that are looked at.
const TEST_SAMPLES: usize = 192;

/// A run of a head: what is trained, how, and where it is kept.
#[derive(Clone, Debug)]
pub struct HeadRun {
    /// The head's towers.
    pub config: ClipConfig,
    /// A user's CLIP, of which the adapters alone are trained; `config` is then its own.
    pub clip: Option<FrozenClip>,
    /// How its image side is trained.
    pub recipe: HeadRecipe,
    /// Where all is kept.
    pub folder: HeadFolder,
    /// How often things are done.
    pub options: RunOptions,
    /// What computes.
    pub device: Device,
}

impl HeadRun {
    /// Trains the text side, and keeps it and d_T of the canonical prompts in the folder.
    ///
    /// # Errors
    /// As [`train_text`]; [`Error::Io`] where the folder can't be written.
    pub fn train_texts(&self, options: &TextOptions) -> Result<TextOutcome> {
        let mut tower = TextTower::new(&self.config, self.clip.as_ref(), &self.device);
        let log = |step, loss| log::debug!("text side, step {step}: loss {loss}");
        let (parameters, outcome) = train_text(&mut tower, options, log)?;
        self.folder.write_text(&parameters.to_weights()?, &outcome.features)?;
        Ok(outcome)
    }

    /// Begins with a trained head, its texts and its image side, instead of with nothing.
    ///
    /// # Errors
    /// [`Error::Train`] for CLIP's own head, or one with other prompts; [`Error::Weights`] where
    /// its tower is another than this run's; [`Error::Io`] where the folder can't be written.
    pub fn begin_with(&self, head: &Head) -> Result<()> {
        let VisionConfig::Conv(_) = head.manifest.config.vision else {
            return Err(Error::Train(
                "the head to begin with has CLIP's towers, which are not trained; give their file by --clip"
                    .into(),
            ));
        };
        if head.prompts != canonical() {
            return Err(Error::Train("the head to begin with tells other prompts apart".into()));
        }
        let weights = image_tower_weights(&head.manifest.config, &head.onnx)?;
        let state = State::from_weights(&self.config, &weights, &self.device)?;
        self.folder.write_text_features(&head.text_features)?;
        state.save(&self.folder.state())
    }

    /// Trains the image side, or goes on with it where the folder has a checkpoint.
    ///
    /// `keep_going` is asked after every step; `report` gets each line of the log.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder lacks the text features or can't be written;
    /// [`Error::Weights`] where a checkpoint is of another head; [`Error::Train`] where the loss
    /// is no longer finite: the checkpoint before then is kept.
    pub fn train_images(
        &self,
        library: &Library,
        mut keep_going: impl FnMut() -> bool,
        mut report: impl FnMut(&LogLine),
    ) -> Result<State> {
        let Self { config, clip, recipe, folder, options, device } = self;
        let (library, held_out) = library.split(HELD_OUT);
        let (library, held_out) = (library.with_targets(CLEAN_SET)?, held_out.with_targets(CLEAN_SET)?);
        let text_features = folder.read_text_features()?;
        if let Some(clip) = clip.as_ref().filter(|_| !folder.clip().exists()) {
            clip.save(&folder.clip())?;
        }
        let tests = held_out_views(config, recipe, held_out)?;
        let mut phase =
            ImagePhase::new(config, recipe.clone(), Arc::new(library), &text_features, clip.clone(), device)?;
        let mut state = self.state()?;
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
                folder.append(&line)?;
                report(&line);
            }
            let go_on = keep_going();
            if last || !go_on || saved.elapsed() >= options.save_every {
                state.save(&folder.state())?;
                folder.draw()?;
                saved = Instant::now();
            }
            if !go_on {
                break;
            }
        }
        Ok(state)
    }

    /// Where the folder's checkpoint is, or the start.
    fn state(&self) -> Result<State> {
        let path = self.folder.state();
        if !path.exists() {
            return Ok(State::new(&self.config, self.recipe.seed, &self.device));
        }
        let state = State::load(&path, &self.device)?;
        if state.config != self.config {
            let found = state.config;
            return Err(Error::Weights(format!("{} is of another head: {found:?}", path.display())));
        }
        Ok(state)
    }
}

fn held_out_views(config: &ClipConfig, recipe: &HeadRecipe, held_out: Library) -> Result<Vec<View>> {
    let mut mix = recipe.data.clone();
    // A small library holds nothing out of some sets.
    mix.entries.retain(|entry| held_out.set(&entry.set).is_ok_and(|set| !set.is_empty()));
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
