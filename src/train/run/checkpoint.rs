//! The state of a run, as one safetensors file.

use super::Teacher;
use crate::arch::Parameter;
use crate::train::optimizer::Moments;
use crate::train::parameters::Parameters;
use crate::weights::{Weights, read_safetensors, to_safetensors};
use crate::{Error, Result, atomic_file};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Everything that a run goes on from; what is random follows from the seed and the step.
#[derive(Clone, Debug)]
pub struct State {
    /// Where the run stands.
    pub progress: Progress,
    /// The weights.
    pub parameters: Parameters,
    /// The optimizer's moments.
    pub moments: Moments,
    /// The running average of the weights.
    pub average: Parameters,
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// SHA-256 of the recipe that the run follows.
    pub recipe: String,
    /// Steps done.
    pub step: u64,
    /// Seconds of training so far, over all calls.
    pub seconds: f64,
    /// Pictures (patches) seen so far.
    pub pictures: u64,
    /// SHA-256 of the prompts and vectors that the run is guided by.
    #[serde(default)]
    pub head: String,
    /// The restorer that the run learns from beside the true pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<Teacher>,
}

/// Key of the progress in the file's metadata.
const PROGRESS: &str = "progress";

/// The file's parts, each with one tensor per parameter.
const PARTS: [&str; 4] = ["parameters", "mean", "square", "average"];

/// A state has four numbers of four bytes per parameter; the full network has 35 M.
const LARGEST_FILE: u64 = 8 << 30;

impl State {
    /// At the start of a run.
    pub fn new(parameters: Parameters, recipe: String) -> Self {
        Self {
            progress: Progress {
                recipe,
                step: 0,
                seconds: 0.0,
                pictures: 0,
                head: String::new(),
                teacher: None,
            },
            moments: Moments::new(&parameters),
            average: parameters.clone(),
            parameters,
        }
    }

    /// Writes the state; a file of before stays whole until the new one is.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let parts = [&self.parameters, &self.moments.mean, &self.moments.square, &self.average];
        let mut all = Weights::default();
        for (part, parameters) in PARTS.iter().zip(parts) {
            for (name, tensor) in parameters.to_weights()?.iter() {
                all.insert(format!("{part}/{name}"), tensor.clone());
            }
        }
        let progress = serde_json::to_string(&self.progress)
            .map_err(|e| Error::Train(format!("checkpoint {}: {e}", path.display())))?;
        atomic_file::write_bytes(path, &to_safetensors(&all, Some((PROGRESS, &progress)))?)
    }

    /// Reads the state of a network of that table.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be read, [`Error::Train`] where it is no state,
    /// [`Error::Weights`] where it is that of another network.
    pub fn open(path: &Path, table: &[Parameter], device: &Device) -> Result<Self> {
        let (all, metadata) = read_safetensors(path, LARGEST_FILE)?;
        let broken = |why: String| Error::Train(format!("checkpoint {}: {why}", path.display()));
        let progress = metadata.get(PROGRESS).ok_or_else(|| broken("it has no progress".into()))?;
        let progress = serde_json::from_str(progress).map_err(|e| broken(e.to_string()))?;
        let known = |name: &str| {
            let name = PARTS.iter().find_map(|part| name.strip_prefix(part)?.strip_prefix('/'));
            name.is_some_and(|name| table.iter().any(|parameter| parameter.name == name))
        };
        if let Some((name, _)) = all.iter().find(|(name, _)| !known(name)) {
            let hint = if name.ends_with(".log_scale") {
                "; the run is quantization-aware, and the quantized.vlu that it began with is gone"
            } else {
                ""
            };
            return Err(broken(format!("it is not of this recipe's network: it has {name}{hint}")));
        }
        let part = |part: &str| {
            let own = all.iter().filter_map(|(name, tensor)| {
                let name = name.strip_prefix(part)?.strip_prefix('/')?;
                Some((name.to_owned(), tensor.clone()))
            });
            Parameters::from_weights(table, &own.collect(), device)
                .map_err(|e| broken(format!("it is not of this recipe's network: {e}")))
        };
        let [parameters, mean, square, average] = PARTS.map(part);
        Ok(Self {
            progress,
            parameters: parameters?,
            moments: Moments { mean: mean?, square: square? },
            average: average?,
        })
    }
}
