//! The layers that the towers and adapters share, as functions of their parameters.

use crate::arch::TowerConfig;
use crate::train::parameters::Scope;
use burn::tensor::activation::softmax;
use burn::tensor::{Tensor, module};

/// Added to the variance in every LayerNorm.
pub const LAYER_NORM_EPSILON: f64 = 1e-5;

/// x·Wᵀ + b on the last axis.
pub fn linear<const D: usize>(weights: &Scope<'_>, x: Tensor<D>) -> Tensor<D> {
    linear_of(weights.get("weight"), weights.get("bias"), x)
}

fn linear_of<const D: usize>(weight: Tensor<2>, bias: Tensor<1>, x: Tensor<D>) -> Tensor<D> {
    let mut shape = x.dims();
    let (rows, inputs) = (shape[..D - 1].iter().product::<usize>(), shape[D - 1]);
    shape[D - 1] = bias.dims()[0];
    let product = x.reshape([rows, inputs]).matmul(weight.transpose());
    (product + bias.unsqueeze::<2>()).reshape(shape)
}

/// LayerNorm over the last axis.
pub fn layer_norm<const D: usize>(weights: &Scope<'_>, x: Tensor<D>) -> Tensor<D> {
    module::layer_norm(x, weights.get("weight"), Some(weights.get("bias")), LAYER_NORM_EPSILON)
}

/// The exact GELU, x/2·(1 + erf(x/√2)): some backends differentiate their own as if it were
/// the one by tanh.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    (x.clone() * std::f64::consts::FRAC_1_SQRT_2).erf().add_scalar(1.0).mul_scalar(0.5) * x
}

/// The paper's adapter on `[B, 512]`: Linear → LayerNorm → GELU → Linear → LayerNorm → GELU →
/// Linear → LayerNorm.
pub fn adapter(weights: &Scope<'_>, x: Tensor<2>) -> Tensor<2> {
    let x = gelu(layer_norm(&weights.at("1"), linear(&weights.at("0"), x)));
    let x = gelu(layer_norm(&weights.at("4"), linear(&weights.at("3"), x)));
    layer_norm(&weights.at("7"), linear(&weights.at("6"), x))
}

/// Transformer blocks on `[B, T, C]`: x ← x + MHA(LN(x)), x ← x + MLP(LN(x)); `mask` `[T, T]`
/// is added to the scores.
pub fn transformer(
    weights: &Scope<'_>,
    config: &TowerConfig,
    mut x: Tensor<3>,
    mask: Option<&Tensor<2>>,
) -> Tensor<3> {
    for layer in 0..config.layers {
        let block = weights.at(&format!("resblocks.{layer}"));
        let attended =
            attention(&block.at("attn"), config.heads, layer_norm(&block.at("ln_1"), x.clone()), mask);
        x = x + attended;
        let hidden = gelu(linear(&block.at("mlp.c_fc"), layer_norm(&block.at("ln_2"), x.clone())));
        x = x + linear(&block.at("mlp.c_proj"), hidden);
    }
    x
}

fn attention(weights: &Scope<'_>, heads: usize, x: Tensor<3>, mask: Option<&Tensor<2>>) -> Tensor<3> {
    let [batch, tokens, width] = x.dims();
    let qkv = linear_of(weights.get("in_proj_weight"), weights.get("in_proj_bias"), x);
    let head = |part: usize| {
        let part = qkv.clone().narrow(2, part * width, width);
        part.reshape([batch, tokens, heads, width / heads]).swap_dims(1, 2)
    };
    let (q, k, v) = (head(0), head(1), head(2));
    let scale = (heads as f64 / width as f64).sqrt();
    let mut scores = q.matmul(k.transpose()) * scale;
    if let Some(mask) = mask {
        scores = scores + mask.clone().unsqueeze::<4>();
    }
    let mixed = softmax(scores, 3).matmul(v).swap_dims(1, 2).reshape([batch, tokens, width]);
    linear(&weights.at("out_proj"), mixed)
}
