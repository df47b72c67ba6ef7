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
    /// See [`VlmManifest::text_share`].
    text_share: f32,
    /// See [`VlmManifest::temperature`].
    temperature: f32,
    prompts: Vec<Prompt>,
    text_features: Array2<f32>,
}

/// A picture is left as it is from this probability of a clear one on: restored all the same, by what
/// it is likeliest to lack, nano would bring clear pictures to 37 dB in the mean.
pub const CLEAR_FROM: f32 = 0.6;

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
    /// d_I·d_T, before the temperature.
    pub logit: f32,
    /// Softmax over all prompts, at the bundle's temperature, in 0..=1.
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

    /// Whether it is so sure of a clear picture that this is to be left as it is.
    pub fn is_clear(&self) -> bool {
        let clear = self.scores.iter().filter(|score| score.prompt.task == Task::Clear);
        clear.map(|score| score.probability).sum::<f32>() >= CLEAR_FROM
    }
}

impl Detector {
    /// Opens a bundle's VLM head.
    ///
    /// # Errors
    /// [`Error::Bundle`] where the bundle has none; else as reading and opening a model.
    pub fn open(bundle: &Bundle, dtype: Option<Dtype>, options: &Options) -> Result<Self> {
        let variant = bundle.variant(dtype)?;
        // A variant without a head of its own goes with that of another.
        let others = bundle.manifest().variants.iter().filter_map(|variant| variant.vlm.as_ref());
        let entry = variant.vlm.iter().chain(others).next();
        let (Some(manifest), Some(entry)) = (&bundle.manifest().vlm, entry) else {
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
            text_share: manifest.text_share,
            temperature: manifest.temperature,
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
        let scores = self.scores(&degradation);
        let degradation = match self.text_share {
            0.0 => degradation,
            share => self.drawn_to_text(&degradation, &scores, share)?,
        };
        Ok(Detection { degradation, scores })
    }

    fn scores(&self, degradation: &Degradation) -> Vec<Score> {
        let logits = self.text_features.dot(&ArrayView1::from(degradation.as_slice()));
        let each = self
            .prompts
            .iter()
            .zip(logits.iter().zip(softmax(logits.iter().map(|logit| logit / self.temperature))));
        each.map(|(prompt, (&logit, probability))| Score { prompt: prompt.clone(), logit, probability })
            .collect()
    }

    /// d_I and the mean of the degradations' text vectors by their probabilities. "Clear" is left
    /// out: that a picture may be clear says nothing about how to restore it if it isn't.
    fn drawn_to_text(&self, seen: &Degradation, scores: &[Score], share: f32) -> Result<Degradation> {
        // Without the temperature: restorers are trained on these vectors.
        let probabilities = softmax(scores.iter().map(|score| score.logit));
        let degraded = scores.iter().map(|score| score.prompt.task != Task::Clear);
        let weights: Vec<f32> =
            probabilities.iter().zip(degraded).map(|(p, degraded)| if degraded { *p } else { 0.0 }).collect();
        let total: f32 = weights.iter().sum();
        if total <= f32::EPSILON {
            return Ok(seen.clone());
        }
        let mut vector: Vec<f32> = seen.as_slice().iter().map(|value| value * (1.0 - share)).collect();
        for (text, weight) in self.text_features.outer_iter().zip(weights) {
            let weight = share * weight / total;
            vector.iter_mut().zip(text).for_each(|(value, text)| *value += weight * text);
        }
        Degradation::new(vector)
    }
}

fn softmax(logits: impl Iterator<Item = f32> + Clone) -> Vec<f32> {
    let highest = logits.clone().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.map(|logit| (logit - highest).exp()).collect();
    let total: f32 = powers.iter().sum();
    powers.iter().map(|power| power / total).collect()
}

#[cfg(all(test, feature = "embedded-model"))]
mod tests {
    use super::*;
    use crate::bundle::DEFAULT_BUNDLE;

    #[test]
    fn d_i_is_drawn_to_the_texts_of_what_it_shows_by_the_share() {
        let bundle = Bundle::find(DEFAULT_BUNDLE).unwrap();
        let prompts = bundle.prompts().unwrap();
        let texts = prompts.text_features().unwrap();
        let onnx = bundle.read(bundle.variant(None).unwrap().vlm.as_ref().unwrap()).unwrap();
        // A ramp under noise.
        let mut state = 1u32;
        let image = ndarray::Array3::from_shape_fn((3, 96, 128), |(_, y, x)| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
            ((x + y) as f32 / 224.0 + 0.4 * noise).clamp(0.0, 1.0)
        });
        let looks = [(0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (1.0, 3.0)];
        let [seen, half, whole, cool] = looks.map(|(text_share, temperature)| {
            let manifest = VlmManifest { text_share, temperature, ..bundle.manifest().vlm.clone().unwrap() };
            let mut detector =
                Detector::new(&manifest, &onnx, prompts.prompts(), texts, &Options::default()).unwrap();
            detector.detect(image.view()).unwrap()
        });
        assert_eq!(seen.task(), Task::Denoise);
        let probabilities = |detection: &Detection| -> Vec<f32> {
            detection.scores.iter().map(|score| score.probability).collect()
        };
        assert_eq!(probabilities(&seen), probabilities(&whole));
        // The temperature changes how sure it is, not what it takes the picture for, nor d_I.
        assert_eq!((cool.label(), &cool.degradation), (whole.label(), &whole.degradation));
        assert!(cool.confidence() < whole.confidence());
        let degraded: f32 =
            seen.scores.iter().filter(|s| s.prompt.task != Task::Clear).map(|s| s.probability).sum();
        for i in 0..DEGRADATION_DIM {
            let rows = seen.scores.iter().enumerate().filter(|(_, s)| s.prompt.task != Task::Clear);
            let mixed: f32 = rows.map(|(row, s)| s.probability / degraded * texts[[row, i]]).sum();
            let [a, b, c] = [&seen, &half, &whole].map(|detection| detection.degradation.as_slice()[i]);
            assert!((c - mixed).abs() < 1e-4 && (b - 0.5 * (a + c)).abs() < 1e-4, "{i}: {a} {b} {c} {mixed}");
        }
    }
}
