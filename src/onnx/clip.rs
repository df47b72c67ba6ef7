//! The VLM head's graphs: CLIP's image and text tower, each with the paper's adapter
//! (paper, section 3.2; reference: `net/clip.py`, open_clip's ViT).

use super::graph::{Attribute, Dim, Value};
use super::layers::Net;
use crate::Result;
use crate::arch::{ClipConfig, DEGRADATION_DIM, TowerConfig, VisionConfig};
use crate::weights::Weights;
use ndarray::ArrayD;
use tract_onnx::pb::tensor_proto::DataType;

/// The image tower with its adapter: `image` `[1, 3, S, S]` to `degradation` `[1, 512]`.
///
/// # Errors
/// [`crate::Error::Weights`] where a tensor is missing, [`crate::Error::Config`] for a
/// configuration out of range.
pub fn image_tower(config: &ClipConfig, weights: &Weights) -> Result<Vec<u8>> {
    config.validate()?;
    let mut net = Net::new("vlm", weights);
    let side = Dim::Fixed(config.image_size);
    let image = net.graph.input("image", DataType::Float, &[Dim::Fixed(1), Dim::Fixed(3), side, side]);

    let weight = "clip_model.visual.conv1.weight";
    let x = match &config.vision {
        VisionConfig::Vit(tower) => {
            let patches = net.patches(weight, None, &image)?;
            net.class_token(tower, &patches)?
        }
        VisionConfig::Conv(tower) => {
            let patches = net.patches(weight, Some("clip_model.visual.conv1.bias"), &image)?;
            net.statistics(tower, &patches)?
        }
    };
    let x = net.layer_norm("clip_model.visual.ln_post", &x)?;
    let projection = net.weight("clip_model.visual.proj")?;
    let x = net.matmul("visual.projected", &x, &projection);
    let x = net.adapter("image_adapter", x)?;
    net.finish_head(config, &x, "degradation")
}

/// The text tower with its adapter: `tokens` `[1, context]` (int64) to `features` `[1, 512]`,
/// taken at the end-of-text token, which has the largest id.
///
/// # Errors
/// As [`image_tower`].
pub fn text_tower(config: &ClipConfig, weights: &Weights) -> Result<Vec<u8>> {
    config.validate()?;
    let mut net = Net::new("vlm_text", weights);
    let context = config.context;
    let tokens = net.graph.input("tokens", DataType::Int64, &[Dim::Fixed(1), Dim::Fixed(context)]);

    let table = net.weight("clip_model.token_embedding.weight")?;
    let x = net.graph.node("Gather", "text.embedded", &[&table, &tokens], &[("axis", Attribute::Int(0))]);
    let positions = net.weight("clip_model.positional_embedding")?;
    let x = net.add("text.positioned", &x, &positions);
    let mask =
        ArrayD::from_shape_fn(
            vec![context, context],
            |at| if at[1] > at[0] { f32::NEG_INFINITY } else { 0.0 },
        );
    let mask = net.graph.floats("causal_mask", &mask);
    let x = net.tower("clip_model.transformer", &config.text, x, Some(&mask))?;
    let x = net.layer_norm("clip_model.ln_final", &x)?;

    // A one-hot row picks the end-of-text token by a matrix product.
    let last = net.graph.node(
        "ArgMax",
        "text.end",
        &[&tokens],
        &[("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(1))],
    );
    let places: Vec<i64> = (0..context as i64).collect();
    let places = net.graph.ints("places", &places);
    let is_end = net.graph.node("Equal", "text.is_end", &[&last, &places], &[]);
    let pick =
        net.graph.node("Cast", "text.pick", &[&is_end], &[("to", Attribute::Int(DataType::Float as i64))]);
    let pick = net.reshape("text.pick.row", &pick, &[1, 1, context as i64]);
    let x = net.matmul("text.end_feature", &pick, &x);
    let projection = net.weight("clip_model.text_projection")?;
    let x = net.matmul("text.projected", &x, &projection);
    let x = net.adapter("text_adapter", x)?;
    net.finish_head(config, &x, "features")
}

impl Net<'_> {
    /// The ViT's class token `[1, 1, width]`, from patches `[1, width, G, G]`.
    fn class_token(&mut self, config: &TowerConfig, patches: &Value) -> Result<Value> {
        let patches = self.reshape("visual.patches.rows", patches, &[1, config.width as i64, -1]);
        let patches = self.transpose("visual.patches", &patches, &[0, 2, 1]);
        let class = reshaped(self.tensor("clip_model.visual.class_embedding")?, &[1, 1, config.width])?;
        let class = self.graph.floats("clip_model.visual.class_embedding", &class);
        let tokens = self.concat("visual.tokens", &[&class, &patches], 1);
        let positions = self.weight("clip_model.visual.positional_embedding")?;
        let x = self.add("visual.positioned", &tokens, &positions);
        let x = self.layer_norm("clip_model.visual.ln_pre", &x)?;
        let x = self.tower("clip_model.visual.transformer", config, x, None)?;
        let (from, to) = (self.graph.ints("zero", &[0]), self.graph.ints("one_token", &[1]));
        let token_axis = self.graph.ints("token_axis", &[1]);
        Ok(self.graph.node("Slice", "visual.class_token", &[&x, &from, &to, &token_axis], &[]))
    }

    /// Transformer blocks on `[1, tokens, width]`: x ← x + MHA(LN(x)), x ← x + MLP(LN(x)).
    fn tower(
        &mut self,
        name: &str,
        config: &TowerConfig,
        mut x: Value,
        mask: Option<&Value>,
    ) -> Result<Value> {
        for layer in 0..config.layers {
            let block = format!("{name}.resblocks.{layer}");
            let normed = self.layer_norm(&format!("{block}.ln_1"), &x)?;
            let attended = self.multi_head_attention(&format!("{block}.attn"), config, &normed, mask)?;
            x = self.add(&format!("{block}.attn.add"), &x, &attended);
            let normed = self.layer_norm(&format!("{block}.ln_2"), &x)?;
            let hidden = self.affine(&format!("{block}.mlp.c_fc"), &normed)?;
            let hidden = self.gelu(&format!("{block}.mlp.gelu"), &hidden);
            let fed = self.affine(&format!("{block}.mlp.c_proj"), &hidden)?;
            x = self.add(&format!("{block}.mlp.add"), &x, &fed);
        }
        Ok(x)
    }

    fn multi_head_attention(
        &mut self,
        name: &str,
        config: &TowerConfig,
        x: &Value,
        mask: Option<&Value>,
    ) -> Result<Value> {
        let qkv = self.linear(
            &format!("{name}.in_proj"),
            &format!("{name}.in_proj_weight"),
            &format!("{name}.in_proj_bias"),
            x,
        )?;
        let axis = [("axis", Attribute::Int(-1))];
        let split = self.graph.node_with_outputs(
            "Split",
            &format!("{name}.split"),
            &[&qkv],
            &axis,
            [".q", ".k", ".v"],
        );
        let (width, heads) = (config.width as i64, config.heads as i64);
        let per_head = [1, -1, heads, width / heads];
        let mut head = |part: &str, value: &Value, order: &[i64]| {
            let apart = self.reshape(&format!("{name}.{part}.apart"), value, &per_head);
            self.transpose(&format!("{name}.{part}"), &apart, order)
        };
        let q = head("q.heads", &split[0], &[0, 2, 1, 3]);
        let kt = head("kt.heads", &split[1], &[0, 2, 3, 1]);
        let v = head("v.heads", &split[2], &[0, 2, 1, 3]);
        let scale =
            self.graph.scalar(&format!("{name}.scale"), (config.heads as f32 / config.width as f32).sqrt());
        let scores = self.matmul(&format!("{name}.scores"), &q, &kt);
        let mut scores = self.mul(&format!("{name}.scaled"), &scores, &scale);
        if let Some(mask) = mask {
            scores = self.add(&format!("{name}.masked"), &scores, mask);
        }
        let map = self.softmax(&format!("{name}.map"), &scores);
        let mixed = self.matmul(&format!("{name}.mixed"), &map, &v);
        let mixed = self.transpose(&format!("{name}.mixed.tokens"), &mixed, &[0, 2, 1, 3]);
        let mixed = self.reshape(&format!("{name}.mixed.rows"), &mixed, &[1, -1, width]);
        self.affine(&format!("{name}.out_proj"), &mixed)
    }

    /// The paper's adapter: Linear → LayerNorm → GELU → Linear → LayerNorm → GELU → Linear →
    /// LayerNorm.
    fn adapter(&mut self, name: &str, mut x: Value) -> Result<Value> {
        for (linear, norm, activation) in [(0, 1, Some(2)), (3, 4, Some(5)), (6, 7, None)] {
            x = self.affine(&format!("{name}.{linear}"), &x)?;
            x = self.layer_norm(&format!("{name}.{norm}"), &x)?;
            if let Some(activation) = activation {
                x = self.gelu(&format!("{name}.{activation}"), &x);
            }
        }
        Ok(x)
    }

    pub(super) fn affine(&mut self, layer: &str, x: &Value) -> Result<Value> {
        self.linear(layer, &format!("{layer}.weight"), &format!("{layer}.bias"), x)
    }

    fn finish_head(mut self, config: &ClipConfig, feature: &Value, output: &str) -> Result<Vec<u8>> {
        let feature = self.reshape(output, feature, &[1, DEGRADATION_DIM as i64]);
        self.graph.output(&feature, &[Dim::Fixed(1), Dim::Fixed(DEGRADATION_DIM)]);
        self.finish(config)
    }
}

fn reshaped(tensor: &ArrayD<f32>, shape: &[usize]) -> Result<ArrayD<f32>> {
    let found = tensor.shape().to_vec();
    tensor.to_shape(shape).map(|view| view.into_owned()).map_err(|_| {
        crate::Error::Weights(format!("a tensor of shape {found:?} cannot take the shape {shape:?}"))
    })
}
