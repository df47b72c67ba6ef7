//! Where a training picture's degradation vector d comes from: the trained, frozen VLM head.

use super::data::Sample;
use crate::arch::DEGRADATION_DIM;
use crate::bundle::{Bundle, Prompts};
use crate::vlm::Detector;
use crate::weights::read_safetensors;
use crate::{Error, Result, backend, frame};
use ndarray::{Array2, Ix2};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// The vectors of the prompts, and the image tower where there is one.
pub struct Guide {
    prompts: Vec<String>,
    texts: BTreeMap<String, Vec<f32>>,
    detector: Option<Detector>,
}

/// The vectors of one picture.
#[derive(Clone, Debug)]
pub struct Vectors {
    /// d_T of its prompt.
    pub text: Vec<f32>,
    /// d_I, as the image tower sees the picture.
    pub image: Option<Vec<f32>>,
}

impl Guide {
    /// The head of a bundle; `look` is whether pictures are to be looked at, too.
    ///
    /// # Errors
    /// [`Error::Bundle`] where it has no vectors for its prompts, or no image tower to look
    /// with.
    pub fn open(bundle: &Bundle, look: bool) -> Result<Self> {
        let prompts = bundle.prompts()?;
        let vectors = prompts.text_features().ok_or_else(|| Error::Bundle {
            bundle: bundle.origin().into(),
            reason: "its prompts have no vectors of a text tower to train with".into(),
        })?;
        let texts = prompts.prompts().iter().map(|prompt| prompt.text.clone()).collect();
        // The loader's own thread looks at pictures, beside those that train.
        let options = backend::Options { threads: 1, ..backend::Options::default() };
        let detector = if look { Some(Detector::open(bundle, None, &options)?) } else { None };
        Ok(Self::new(texts, vectors, detector))
    }

    /// The text vectors alone, as the text phase of a head's training leaves them.
    ///
    /// # Errors
    /// [`Error::Weights`] where the file isn't one, [`Error::Io`] where it can't be read.
    pub fn from_text_features(path: &Path) -> Result<Self> {
        let (tensors, metadata) = read_safetensors(path, 1 << 24)?;
        let broken = |why: &str| Error::Weights(format!("{}: {why}", path.display()));
        let prompts = metadata.get("prompts").and_then(|list| serde_json::from_str(list).ok());
        let prompts: Vec<String> = prompts.ok_or_else(|| broken("it has no list of prompts"))?;
        tensors.check_finite().map_err(|e| broken(&e.to_string()))?;
        let vectors = tensors.get(Prompts::TEXT_FEATURES)?.view().into_dimensionality::<Ix2>();
        let vectors = vectors.map_err(|_| broken("its text features are no matrix"))?;
        if vectors.dim() != (prompts.len(), DEGRADATION_DIM) {
            return Err(broken("it has another number of vectors than of prompts"));
        }
        Ok(Self::new(prompts, &vectors.to_owned(), None))
    }

    /// From prompts and their vectors `[N, 512]`.
    pub fn new(prompts: Vec<String>, vectors: &Array2<f32>, detector: Option<Detector>) -> Self {
        let rows = vectors.outer_iter().map(|row| row.to_vec());
        let texts = prompts.iter().cloned().zip(rows).collect();
        Self { prompts, texts, detector }
    }

    /// Whether there are vectors of prompts alone, and no image tower.
    pub fn is_blind(&self) -> bool {
        self.detector.is_none()
    }

    /// SHA-256 of the prompts and their vectors, in hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (prompt, vector) in &self.texts {
            hash.update(format!("{} {prompt}", prompt.len()));
            vector.iter().for_each(|value| hash.update(value.to_le_bytes()));
        }
        crate::weights::hex(&hash.finalize())
    }

    /// The vectors of a picture.
    ///
    /// # Errors
    /// [`Error::Input`] where the head doesn't know its prompt, [`Error::Model`] where the
    /// image tower fails.
    pub fn vectors(&mut self, sample: &Sample) -> Result<Vectors> {
        let text = self.text(&sample.prompt)?.to_vec();
        let image = match &mut self.detector {
            Some(detector) => {
                let planes = frame::from_rgb8(&sample.degraded);
                Some(detector.detect(planes.view())?.degradation.as_slice().to_vec())
            }
            None => None,
        };
        Ok(Vectors { text, image })
    }

    /// d_T of all prompts, in the head's order.
    pub fn texts(&self) -> Vec<Vec<f32>> {
        self.prompts.iter().filter_map(|prompt| self.texts.get(prompt).cloned()).collect()
    }

    /// d_T of a prompt.
    ///
    /// # Errors
    /// [`Error::Input`] where the head doesn't know it.
    pub fn text(&self, prompt: &str) -> Result<&[f32]> {
        let vector = self.texts.get(prompt).ok_or_else(|| {
            let known: Vec<&str> = self.texts.keys().map(String::as_str).collect();
            Error::Input(format!("the VLM head has no prompt {prompt:?}; it has {}", known.join(", ")))
        })?;
        debug_assert_eq!(vector.len(), DEGRADATION_DIM);
        Ok(vector)
    }
}
