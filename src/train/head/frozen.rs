//! CLIP as a user has it: its towers stay as they are, and only the adapters learn (the
//! paper's recipe).

use super::image::image_feature;
use super::text::{Tokens, text_feature};
use crate::arch::{ClipConfig, Parameter};
use crate::train::parameters::Parameters;
use crate::weights::{Checkpoint, Weights, read_clip, to_safetensors};
use crate::{Error, Result, atomic_file};
use burn::tensor::{Device, Tensor};
use std::path::Path;

/// CLIP's towers, in evaluation.
#[derive(Clone, Debug)]
pub struct FrozenClip {
    config: ClipConfig,
    parameters: Parameters,
    device: Device,
}

impl FrozenClip {
    /// Reads the towers of a checkpoint (open_clip's, or the authors').
    ///
    /// # Errors
    /// As [`read_clip`].
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        let (config, weights) = read_clip(&Checkpoint::open(path)?)?;
        let parameters = Parameters::from_weights(&table(&config), &weights, device)?;
        Ok(Self { config, parameters, device: device.clone() })
    }

    /// Their configuration.
    pub fn config(&self) -> &ClipConfig {
        &self.config
    }

    /// The numbers, as `clip_model.*`.
    ///
    /// # Errors
    /// [`Error::Weights`] where the device does not give them back.
    pub fn weights(&self) -> Result<Weights> {
        self.parameters.to_weights()
    }

    /// Keeps a copy, which [`Self::open`] reads.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        atomic_file::write_bytes(path, &to_safetensors(&self.weights()?, None)?)
    }

    /// The image tower's features, row by row, of preprocessed pictures `[B, 3, S, S]`.
    ///
    /// # Errors
    /// [`Error::Weights`] where the device does not give them back.
    pub fn image_features(&self, images: Tensor<4>) -> Result<Vec<f32>> {
        numbers(image_feature(&self.parameters, &self.config, images))
    }

    /// The text tower's features of some texts, row by row.
    ///
    /// # Errors
    /// As [`Tokens::new`], and as [`Self::image_features`].
    pub fn text_features<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<f32>> {
        let tokens = Tokens::new(texts, &self.config, &self.device)?;
        numbers(text_feature(&self.parameters, &self.config, &tokens))
    }
}

fn table(config: &ClipConfig) -> Vec<Parameter> {
    config.parameters().into_iter().filter(|parameter| parameter.name.starts_with("clip_model.")).collect()
}

fn numbers(features: Tensor<2>) -> Result<Vec<f32>> {
    features
        .into_data()
        .try_into_vec::<f32>()
        .map_err(|e| Error::Weights(format!("CLIP's features do not come back from the device: {e:?}")))
}
