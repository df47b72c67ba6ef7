//! The folder of a head's run.

use super::confusion::Confusion;
use super::prompts::CANONICAL;
use crate::bundle::Prompts;
use crate::plot::{self, Axis, Curve};
use crate::weights::{Weights, read_safetensors, to_safetensors};
use crate::{Error, Result, atomic_file};
use ndarray::{Array2, Ix2};
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

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

    /// A copy of the user's CLIP, where the head is made of one.
    pub fn clip(&self) -> PathBuf {
        self.0.join("clip.safetensors")
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

    /// Writes the text side: its weights, and d_T of the canonical prompts.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be written.
    pub fn write_text(&self, text: &Weights, features: &Array2<f32>) -> Result<()> {
        atomic_file::write_bytes(&self.text(), &to_safetensors(text, None)?)?;
        self.write_text_features(features)
    }

    /// Writes d_T of the canonical prompts.
    pub(super) fn write_text_features(&self, features: &Array2<f32>) -> Result<()> {
        let texts: Vec<&str> = CANONICAL.iter().map(|(text, _)| *text).collect();
        let texts = serde_json::to_string(&texts).map_err(|e| Error::Train(format!("prompts: {e}")))?;
        let features: Weights =
            [(Prompts::TEXT_FEATURES.to_owned(), features.clone().into_dyn())].into_iter().collect();
        let bytes = to_safetensors(&features, Some(("prompts", &texts)))?;
        atomic_file::write_bytes(&self.text_features(), &bytes)
    }

    /// Adds a line to the log.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be written.
    pub fn append(&self, line: &LogLine) -> Result<()> {
        let mut text = serde_json::to_string(line).map_err(|e| Error::Train(format!("log: {e}")))?;
        text.push('\n');
        let path = self.log();
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(Error::io("write", &path))
    }

    /// The lines of the log; those that are cut off are left out.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be read.
    pub fn lines(&self) -> Result<Vec<LogLine>> {
        let path = self.log();
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            text => text.map_err(Error::io("read", &path))?,
        };
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// Draws the log as two pictures, `loss.svg` and `accuracy.svg`.
    ///
    /// # Errors
    /// As [`Self::lines`]; [`Error::Io`] where they can't be written.
    pub fn draw(&self) -> Result<()> {
        let lines = self.lines()?;
        let curve = |name: &str, value: fn(&LogLine) -> Option<f64>| {
            let point = |line: &LogLine| Some((line.step as f64, value(line)?));
            Curve { name: name.into(), points: lines.iter().filter_map(point).collect() }
        };
        let loss = curve("loss", |line| Some(f64::from(line.loss)));
        let accuracy = curve("held-out pictures", |line| line.accuracy);
        let path = |name: &str| self.0.join(name);
        plot::curves(&path("loss.svg"), "VLM head", "loss", Axis::Logarithmic, &[loss])?;
        let name = "top-1 accuracy (mean over tasks)";
        plot::curves(&path("accuracy.svg"), "VLM head", name, Axis::Linear, &[accuracy])
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
