//! CLIP on its own, as open_clip publishes it or as a checkpoint of the authors holds it.

use super::authors::{prefix_of, read_all, renamed, shapes};
use super::{Checkpoint, Weights};
use crate::arch::ClipConfig;
use crate::{Error, Result};

/// A tensor by which CLIP, and its prefix, is found.
const LANDMARK: &str = "visual.conv1.weight";

/// The names of the paper's adapters, which a CLIP on its own lacks.
const ADAPTERS: [&str; 2] = ["image_adapter.", "text_adapter."];

/// Reads the two towers of a CLIP with a ViT, as `clip_model.*`, without adapters.
///
/// # Errors
/// [`Error::Weights`] where there is none, or a tensor is missing, misshaped, unreadable or
/// not finite; [`Error::Config`] where its shapes make no sane towers.
pub fn read_clip(checkpoint: &Checkpoint) -> Result<(ClipConfig, Weights)> {
    let all = checkpoint.shapes()?;
    let prefix = prefix_of(&all, LANDMARK).ok_or_else(|| {
        Error::Weights(format!("{} holds no CLIP ({LANDMARK} is missing)", checkpoint.path().display()))
    })?;
    let is_adapter = |name: &str| ADAPTERS.iter().any(|adapter| name.starts_with(adapter));
    // Some versions keep what is no parameter, as the mask of the text tower.
    let names = renamed(&all, &[(&prefix, "clip_model.")], |name| !name.ends_with("attn_mask"));
    let mut found = shapes(&all, &names);
    // The configuration is read off a whole head.
    let small = ClipConfig::small().parameters().into_iter().filter(|parameter| is_adapter(&parameter.name));
    found.extend(small.map(|parameter| (parameter.name, parameter.shape)));
    Ok((ClipConfig::infer(&found)?, read_all(checkpoint, names)?))
}
