//! Configurations read off the names and shapes of tensors.

use super::clip::{ClipConfig, TowerConfig};
use super::config::VluNetConfig;
use super::parameters::check_parameters;
use super::vision::{ConvTowerConfig, VisionConfig};
use crate::{Error, Result};
use std::collections::BTreeMap;

/// Tensor shapes by name.
pub type Shapes = BTreeMap<String, Vec<usize>>;

/// Factors in use, tried first: the paper's, and the one that gives nano even widths.
const USUAL_FFN_FACTORS: [f64; 5] = [2.66, 2.667, 0.5, 2.0, 4.0];

/// A conv tower has no positions to tell the size of its input by; ours are CLIP's.
const CONV_TOWER_IMAGE_SIZE: usize = 224;

impl VluNetConfig {
    /// The configuration of the restorer whose tensors have these names and shapes.
    ///
    /// # Errors
    /// [`Error::Weights`] where a tensor is missing, extra or misshaped, and
    /// [`Error::Config`] where the shapes make no sane network.
    pub fn infer(shapes: &Shapes) -> Result<Self> {
        let embed = shape(shapes, "patch_embed.proj.weight", 4)?;
        let stem = [1, 2, 4].into_iter().find(|stem| 3 * stem * stem == embed[1]).ok_or_else(|| {
            Error::Weights(format!(
                "patch_embed.proj.weight takes {} channels, not 3·stem² for a stem of 1, 2 or 4",
                embed[1]
            ))
        })?;
        let levels = ["encoder_level1", "encoder_level2", "encoder_level3", "latent"];
        let mut num_blocks = [0; 4];
        let mut heads = [0; 4];
        for (index, level) in levels.iter().enumerate() {
            num_blocks[index] = count(shapes, &format!("{level}.denoiser.blocks."));
            heads[index] = shape(shapes, &format!("{level}.denoiser.blocks.0.attn.temperature"), 3)?[0];
        }
        let config = Self {
            dim: embed[0],
            num_blocks,
            num_refinement_blocks: count(shapes, "refinement.denoiser.blocks."),
            heads,
            ffn_expansion_factor: infer_ffn_factor(shapes, &levels)?,
            de_dim: shape(shapes, "encoder_level1.gradient_descent.linear.weight", 2)?[0],
            stem,
        };
        config.validate()?;
        check_parameters(&config.parameters(), shapes)?;
        Ok(config)
    }
}

/// A factor f with ⌊f·C⌋ = F at every level: the usual one where it fits, else the smallest.
fn infer_ffn_factor(shapes: &Shapes, levels: &[&str]) -> Result<f64> {
    let (mut low, mut high) = (0.0_f64, f64::INFINITY);
    for level in levels {
        let weight = shape(shapes, &format!("{level}.denoiser.blocks.0.ffn.project_out.weight"), 4)?;
        let (channels, hidden) = (weight[0].max(1) as f64, weight[1] as f64);
        low = low.max(hidden / channels);
        high = high.min((hidden + 1.0) / channels);
    }
    let fits = |factor: &f64| (low..high).contains(factor);
    // The middle of the range is safe from rounding where no usual factor fits.
    Ok(USUAL_FFN_FACTORS.into_iter().find(fits).unwrap_or((low + high) / 2.0))
}

impl ClipConfig {
    /// The configuration of the CLIP towers and adapters whose tensors have these names and
    /// shapes: `clip_model.*` as open_clip names them, `image_adapter.*`, `text_adapter.*`.
    ///
    /// Heads can't be read off shapes; open_clip's are one per 64 channels.
    ///
    /// # Errors
    /// As [`VluNetConfig::infer`].
    pub fn infer(shapes: &Shapes) -> Result<Self> {
        let conv = shape(shapes, "clip_model.visual.conv1.weight", 4)?;
        let (image_size, vision) = match count(shapes, "clip_model.visual.stages.") {
            0 => vit(shapes, conv)?,
            _ => (CONV_TOWER_IMAGE_SIZE, conv_tower(shapes)?),
        };
        let tokens = shape(shapes, "clip_model.token_embedding.weight", 2)?;
        let config = Self {
            image_size,
            patch_size: conv[2],
            vision,
            text: tower(shapes, "clip_model.transformer.resblocks.", tokens[1])?,
            vocabulary: tokens[0],
            context: shape(shapes, "clip_model.positional_embedding", 2)?[0],
        };
        config.validate()?;
        check_parameters(&config.parameters(), shapes)?;
        Ok(config)
    }
}

/// The side of the input picture, and the tower, of a ViT with that patch embedding.
fn vit(shapes: &Shapes, conv: &[usize]) -> Result<(usize, VisionConfig)> {
    let positions = shape(shapes, "clip_model.visual.positional_embedding", 2)?[0];
    let grid = (positions.saturating_sub(1) as f64).sqrt().round() as usize;
    if grid == 0 || Some(positions) != grid.checked_mul(grid).map(|cells| cells + 1) {
        return Err(Error::Weights(format!(
            "{positions} image positions are not a square grid and a class token"
        )));
    }
    let tower = tower(shapes, "clip_model.visual.transformer.resblocks.", conv[0])?;
    Ok((grid.saturating_mul(conv[2]), VisionConfig::Vit(tower)))
}

fn conv_tower(shapes: &Shapes) -> Result<VisionConfig> {
    let (mut channels, mut depths, mut kernel, mut hidden) = ([0; 4], [0; 4], 0, 0);
    for stage in 0..4 {
        let blocks = format!("clip_model.visual.stages.{stage}.blocks.");
        let depthwise = shape(shapes, &format!("{blocks}0.depthwise.weight"), 4)?;
        (channels[stage], kernel) = (depthwise[0], depthwise[3]);
        depths[stage] = count(shapes, &blocks);
        hidden = shape(shapes, &format!("{blocks}0.fc1.weight"), 2)?[0];
    }
    let expansion = hidden / channels[3].max(1);
    Ok(VisionConfig::Conv(ConvTowerConfig { channels, depths, kernel, expansion }))
}

fn tower(shapes: &Shapes, blocks: &str, width: usize) -> Result<TowerConfig> {
    let hidden = shape(shapes, &format!("{blocks}0.mlp.c_fc.weight"), 2)?[0];
    Ok(TowerConfig { width, layers: count(shapes, blocks), heads: (width / 64).max(1), mlp_hidden: hidden })
}

/// The shape of a tensor that must be there and have `rank` extents.
fn shape<'a>(shapes: &'a Shapes, name: &str, rank: usize) -> Result<&'a [usize]> {
    let found = shapes
        .get(name)
        .ok_or_else(|| Error::Weights(format!("{name} is missing: this is no VLU-Net checkpoint")))?;
    if found.len() != rank {
        return Err(Error::Weights(format!("{name} has shape {found:?}, which should have {rank} extents")));
    }
    Ok(found)
}

/// How many consecutive indices 0, 1, … follow `prefix` in the names.
fn count(shapes: &Shapes, prefix: &str) -> usize {
    let holds = |index: &usize| {
        let start = format!("{prefix}{index}.");
        shapes.range(start.clone()..).next().is_some_and(|(name, _)| name.starts_with(&start))
    };
    (0..).take_while(holds).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_inferred_from_its_own_shapes() {
        for name in ["full", "small", "nano", "pico"] {
            let config = VluNetConfig::preset(name).unwrap();
            let shapes = config.parameters().into_iter().map(|p| (p.name, p.shape)).collect();
            assert_eq!(VluNetConfig::infer(&shapes).unwrap(), config, "{name}");
        }
        for clip in [ClipConfig::vit_b_32(), ClipConfig::small()] {
            let shapes = clip.parameters().into_iter().map(|p| (p.name, p.shape)).collect();
            assert_eq!(ClipConfig::infer(&shapes).unwrap(), clip);
        }
    }

    #[test]
    fn hostile_shapes_are_refused_without_overflow() {
        let mut shapes: Shapes =
            VluNetConfig::nano().parameters().into_iter().map(|p| (p.name, p.shape)).collect();
        shapes.insert("patch_embed.proj.weight".into(), vec![usize::MAX, 12, 3, 3]);
        assert!(VluNetConfig::infer(&shapes).is_err());
        assert!(VluNetConfig::infer(&Shapes::new()).is_err());
    }
}
