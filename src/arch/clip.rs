//! The CLIP towers and adapters of the VLM head (paper, section 3.2; open_clip's ViT).

use super::config::DEGRADATION_DIM;
use super::parameters::Parameter;
use super::vision::{ConvTowerConfig, VisionConfig};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// One transformer tower of CLIP: pre-LN blocks of self-attention and a GELU MLP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TowerConfig {
    /// Channels of a token.
    pub width: usize,
    /// Transformer blocks.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden width of the MLP.
    pub mlp_hidden: usize,
}

/// The VLM head: image and text tower, each followed by the paper's adapter; both end in
/// vectors of [`DEGRADATION_DIM`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipConfig {
    /// Side of the square input picture.
    pub image_size: usize,
    /// Side of a square patch, the first thing that the image tower makes of a picture.
    pub patch_size: usize,
    /// The image tower.
    pub vision: VisionConfig,
    /// The text tower (causal).
    pub text: TowerConfig,
    /// Number of tokens of the vocabulary.
    pub vocabulary: usize,
    /// Tokens per text.
    pub context: usize,
}

impl ClipConfig {
    /// ViT-B/32, which the paper uses.
    pub fn vit_b_32() -> Self {
        Self {
            image_size: 224,
            patch_size: 32,
            vision: VisionConfig::Vit(TowerConfig { width: 768, layers: 12, heads: 12, mlp_hidden: 3072 }),
            text: TowerConfig { width: 512, layers: 12, heads: 8, mlp_hidden: 2048 },
            vocabulary: 49_408,
            context: 77,
        }
    }

    /// The head that we train and ship: a conv tower of 2.2 M parameters with its adapter,
    /// and a text tower that knows what degradations are called.
    pub fn small() -> Self {
        Self {
            image_size: 224,
            patch_size: 4,
            vision: VisionConfig::Conv(ConvTowerConfig {
                channels: [32, 64, 128, 256],
                depths: [1, 2, 2, 2],
                kernel: 3,
                expansion: 2,
            }),
            text: TowerConfig { width: 128, layers: 2, heads: 2, mlp_hidden: 512 },
            vocabulary: 49_408,
            context: 77,
        }
    }

    /// Checks that towers of this configuration exist and are of a sane size.
    ///
    /// # Errors
    /// [`Error::Config`] names the value at fault.
    pub fn validate(&self) -> Result<()> {
        let fail = |what: String| Err(Error::Config(what));
        if !(1..=1024).contains(&self.image_size) || !(1..=self.image_size).contains(&self.patch_size) {
            return fail(format!("image size {} with patches of {}", self.image_size, self.patch_size));
        }
        self.vision.validate(self.image_size, self.patch_size)?;
        self.text.validate("text")?;
        if !(3..=1_000_000).contains(&self.vocabulary) || !(2..=1024).contains(&self.context) {
            return fail(format!("vocabulary of {} and context of {}", self.vocabulary, self.context));
        }
        Ok(())
    }

    /// Every parameter of both towers (`clip_model.*`, as open_clip names them) and of the
    /// adapters (`image_adapter.*`, `text_adapter.*`).
    pub fn parameters(&self) -> Vec<Parameter> {
        let scale = Parameter { name: "clip_model.logit_scale".into(), shape: Vec::new(), used: false };
        // CLIP's own temperature; the adapters have none.
        [vec![scale], self.image_parameters(), self.text_parameters()].concat()
    }

    /// The parameters from a picture to d_I.
    pub fn image_parameters(&self) -> Vec<Parameter> {
        let mut table = Table::default();
        self.vision.parameters(self.image_size, self.patch_size, &mut table);
        table.adapter("image_adapter");
        table.parameters
    }

    /// The parameters from a text to d_T.
    pub fn text_parameters(&self) -> Vec<Parameter> {
        let text = self.text.width;
        let mut table = Table::default();
        table.push("clip_model.token_embedding.weight", &[self.vocabulary, text]);
        table.push("clip_model.positional_embedding", &[self.context, text]);
        table.tower("clip_model.transformer", &self.text);
        table.affine("clip_model.ln_final", &[text]);
        table.push("clip_model.text_projection", &[text, DEGRADATION_DIM]);
        table.adapter("text_adapter");
        table.parameters
    }
}

impl TowerConfig {
    /// `name` stands for the tower in messages.
    pub(super) fn validate(&self, name: &str) -> Result<()> {
        let Self { width, layers, heads, mlp_hidden } = *self;
        if !(1..=4096).contains(&width) || !(1..=64).contains(&layers) || !(1..=16_384).contains(&mlp_hidden)
        {
            return Err(Error::Config(format!(
                "{name} tower of width {width}, {layers} layers, MLP {mlp_hidden}"
            )));
        }
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(Error::Config(format!(
                "{heads} heads do not divide the {name} tower's width {width}"
            )));
        }
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct Table {
    parameters: Vec<Parameter>,
}

impl Table {
    pub(super) fn push(&mut self, name: &str, shape: &[usize]) {
        self.parameters.push(Parameter { name: name.into(), shape: shape.to_vec(), used: true });
    }

    /// A weight of that shape and a bias along its first extent.
    pub(super) fn affine(&mut self, name: &str, shape: &[usize]) {
        self.push(&format!("{name}.weight"), shape);
        self.push(&format!("{name}.bias"), &shape[..1]);
    }

    pub(super) fn tower(&mut self, name: &str, config: &TowerConfig) {
        let width = config.width;
        for layer in 0..config.layers {
            let block = format!("{name}.resblocks.{layer}");
            self.affine(&format!("{block}.ln_1"), &[width]);
            self.push(&format!("{block}.attn.in_proj_weight"), &[3 * width, width]);
            self.push(&format!("{block}.attn.in_proj_bias"), &[3 * width]);
            self.affine(&format!("{block}.attn.out_proj"), &[width, width]);
            self.affine(&format!("{block}.ln_2"), &[width]);
            self.affine(&format!("{block}.mlp.c_fc"), &[config.mlp_hidden, width]);
            self.affine(&format!("{block}.mlp.c_proj"), &[width, config.mlp_hidden]);
        }
    }

    /// Linear → LayerNorm → GELU, three times, the last without its GELU; the indices are
    /// those of the reference's `nn.Sequential`.
    fn adapter(&mut self, name: &str) {
        for (linear, norm) in [(0, 1), (3, 4), (6, 7)] {
            self.affine(&format!("{name}.{linear}"), &[DEGRADATION_DIM, DEGRADATION_DIM]);
            self.affine(&format!("{name}.{norm}"), &[DEGRADATION_DIM]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_image_tower_survive_a_manifest_and_a_third_kind_is_refused() {
        // As manifests had it before there was another kind.
        let text = "image_size = 224\npatch_size = 32\nvocabulary = 49408\ncontext = 77\n\
                    [vision]\nwidth = 768\nlayers = 12\nheads = 12\nmlp_hidden = 3072\n\
                    [text]\nwidth = 512\nlayers = 12\nheads = 8\nmlp_hidden = 2048\n";
        assert_eq!(toml::from_str::<ClipConfig>(text).unwrap(), ClipConfig::vit_b_32());
        for config in [ClipConfig::vit_b_32(), ClipConfig::small()] {
            let text = toml::to_string(&config).unwrap();
            assert_eq!(toml::from_str::<ClipConfig>(&text).unwrap(), config);
        }
        let error = toml::from_str::<ClipConfig>(&text.replace("heads = 12", "necks = 12")).unwrap_err();
        assert!(error.to_string().contains("a conv tower"), "{error}");
    }

    #[test]
    fn vit_b_32_has_the_published_number_of_parameters() {
        let clip: usize = ClipConfig::vit_b_32()
            .parameters()
            .iter()
            .filter(|p| p.name.starts_with("clip_model."))
            .map(Parameter::elements)
            .sum();
        assert_eq!(clip, 151_277_313);
    }
}
