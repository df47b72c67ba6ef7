//! From the names in the authors' checkpoints to ours.
//!
//! Their PyTorch Lightning module holds the restorer as `net.*` and the VLM head as
//! `model_degradation.{ad_imageEncoder,ad_textEncoder}.{clip_model,adapter}.*`, both encoders
//! sharing one CLIP.

use super::{Checkpoint, Weights};
use crate::arch::{ClipConfig, Shapes, VluNetConfig};
use crate::{Error, Result};

/// A tensor by which the restorer, and its prefix, is found.
const RESTORER_LANDMARK: &str = "patch_embed.proj.weight";

/// The same for the VLM head.
const VLM_LANDMARK: &str = "ad_imageEncoder.clip_model.visual.conv1.weight";

/// Prefixes of the VLM head in a checkpoint, and in [`ClipConfig::parameters`]. The text
/// encoder's copy of CLIP is left out: it shares the image encoder's storages.
const VLM_PREFIXES: [(&str, &str); 3] = [
    ("ad_imageEncoder.clip_model.", "clip_model."),
    ("ad_imageEncoder.adapter.", "image_adapter."),
    ("ad_textEncoder.adapter.", "text_adapter."),
];

/// Reads the restorer of a checkpoint: from the authors' (`net.*`), or with no prefix.
///
/// # Errors
/// [`Error::Weights`] where there is none, a tensor is missing, extra, misshaped, unreadable
/// or not finite; [`Error::Config`] where its shapes make no sane network.
pub fn read_restorer(checkpoint: &Checkpoint) -> Result<(VluNetConfig, Weights)> {
    let (config, names) = restorer_names(checkpoint)?;
    let unused: Vec<String> = config.parameters().into_iter().filter(|p| !p.used).map(|p| p.name).collect();
    let needed = names.into_iter().filter(|(_, ours)| !unused.contains(ours)).collect();
    Ok((config, read_all(checkpoint, needed)?))
}

/// The configuration of a checkpoint's restorer, from names and shapes alone.
///
/// # Errors
/// As [`read_restorer`], but for the numbers.
pub fn restorer_config(checkpoint: &Checkpoint) -> Result<VluNetConfig> {
    restorer_names(checkpoint).map(|(config, _)| config)
}

/// The restorer's configuration, and the names of its tensors: theirs and ours.
fn restorer_names(checkpoint: &Checkpoint) -> Result<(VluNetConfig, Vec<(String, String)>)> {
    let all = checkpoint.shapes()?;
    let prefix = prefix_of(&all, RESTORER_LANDMARK).ok_or_else(|| {
        Error::Weights(format!(
            "{} holds no VLU-Net ({RESTORER_LANDMARK} is missing)",
            checkpoint.path().display()
        ))
    })?;
    let names = renamed(&all, &[(&prefix, "")], |ours| !ours.starts_with("model_degradation."));
    Ok((VluNetConfig::infer(&shapes(&all, &names))?, names))
}

/// Reads the VLM head (CLIP and both adapters) of a checkpoint, if it has one.
///
/// # Errors
/// As [`read_restorer`].
pub fn read_vlm(checkpoint: &Checkpoint) -> Result<Option<(ClipConfig, Weights)>> {
    let all = checkpoint.shapes()?;
    let Some(prefix) = prefix_of(&all, VLM_LANDMARK) else { return Ok(None) };
    let prefixes = VLM_PREFIXES.map(|(theirs, ours)| (format!("{prefix}{theirs}"), ours));
    let prefixes: Vec<(&str, &str)> =
        prefixes.iter().map(|(theirs, ours)| (theirs.as_str(), *ours)).collect();
    let names = renamed(&all, &prefixes, |_| true);
    let config = ClipConfig::infer(&shapes(&all, &names))?;
    Ok(Some((config, read_all(checkpoint, names)?)))
}

pub(super) fn prefix_of(all: &Shapes, landmark: &str) -> Option<String> {
    let at_boundary = |prefix: &str| prefix.is_empty() || prefix.ends_with('.');
    all.keys()
        .find_map(|name| name.strip_suffix(landmark).filter(|prefix| at_boundary(prefix)).map(str::to_owned))
}

/// Their names and ours, of the tensors under one of the prefixes.
pub(super) fn renamed(
    all: &Shapes,
    prefixes: &[(&str, &str)],
    keep: impl Fn(&str) -> bool,
) -> Vec<(String, String)> {
    let rename = |theirs: &String| {
        let (rest, ours) =
            prefixes.iter().find_map(|(prefix, ours)| Some((theirs.strip_prefix(prefix)?, ours)))?;
        Some((theirs.clone(), format!("{ours}{rest}")))
    };
    all.keys().filter_map(rename).filter(|(_, ours)| keep(ours)).collect()
}

pub(super) fn shapes(all: &Shapes, names: &[(String, String)]) -> Shapes {
    names.iter().filter_map(|(theirs, ours)| Some((ours.clone(), all.get(theirs)?.clone()))).collect()
}

pub(super) fn read_all(checkpoint: &Checkpoint, names: Vec<(String, String)>) -> Result<Weights> {
    checkpoint.check_claims(names.iter().map(|(theirs, _)| theirs.as_str()))?;
    let weights = names
        .into_iter()
        .map(|(theirs, ours)| Ok((ours, checkpoint.read(&theirs)?)))
        .collect::<Result<Weights>>()?;
    weights.check_finite()?;
    Ok(weights)
}
