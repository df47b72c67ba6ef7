//! All that a run of the image side needs to go on, and its file.

use super::image_tower::trained;
use super::initial;
use crate::arch::{ClipConfig, Parameter};
use crate::train::optimizer::Moments;
use crate::train::parameters::Parameters;
use crate::weights::{Weights, read_safetensors, to_safetensors};
use crate::{Error, Result, atomic_file};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Parameters in training, what the optimizer remembers, and how far the run is.
#[derive(Clone, Debug)]
pub struct State {
    /// The head that is trained.
    pub config: ClipConfig,
    /// Steps done.
    pub step: u64,
    /// The parameters that are trained.
    pub parameters: Parameters,
    /// Their running average, which is what is shipped.
    pub average: Parameters,
    /// AdamW's moments.
    pub moments: Moments,
}

/// What stands beside the tensors in the file.
#[derive(Serialize, Deserialize)]
struct Progress {
    step: u64,
    config: ClipConfig,
}

/// The key of [`Progress`] in the file's metadata.
const KEY: &str = "vlunet.head";

/// More than the tensors of any head that is trained here.
const MAX_BYTES: u64 = 4 << 30;

const PARTS: [&str; 4] = ["parameters", "average", "mean", "square"];

impl State {
    /// Before the first step.
    pub fn new(config: &ClipConfig, seed: u64, device: &Device) -> Self {
        Self::begun(config, initial(&trained(config), seed, device))
    }

    /// Before the first step of a run that begins with the weights of another head's image side.
    ///
    /// # Errors
    /// [`Error::Weights`] where they are those of another tower.
    pub fn from_weights(config: &ClipConfig, weights: &Weights, device: &Device) -> Result<Self> {
        Ok(Self::begun(config, Parameters::from_weights(&trained(config), weights, device)?))
    }

    fn begun(config: &ClipConfig, parameters: Parameters) -> Self {
        let moments = Moments::new(&parameters);
        Self { config: config.clone(), step: 0, average: parameters.clone(), parameters, moments }
    }

    /// Writes the state, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let parts = [&self.parameters, &self.average, &self.moments.mean, &self.moments.square];
        let mut all = Weights::default();
        for (part, parameters) in PARTS.into_iter().zip(parts) {
            for (name, tensor) in parameters.to_weights()?.iter() {
                all.insert(format!("{part}/{name}"), tensor.clone());
            }
        }
        let progress = Progress { step: self.step, config: self.config.clone() };
        let progress =
            serde_json::to_string(&progress).map_err(|e| Error::Train(format!("checkpoint: {e}")))?;
        atomic_file::write_bytes(path, &to_safetensors(&all, Some((KEY, &progress)))?)
    }

    /// Reads a state.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be read, [`Error::Weights`] where it is none.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let (all, metadata) = read_safetensors(path, MAX_BYTES)?;
        let progress = metadata.get(KEY).and_then(|json| serde_json::from_str(json).ok());
        let Progress { step, config } = progress.ok_or_else(|| {
            Error::Weights(format!("{} is no checkpoint of a head in training", path.display()))
        })?;
        config.validate()?;
        let table = trained(&config);
        let [parameters, average, mean, square] = PARTS.map(|part| load_part(&all, part, &table, device));
        let moments = Moments { mean: mean?, square: square? };
        Ok(Self { config, step, parameters: parameters?, average: average?, moments })
    }
}

fn load_part(all: &Weights, part: &str, table: &[Parameter], device: &Device) -> Result<Parameters> {
    let own = all.iter().filter_map(|(name, tensor)| {
        Some((name.strip_prefix(part)?.strip_prefix('/')?.to_owned(), tensor.clone()))
    });
    Parameters::from_weights(table, &own.collect(), device)
}
