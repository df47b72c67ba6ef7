//! The life of a run: a folder with its recipe, journal, curves and checkpoint.

mod checkpoint;
mod curves;
mod fit;
mod journal;
mod recent;
mod teacher;
mod validation;

pub use checkpoint::{Progress, State};
pub use fit::{End, Fit, Limits, Origins, Start};
pub use journal::{Event, Journal};
pub use teacher::{Taught, Teacher};
pub use validation::Validation;

use std::path::{Path, PathBuf};

/// The files of a run.
#[derive(Clone, Debug)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// The run of that folder, whether it is there or not.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The recipe, as the run began with it.
    pub fn recipe(&self) -> PathBuf {
        self.0.join("recipe.toml")
    }

    /// The newest state.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint.safetensors")
    }

    /// The int8 bundle that a quantization-aware run began with.
    pub fn quantized(&self) -> PathBuf {
        self.0.join("quantized.vlu")
    }

    /// What the run said, a line of JSON each.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.jsonl")
    }

    /// The loss over the steps, as a picture.
    pub fn loss_curve(&self) -> PathBuf {
        self.0.join("loss.svg")
    }

    /// PSNR on held-out pictures over the steps, by task, as a picture.
    pub fn psnr_curve(&self) -> PathBuf {
        self.0.join("psnr.svg")
    }
}
