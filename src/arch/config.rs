//! The hyper-parameters of the restorer and the levels that follow from them.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Length of the degradation vector d_I: CLIP's joint embedding (paper, section 3.2).
pub const DEGRADATION_DIM: usize = 512;

/// Heads of both attentions of a D-GDM (fixed in the reference, `net/Final.py`).
pub const DGDM_HEADS: usize = 2;

/// The prompts of our own head: the paper's seven and "a clear photo".
const OUR_PROMPTS: usize = 8;

/// Hyper-parameters of a VLU-Net restorer.
///
/// The names are those of the reference code, so that its `config.json` reads as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VluNetConfig {
    /// Channels of level 1; level l has dim·2^(l−1).
    pub dim: usize,
    /// Transformer blocks in the PMM of levels 1 to 4 (encoder and decoder alike).
    pub num_blocks: [usize; 4],
    /// Transformer blocks in the PMM of the refinement stage.
    pub num_refinement_blocks: usize,
    /// Attention heads of the PMM's MDTA at levels 1 to 4.
    pub heads: [usize; 4],
    /// GDFN's hidden width is ⌊factor · channels⌋.
    pub ffn_expansion_factor: f64,
    /// Number of degradation prompts that each D-GDM mixes.
    pub de_dim: usize,
    /// The network sees the picture through PixelUnshuffle(stem): 1 is the paper's; 2 and 4
    /// divide the cost per pixel by 4 and 16.
    #[serde(default = "one")]
    pub stem: usize,
}

fn one() -> usize {
    1
}

/// One stage block of the network: a D-GDM followed by a PMM at one resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Parameter prefix, as in the reference: `encoder_level1`, …, `refinement`.
    pub name: &'static str,
    /// The prompt's stage number, which sets its channels and size.
    pub stage: usize,
    /// Channels C of the features.
    pub channels: usize,
    /// Heads of the PMM's MDTA.
    pub heads: usize,
    /// Transformer blocks of the PMM.
    pub blocks: usize,
    /// The features are the unshuffled picture's size divided by this.
    pub scale: usize,
}

impl Level {
    /// Channels P of the D-GDM's prompts: ⌊C/10⌋·stage, as in the reference, and stage where that
    /// is none.
    pub fn prompt_channels(&self) -> usize {
        (self.channels / 10).max(1) * self.stage
    }

    /// Side S of the D-GDM's square prompts: ⌊96/stage⌋.
    pub fn prompt_size(&self) -> usize {
        96 / self.stage
    }
}

impl VluNetConfig {
    /// The paper's network: 35.35 M parameters, 2.842 MMAC per pixel.
    pub fn full() -> Self {
        Self {
            dim: 48,
            num_blocks: [4, 6, 6, 8],
            num_refinement_blocks: 4,
            heads: [1, 2, 4, 8],
            ffn_expansion_factor: 2.66,
            de_dim: 7,
            stem: 1,
        }
    }

    /// For a Jetson or a desktop: 7.1 M parameters, 116 kMAC per pixel.
    pub fn small() -> Self {
        Self {
            dim: 24,
            num_blocks: [2, 3, 3, 4],
            num_refinement_blocks: 2,
            ffn_expansion_factor: 2.667,
            de_dim: OUR_PROMPTS,
            stem: 2,
            ..Self::full()
        }
    }

    /// For a Raspberry Pi 5: 1.6 M parameters, 20 kMAC per pixel.
    pub fn nano() -> Self {
        Self {
            dim: 12,
            num_blocks: [1, 1, 1, 1],
            num_refinement_blocks: 1,
            ffn_expansion_factor: 2.667,
            de_dim: OUR_PROMPTS,
            stem: 2,
            ..Self::full()
        }
    }

    /// For a Raspberry Pi 4 or Zero 2: 0.9 M parameters, 8 kMAC per pixel.
    pub fn pico() -> Self {
        Self { dim: 8, ffn_expansion_factor: 0.5, ..Self::nano() }
    }

    /// The configuration of that name: `full`, `small`, `nano` or `pico`.
    pub fn preset(name: &str) -> Option<Self> {
        match name {
            "full" => Some(Self::full()),
            "small" => Some(Self::small()),
            "nano" => Some(Self::nano()),
            "pico" => Some(Self::pico()),
            _ => None,
        }
    }

    /// H and W of an input picture must be multiples of this: 8 (three halvings) · stem.
    pub fn multiple(&self) -> usize {
        8 * self.stem
    }

    /// Channels that the first convolution sees and the last one gives: 3·stem².
    pub fn image_channels(&self) -> usize {
        3 * self.stem * self.stem
    }

    /// Width F of GDFN's hidden layer on `channels`.
    pub fn ffn_hidden(&self, channels: usize) -> usize {
        (channels as f64 * self.ffn_expansion_factor) as usize
    }

    /// The eight stage blocks in the order in which they run (paper, figure 2).
    pub fn levels(&self) -> [Level; 8] {
        let level = |name, stage, multiple, index: usize, scale| Level {
            name,
            stage,
            channels: self.dim * multiple,
            heads: self.heads[index],
            blocks: self.num_blocks[index],
            scale,
        };
        [
            level("encoder_level1", 1, 1, 0, 1),
            level("encoder_level2", 2, 2, 1, 2),
            level("encoder_level3", 3, 4, 2, 4),
            level("latent", 4, 8, 3, 8),
            level("decoder_level3", 3, 4, 2, 4),
            level("decoder_level2", 2, 2, 1, 2),
            level("decoder_level1", 1, 2, 0, 1),
            Level { blocks: self.num_refinement_blocks, ..level("refinement", 1, 2, 0, 1) },
        ]
    }

    /// Checks that a network of this configuration exists and is of a sane size.
    ///
    /// # Errors
    /// [`Error::Config`] names the value at fault and its range.
    pub fn validate(&self) -> Result<()> {
        let fail = |what: String| Err(Error::Config(what));
        if !(8..=512).contains(&self.dim) || !self.dim.is_multiple_of(2) {
            return fail(format!("dim is {}, it must be even and in 8..=512", self.dim));
        }
        let blocks = self.num_blocks.iter().chain([&self.num_refinement_blocks]);
        if let Some(count) = blocks.into_iter().find(|count| !(1..=64).contains(*count)) {
            return fail(format!("a stage of {count} transformer blocks, it must be in 1..=64"));
        }
        if !(0.5..=8.0).contains(&self.ffn_expansion_factor) {
            return fail(format!(
                "ffn_expansion_factor is {}, it must be in 0.5..=8",
                self.ffn_expansion_factor
            ));
        }
        if !(1..=64).contains(&self.de_dim) {
            return fail(format!("de_dim is {}, it must be in 1..=64", self.de_dim));
        }
        if ![1, 2, 4].contains(&self.stem) {
            return fail(format!("stem is {}, it must be 1, 2 or 4", self.stem));
        }
        for level in self.levels() {
            if level.heads == 0 || !level.channels.is_multiple_of(level.heads) {
                return fail(format!(
                    "{} heads do not divide the {} channels of {}",
                    level.heads, level.channels, level.name
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid() {
        for name in ["full", "small", "nano", "pico"] {
            VluNetConfig::preset(name).unwrap().validate().unwrap();
        }
    }

    #[test]
    fn a_configuration_out_of_range_is_refused() {
        let full = VluNetConfig::full();
        for config in [
            VluNetConfig { dim: 0, ..full.clone() },
            VluNetConfig { dim: 13, ..full.clone() },
            VluNetConfig { stem: 3, ..full.clone() },
            VluNetConfig { heads: [1, 0, 4, 8], ..full.clone() },
            VluNetConfig { heads: [1, 5, 4, 8], ..full.clone() },
            VluNetConfig { num_blocks: [1, 1, 1, 10_000], ..full.clone() },
            VluNetConfig { ffn_expansion_factor: f64::NAN, ..full.clone() },
        ] {
            assert!(matches!(config.validate(), Err(Error::Config(_))), "{config:?}");
        }
    }
}
