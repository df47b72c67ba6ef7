//! An authors' checkpoint to a bundle.

use crate::arch::{ClipConfig, DEGRADATION_DIM};
use crate::backend::{Input, Model, Options};
use crate::bundle::{Builder, Golden, Preprocessing, Prompt, Task, VlmManifest};
use crate::source::synthetic::{SyntheticConfig, SyntheticSource, Weather};
use crate::vlm::{Degradation, tokenize};
use crate::weights::{Checkpoint, Weights, read_restorer, read_vlm};
use crate::{Error, Result, frame, onnx};
use ndarray::{Array1, Array2, Axis};
use std::path::Path;

/// The prompts that the authors' text tower was trained with, in their order.
const PAPER_PROMPTS: [(&str, Task); 7] = [
    ("image with noise", Task::Denoise),
    ("image with many noise", Task::Denoise),
    ("image with large amount of noise", Task::Denoise),
    ("image with haze", Task::Dehaze),
    ("image with rain", Task::Derain),
    ("image with blur", Task::Deblur),
    ("image with low light", Task::LowLight),
];

/// Size of the golden frame: a multiple of every network's.
const GOLDEN_SIZE: (u32, u32) = (128, 96);

/// What an imported bundle says of itself, and what goes into it beside the checkpoint.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Short name.
    pub name: String,
    /// The weights' version.
    pub version: semver::Version,
    /// Licence of the weights.
    pub license: String,
    /// What the weights were trained on, and by whom.
    pub training_data: String,
    /// How the text tower and the golden frame are computed.
    pub backend: Options,
}

/// Reads a checkpoint and makes a bundle of it.
///
/// The text tower is run once on the prompts, and the restorer once on a golden frame, so
/// that what is written is known to run.
///
/// # Errors
/// [`Error::Weights`] where tensors are missing, misshaped or not finite, or there is no VLM
/// head; [`Error::Model`] where a network doesn't run.
pub fn import(checkpoint: &Path, options: &ImportOptions) -> Result<Builder> {
    let checkpoint = Checkpoint::open(checkpoint)?;
    let (config, weights) = read_vlm(&checkpoint)?.ok_or_else(|| {
        Error::Weights(format!(
            "{} has no VLM head, without which nothing tells the restorer what to undo",
            checkpoint.path().display()
        ))
    })?;
    let head = vlm_head(&config, &weights, &options.backend)?;
    drop(weights);
    let (config, weights) = read_restorer(&checkpoint)?;
    drop(checkpoint);
    log::info!("restorer: {config:?}");
    let restorer = onnx::restorer(&config, &weights, onnx::Size::Symbolic)?;
    drop(weights);
    let typical = head.text_features.rows().into_iter().next().map(|row| row.to_vec());
    let degradation = Degradation::new(typical.unwrap_or_default())?;
    let model = Model::open(&restorer, "the imported restorer", &options.backend)?;
    let golden = golden_frame(&model, &degradation)?;
    Ok(Builder {
        name: options.name.clone(),
        version: options.version.clone(),
        license: options.license.clone(),
        training_data: options.training_data.clone(),
        config,
        restorer,
        vlm: Some(head.vlm),
        prompts: head.prompts,
        text_features: Some(head.text_features),
        golden: Some(golden),
        card: None,
    })
}

/// What tells the restorer which degradation there is.
struct Head {
    vlm: (VlmManifest, Vec<u8>),
    prompts: Vec<Prompt>,
    text_features: Array2<f32>,
}

fn vlm_head(config: &ClipConfig, weights: &Weights, options: &Options) -> Result<Head> {
    log::info!("VLM head: {config:?}");
    let text_tower = onnx::text_tower(config, weights)?;
    let model = Model::open(&text_tower, "the text tower", options)?;
    drop(text_tower);
    let mut session = model.session(&[("tokens", &[1, config.context])])?;
    let mut features = Array2::zeros((0, DEGRADATION_DIM));
    for (text, _) in PAPER_PROMPTS {
        let tokens = Array1::from(tokenize(text, config.context)?).insert_axis(Axis(0)).into_dyn();
        let outputs = session.run(&[("tokens", Input::I64(tokens.view()))])?;
        let row = outputs.get("features")?;
        let row = row.to_shape(DEGRADATION_DIM).map_err(|e| Error::Model(format!("the text tower: {e}")))?;
        features.push_row(row.view()).map_err(|e| Error::Model(format!("the text tower: {e}")))?;
    }
    let manifest = VlmManifest {
        config: config.clone(),
        preprocessing: Preprocessing::clip(),
        text_share: 0.0,
        temperature: 1.0,
    };
    Ok(Head {
        vlm: (manifest, onnx::image_tower(config, weights)?),
        prompts: PAPER_PROMPTS.map(|(text, task)| Prompt { text: text.into(), task }).to_vec(),
        text_features: features,
    })
}

/// What the restorer makes of a frame of the synthetic road.
pub(crate) fn golden_frame(model: &Model, degradation: &Degradation) -> Result<Golden> {
    let (width, height) = GOLDEN_SIZE;
    let config = SyntheticConfig { weather: Weather::Noise, width, height, ..SyntheticConfig::default() };
    let frame = SyntheticSource::new(config)?.next_frame();
    let image = frame::from_rgb8(&frame.degraded).insert_axis(Axis(0)).into_dyn();
    let degradation = degradation.as_row();
    let mut session = model.session(&[("image", image.shape()), ("degradation", degradation.shape())])?;
    let inputs = [("image", Input::F32(image.view())), ("degradation", Input::F32(degradation.view()))];
    let restored = session.run(&inputs)?.get("restored")?.to_owned();
    if restored.iter().any(|value| !value.is_finite()) {
        return Err(Error::Weights(
            "the restorer gives NaN or infinite values: its training has diverged".into(),
        ));
    }
    Ok(Golden { image, degradation: degradation.to_owned(), restored })
}
