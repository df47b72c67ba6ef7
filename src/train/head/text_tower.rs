//! The text side in training: a tower of its own, or CLIP's, of which the adapter alone learns.

use super::frozen::FrozenClip;
use super::init::initial;
use super::layers::adapter;
use super::text::{Tokens, text_vector};
use crate::arch::{ClipConfig, DEGRADATION_DIM, Parameter};
use crate::train::parameters::Parameters;
use crate::{Error, Result};
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::Array2;
use std::collections::HashMap;

/// From texts to d_T.
pub struct TextTower<'a> {
    config: ClipConfig,
    device: Device,
    frozen: Option<Frozen<'a>>,
}

/// CLIP, and its features of the texts that came up so far.
struct Frozen<'a> {
    clip: &'a FrozenClip,
    known: HashMap<String, Vec<f32>>,
}

impl<'a> TextTower<'a> {
    /// A tower that is trained as a whole; or, with `clip`, its text tower with an adapter.
    pub fn new(config: &ClipConfig, clip: Option<&'a FrozenClip>, device: &Device) -> Self {
        let frozen = clip.map(|clip| Frozen { clip, known: HashMap::new() });
        Self { config: config.clone(), device: device.clone(), frozen }
    }

    /// The device of its parameters.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What is trained.
    pub fn table(&self) -> Vec<Parameter> {
        let is_adapter = |parameter: &Parameter| parameter.name.starts_with("text_adapter.");
        let all = self.config.text_parameters().into_iter();
        all.filter(|parameter| self.frozen.is_none() || is_adapter(parameter)).collect()
    }

    /// Parameters to begin with.
    pub fn initial(&self, seed: u64) -> Parameters {
        initial(&self.table(), seed, &self.device)
    }

    /// d_T of some texts, `[N, 512]`.
    ///
    /// # Errors
    /// As [`Tokens::new`]; [`Error::Weights`] where the device does not give numbers back.
    pub fn vectors(&mut self, parameters: &Parameters, texts: &[&str]) -> Result<Tensor<2>> {
        let Some(frozen) = &mut self.frozen else {
            let tokens = Tokens::new(texts.iter().copied(), &self.config, &self.device)?;
            return Ok(text_vector(parameters, &self.config, &tokens));
        };
        let features = TensorData::new(frozen.features(texts)?, [texts.len(), DEGRADATION_DIM]);
        let features = Tensor::<2>::from_data(features, &self.device);
        Ok(adapter(&parameters.at("text_adapter"), features))
    }

    /// The numbers of [`Self::vectors`].
    ///
    /// # Errors
    /// As there.
    pub fn vector_numbers(&mut self, parameters: &Parameters, texts: &[&str]) -> Result<Array2<f32>> {
        let vectors = self.vectors(parameters, texts)?.into_data().try_into_vec::<f32>();
        let vectors = vectors.map_err(|e| Error::Weights(format!("text vectors: {e:?}")))?;
        Array2::from_shape_vec((texts.len(), DEGRADATION_DIM), vectors)
            .map_err(|e| Error::Weights(format!("text vectors: {e}")))
    }
}

impl Frozen<'_> {
    fn features(&mut self, texts: &[&str]) -> Result<Vec<f32>> {
        let mut new: Vec<&str> =
            texts.iter().copied().filter(|text| !self.known.contains_key(*text)).collect();
        new.sort_unstable();
        new.dedup();
        if !new.is_empty() {
            let features = self.clip.text_features(new.iter().copied())?;
            let rows = new.iter().zip(features.chunks_exact(DEGRADATION_DIM));
            self.known.extend(rows.map(|(text, row)| ((*text).to_owned(), row.to_vec())));
        }
        Ok(texts.iter().filter_map(|text| self.known.get(*text)).flatten().copied().collect())
    }
}
