//! From a run, or another bundle's restorer and a new head, to a bundle with its model card.

use super::head::Head;
use super::recipe::Recipe;
use super::run::{Event, Journal, RunFolder, State};
use crate::backend::{Model, Options};
use crate::bundle::{Builder, Bundle, Dtype, NewVariant};
use crate::import::golden_frame;
use crate::vlm::Degradation;
use crate::{Result, onnx};
use burn::tensor::Device;
use std::fmt::Write;
use std::path::Path;

/// What a bundle says of itself.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// Short name.
    pub name: String,
    /// The weights' version.
    pub version: semver::Version,
    /// Licence of the weights.
    pub license: String,
    /// What the pictures are that the run learned from, and their licences.
    pub data: String,
    /// Lines of Markdown for the card: what the weights reach, and how that was measured.
    pub metrics: Option<String>,
}

/// The card's heading over what the weights reach.
const REACHES: &str = "What it reaches";

/// A run's bundle, ready to be written.
pub struct Exported {
    /// The bundle in float32.
    pub bundle: Builder,
    /// Its other number formats: the int8 models that a quantization-aware run has learned, or those
    /// that the restorer's bundle has.
    pub others: Vec<NewVariant>,
}

impl Exported {
    /// Writes the bundle to a `.vlu` file, or to a folder for any other name.
    ///
    /// # Errors
    /// As [`Builder::write`].
    pub fn write(self, path: &Path) -> Result<()> {
        if self.others.is_empty() {
            return self.bundle.write(path);
        }
        NewVariant::add_all(self.others, &self.bundle.into_bundle()?, path)
    }
}

/// Makes a bundle of a run's averaged weights and a trained head.
///
/// The restorer is run once on a golden frame, in int8 too where the run is quantization-aware, so
/// that what is written is known to run.
///
/// # Errors
/// [`crate::Error::Io`] where the run can't be read, [`crate::Error::Train`] where it has no
/// checkpoint of its recipe's network, [`crate::Error::Weights`] where the weights are not
/// finite.
pub fn export(run: &RunFolder, head: Head, options: &ExportOptions) -> Result<Exported> {
    let recipe = Recipe::open(&run.recipe())?;
    let config = recipe.config()?;
    let (state, quantized) = State::of_run(run, &config, &Device::flex())?;
    let all = state.average.to_weights()?;
    all.check_finite()?;
    let table = config.parameters().into_iter().filter(|parameter| parameter.used);
    let weights = table.map(|parameter| Ok((parameter.name.clone(), all.get(&parameter.name)?.clone())));
    let weights = weights.collect::<Result<_>>()?;
    let restorer = onnx::restorer(&config, &weights, onnx::Size::Symbolic)?;
    let engine = Options::default();
    let first = head.text_features.rows().into_iter().next().map(|row| row.to_vec());
    let degradation = Degradation::new(first.unwrap_or_default())?;
    let golden = golden_frame(&Model::open(&restorer, "the trained restorer", &engine)?, &degradation)?;
    let journal = Journal::read(&run.journal())?;
    let card = card(options, &recipe, &state, &head, &journal)?;
    let int8 = quantized.map(|own| own.variant(&restorer, &all, &head.onnx)).transpose()?;
    if let Some(int8) = &int8 {
        let model = Model::open(&int8.restorer, "the trained int8 restorer", &engine)?;
        golden_frame(&model, &degradation)?;
    }
    let mut bundle = Builder {
        name: options.name.clone(),
        version: options.version.clone(),
        license: options.license.clone(),
        training_data: options.data.clone(),
        config,
        restorer,
        vlm: None,
        prompts: Vec::new(),
        text_features: None,
        golden: Some(golden),
        card: Some(card),
    };
    head.add_to(&mut bundle);
    Ok(Exported { bundle, others: int8.into_iter().collect() })
}

/// Makes a bundle of another's restorer, in all its number formats as they are, and a trained head.
/// A format that the head hasn't has its float32 form.
///
/// # Errors
/// [`crate::Error::Bundle`] where the restorer's bundle has no float32 model or is damaged.
pub fn with_head(bundle: &Bundle, head: Head, options: &ExportOptions) -> Result<Exported> {
    let manifest = bundle.manifest();
    let others = manifest.variants.iter().filter(|variant| variant.dtype != Dtype::F32);
    let others = others.map(|variant| {
        let own = head.others.iter().find(|(dtype, _)| *dtype == variant.dtype);
        let restorer = bundle.read(&variant.restorer)?.into_owned();
        let vlm = Some(own.map_or_else(|| head.onnx.clone(), |(_, onnx)| onnx.clone()));
        Ok(NewVariant { dtype: variant.dtype, restorer, vlm })
    });
    let others = others.collect::<Result<_>>()?;
    let mut made = Builder {
        name: options.name.clone(),
        version: options.version.clone(),
        license: options.license.clone(),
        training_data: options.data.clone(),
        config: manifest.config.clone(),
        restorer: bundle.read(&bundle.variant(Some(Dtype::F32))?.restorer)?.into_owned(),
        vlm: None,
        prompts: Vec::new(),
        text_features: None,
        golden: bundle.golden()?,
        card: Some(card_of_both(bundle, &head, options)?),
    };
    head.add_to(&mut made);
    Ok(Exported { bundle: made, others })
}

/// The model card of a restorer and a head that were trained apart.
fn card_of_both(bundle: &Bundle, head: &Head, options: &ExportOptions) -> Result<String> {
    let manifest = bundle.manifest();
    let mut card = title(options);
    // Writing to a string cannot fail.
    let (name, version) = (&manifest.name, &manifest.version);
    let _ = write!(card, "## Training\n\n- Restorer: that of {name} {version}.\n{}", of_head(head));
    add_metrics(&mut card, options);
    if let Some(entry) = &manifest.card {
        let old = bundle.read(entry)?;
        let old = String::from_utf8_lossy(&old);
        let _ = write!(card, "\n## The restorer's training, by the card of {name} {version}\n");
        // What it reaches was measured with another head.
        let parts = old.split("\n## ").skip(1).filter(|part| !part.starts_with(REACHES));
        for part in parts {
            let _ = write!(card, "\n### {}\n", part.trim_end());
        }
    }
    Ok(card)
}

/// The model card.
fn card(
    options: &ExportOptions,
    recipe: &Recipe,
    state: &State,
    head: &Head,
    journal: &[Event],
) -> Result<String> {
    let progress = &state.progress;
    let mut card = title(options);
    // Writing to a string cannot fail.
    let _ = write!(
        card,
        "## Training\n\n- Restorer: {} of {} steps, {} patches, {:.1} hours; the weights are a running \
         average (decay {}).\n{}",
        progress.step,
        recipe.steps,
        progress.pictures,
        progress.seconds / 3600.0,
        recipe.average,
        of_head(head)
    );
    if let Some(teacher) = &progress.teacher {
        let _ = writeln!(
            card,
            "- Distilled: the pictures of {} (SHA-256 of its float32 restorer: {}) count {} beside the \
             true ones' {}.",
            teacher.name,
            teacher.sha256,
            recipe.teacher.weight,
            1.0 - recipe.teacher.weight
        );
    }
    let last = journal.iter().rev().find_map(|event| match event {
        Event::Validation { step, psnr, .. } => Some((step, psnr)),
        Event::Train { .. } => None,
    });
    if let Some((step, psnr)) = last {
        let _ = write!(
            card,
            "\n## Held-out training pictures\n\nMean PSNR in dB at step {step}, the task given.\n\n\
             | task | degraded | restored |\n|---|---|---|\n"
        );
        for (task, [before, after]) in psnr {
            let _ = writeln!(card, "| {task} | {before:.2} | {after:.2} |");
        }
    }
    add_metrics(&mut card, options);
    let _ = write!(card, "\n## Recipe\n\n```toml\n{}```\n", recipe.to_toml()?);
    Ok(card)
}

fn title(options: &ExportOptions) -> String {
    format!(
        "# {} {}\n\nVLU-Net weights for vlunet, trained by `vlunet-train`.\n\nLicence: {}.\n\nTraining data: {}\n\n",
        options.name, options.version, options.license, options.data
    )
}

fn of_head(head: &Head) -> String {
    format!(
        "- VLM head{}; prompts: {}.\n",
        head.steps.map_or_else(String::new, |steps| format!(": {steps} steps")),
        head.prompts.iter().map(|prompt| prompt.text.as_str()).collect::<Vec<_>>().join(", "),
    )
}

fn add_metrics(card: &mut String, options: &ExportOptions) {
    if let Some(metrics) = &options.metrics {
        let _ = write!(card, "\n## {REACHES}\n\n{}\n", metrics.trim());
    }
}
