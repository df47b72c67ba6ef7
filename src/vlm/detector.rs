//! Picture in, d_I and probabilities out.

use super::{Degradation, preprocess};
use crate::arch::DEGRADATION_DIM;
use crate::backend::{Input, Model, Options, Session};
use crate::bundle::{Bundle, Dtype, Preprocessing, Prompt, Prompts, Task, VlmManifest};
use crate::{Error, Result};
use ndarray::{Array2, ArrayView1, ArrayView3, Axis};

/// The VLM head of a bundle, ready to look at pictures.
pub struct Detector {
    session: Session,
    image_size: usize,
    preprocessing: Preprocessing,
    prompts: Vec<Prompt>,
    text_features: Array2<f32>,
}

/// What the head sees in one picture.
#[derive(Clone, Debug)]
pub struct Detection {
    /// d_I, for the restorer.
    pub degradation: Degradation,
    /// One score per prompt, in the bundle's order.
    pub scores: Vec<Score>,
}

/// How well a prompt fits a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The prompt.
    pub prompt: Prompt,
    /// d_I·d_T.
    pub logit: f32,
    /// Softmax over all prompts, in 0..=1.
    pub probability: f32,
}

impl Detection {
    fn best(&self) -> Option<&Score> {
        self.scores.iter().max_by(|a, b| a.probability.total_cmp(&b.probability))
    }

    /// The text of the likeliest prompt.
    pub fn label(&self) -> &str {
        self.best().map_or("", |score| &score.prompt.text)
    }

    /// The likeliest prompt's probability, in 0..=1.
    pub fn confidence(&self) -> f32 {
        self.best().map_or(0.0, |score| score.probability)
    }

    /// The task of the likeliest prompt.
    pub fn task(&self) -> Task {
        self.best().map_or(Task::Clear, |score| score.prompt.task)
    }

    /// Whether the likeliest prompt is a clear picture.
    pub fn is_clear(&self) -> bool {
        self.best().is_some_and(|score| score.prompt.task == Task::Clear)
    }
}

impl Detector {
    /// Opens a bundle's VLM head.
    ///
    /// # Errors
    /// [`Error::Bundle`] where the bundle has none; else as reading and opening a model.
    pub fn open(bundle: &Bundle, dtype: Option<Dtype>, options: &Options) -> Result<Self> {
        let variant = bundle.variant(dtype)?;
        let (Some(manifest), Some(entry)) = (&bundle.manifest().vlm, &variant.vlm) else {
            return Err(Error::Bundle {
                bundle: bundle.origin().into(),
                reason: "it has no VLM head to detect degradations with".into(),
            });
        };
        let prompts = bundle.prompts()?;
        let text_features = prompts.text_features().ok_or_else(|| Error::Bundle {
            bundle: bundle.origin().into(),
            reason: format!("its prompts lack {}", Prompts::TEXT_FEATURES),
        })?;
        let onnx = bundle.read(entry)?;
        Self::new(manifest, &onnx, prompts.prompts(), text_features, options)
    }

    /// A head at hand: its image tower as ONNX, and d_T of each prompt, `[N, 512]`.
    ///
    /// # Errors
    /// [`Error::Model`] where the tower can't be opened.
    pub fn new(
        manifest: &VlmManifest,
        onnx: &[u8],
        prompts: &[Prompt],
        text_features: &Array2<f32>,
        options: &Options,
    ) -> Result<Self> {
        let side = manifest.config.image_size;
        Ok(Self {
            session: Model::open(onnx, "the VLM head", options)?
                .session(&[("image", &[1, 3, side, side])])?,
            image_size: side,
            preprocessing: manifest.preprocessing.clone(),
            text_features: text_features.clone(),
            prompts: prompts.to_vec(),
        })
    }

    /// Looks at a picture `[3, H, W]`, RGB in 0..=1: at the squares that the bundle's
    /// preprocessing names.
    ///
    /// # Errors
    /// [`Error::Input`] for a picture too narrow, [`Error::Model`] where the engine fails or
    /// gives no finite vector.
    pub fn detect(&mut self, image: ArrayView3<'_, f32>) -> Result<Detection> {
        let squares = preprocess(image, self.image_size, &self.preprocessing)?;
        let share = 1.0 / squares.len() as f32;
        let mut vector = vec![0.0; DEGRADATION_DIM];
        for square in squares {
            let input = square.insert_axis(Axis(0)).into_dyn();
            let outputs = self.session.run(&[("image", Input::F32(input.view()))])?;
            let seen = outputs.get("degradation")?;
            vector.iter_mut().zip(seen).for_each(|(mean, value)| *mean += value * share);
        }
        let degradation =
            Degradation::new(vector).map_err(|e| Error::Model(format!("the VLM head's {e}")))?;
        let logits = self.text_features.dot(&ArrayView1::from(degradation.as_slice()));
        let scores = self
            .prompts
            .iter()
            .zip(logits.iter().zip(softmax(logits.view())))
            .map(|(prompt, (&logit, probability))| Score { prompt: prompt.clone(), logit, probability })
            .collect();
        Ok(Detection { degradation, scores })
    }
}

fn softmax(logits: ArrayView1<'_, f32>) -> Vec<f32> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - highest).exp()).collect();
    let total: f32 = powers.iter().sum();
    powers.iter().map(|power| power / total).collect()
}
