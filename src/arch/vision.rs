//! The image towers of the VLM head: CLIP's ViT, or a small network of convolutions.

use super::clip::{Table, TowerConfig};
use super::config::DEGRADATION_DIM;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// An image tower of the VLM head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "an image tower has width, layers, heads and mlp_hidden (a ViT), or channels, depths, kernel and expansion (a conv tower)"
)]
pub enum VisionConfig {
    /// A ViT with a class token, as CLIP's.
    Vit(TowerConfig),
    /// A network of convolutions, small enough for a Raspberry Pi.
    Conv(ConvTowerConfig),
}

/// Four stages of depthwise-separable residual blocks on the patches of a picture. What a
/// stage sees is summed up as mean and spread over its positions: noise, blur and rain are
/// statistics of small details, which the last stage alone would have lost.
///
/// Patches are not normalised, for how strong a detail is says what it is; their bias gives
/// the blocks' norms something fixed to compare it with. Other convolutions need none: the
/// norm before each has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvTowerConfig {
    /// Channels of each stage; from the second on at half the resolution of the one before.
    pub channels: [usize; 4],
    /// Residual blocks of each stage.
    pub depths: [usize; 4],
    /// Side of the depthwise kernels; odd.
    pub kernel: usize,
    /// Hidden channels of a block per channel.
    pub expansion: usize,
}

impl ConvTowerConfig {
    /// Numbers that describe a picture before the projection: mean and spread of every
    /// channel of every stage.
    pub fn statistics(&self) -> usize {
        2 * self.channels.iter().sum::<usize>()
    }
}

impl VisionConfig {
    pub(super) fn validate(&self, image_size: usize, patch_size: usize) -> Result<()> {
        let conv = match self {
            Self::Vit(tower) => return tower.validate("image"),
            Self::Conv(conv) => conv,
        };
        let ConvTowerConfig { channels, depths, kernel, expansion } = *conv;
        if channels.iter().any(|count| !(1..=4096).contains(count))
            || depths.iter().any(|depth| !(1..=64).contains(depth))
            || !(1..=16).contains(&expansion)
        {
            return Err(Error::Config(format!(
                "image tower of channels {channels:?}, depths {depths:?}, expansion {expansion}"
            )));
        }
        if kernel.is_multiple_of(2) || kernel > 31 {
            return Err(Error::Config(format!("image tower with kernels of {kernel}, which must be odd")));
        }
        if !image_size.is_multiple_of(8 * patch_size) {
            return Err(Error::Config(format!(
                "image size {image_size} is no multiple of 8 patches of {patch_size}, as four stages need"
            )));
        }
        Ok(())
    }

    pub(super) fn parameters(&self, image_size: usize, patch_size: usize, table: &mut Table) {
        let width = match self {
            Self::Vit(tower) => tower.width,
            Self::Conv(conv) => conv.channels[0],
        };
        table.push("clip_model.visual.conv1.weight", &[width, 3, patch_size, patch_size]);
        let features = match self {
            Self::Vit(tower) => {
                let positions = (image_size / patch_size).pow(2) + 1;
                table.push("clip_model.visual.class_embedding", &[width]);
                table.push("clip_model.visual.positional_embedding", &[positions, width]);
                table.affine("clip_model.visual.ln_pre", &[width]);
                table.tower("clip_model.visual.transformer", tower);
                width
            }
            Self::Conv(conv) => {
                table.push("clip_model.visual.conv1.bias", &[width]);
                table.stages("clip_model.visual.stages", conv);
                conv.statistics()
            }
        };
        table.affine("clip_model.visual.ln_post", &[features]);
        table.push("clip_model.visual.proj", &[features, DEGRADATION_DIM]);
    }
}

impl Table {
    fn stages(&mut self, name: &str, config: &ConvTowerConfig) {
        for (stage, (channels, depth)) in config.channels.into_iter().zip(config.depths).enumerate() {
            if stage > 0 {
                let before = config.channels[stage - 1];
                self.affine(&format!("{name}.{stage}.down.norm"), &[before]);
                self.push(&format!("{name}.{stage}.down.conv.weight"), &[channels, before, 2, 2]);
            }
            for block in 0..depth {
                let block = format!("{name}.{stage}.blocks.{block}");
                let hidden = config.expansion * channels;
                self.push(&format!("{block}.depthwise.weight"), &[channels, 1, config.kernel, config.kernel]);
                self.affine(&format!("{block}.norm"), &[channels]);
                self.push(&format!("{block}.fc1.weight"), &[hidden, channels]);
                self.push(&format!("{block}.fc2.weight"), &[channels, hidden]);
            }
        }
    }
}
