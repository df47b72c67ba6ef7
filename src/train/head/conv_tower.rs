//! The conv tower in training: pictures to what its stages see in them.

use crate::arch::ConvTowerConfig;
use crate::train::kernels;
use crate::train::network::layers::{pixel_unshuffle, pointwise};
use crate::train::parameters::Scope;
use burn::tensor::{Tensor, activation};

/// Added to a variance before its logarithm (the exported graph's is the same).
const SPREAD_EPSILON: f64 = 1e-4;

/// Means, and logarithms of variances, of every channel of every stage, `[B, statistics]`.
pub(super) fn statistics(visual: &Scope<'_>, config: &ConvTowerConfig, images: Tensor<4>) -> Tensor<2> {
    let bias: Tensor<1> = visual.get("conv1.bias");
    let [channels] = bias.dims();
    let mut x = patches(visual.get("conv1.weight"), images) + bias.reshape([1, channels, 1, 1]);
    let mut sums = Vec::new();
    for (stage, depth) in config.depths.into_iter().enumerate() {
        let stage_weights = visual.at(&format!("stages.{stage}"));
        if stage > 0 {
            let down = stage_weights.at("down");
            x = patches(down.get("conv.weight"), norm(&down.at("norm"), x));
        }
        for block in 0..depth {
            x = separable_block(&stage_weights.at(&format!("blocks.{block}")), x);
        }
        sums.extend(mean_and_spread(x.clone()));
    }
    Tensor::cat(sums, 1)
}

/// A convolution `[O, C, P, P]` whose patches don't overlap.
pub(super) fn patches(weight: Tensor<4>, x: Tensor<4>) -> Tensor<4> {
    let [outputs, channels, side, _] = weight.dims();
    pointwise(pixel_unshuffle(x, side), weight.reshape([outputs, channels * side * side, 1, 1]))
}

/// x ← x + W₂·ReLU(W₁·LN(DW(x))).
fn separable_block(p: &Scope<'_>, x: Tensor<4>) -> Tensor<4> {
    let mixed = kernels::depthwise(x.clone(), p.get("depthwise.weight"));
    let hidden = activation::relu(rows_by(p.get("fc1.weight"), norm(&p.at("norm"), mixed)));
    x + rows_by(p.get("fc2.weight"), hidden)
}

fn rows_by(weight: Tensor<2>, x: Tensor<4>) -> Tensor<4> {
    let [outputs, inputs] = weight.dims();
    pointwise(x, weight.reshape([outputs, inputs, 1, 1]))
}

fn norm(p: &Scope<'_>, x: Tensor<4>) -> Tensor<4> {
    kernels::channel_norm(x, p.get("weight"), p.get("bias"))
}

fn mean_and_spread(x: Tensor<4>) -> [Tensor<2>; 2] {
    let [batch, channels, height, width] = x.dims();
    let rows = x.reshape([batch, channels, height * width]);
    let mean = rows.clone().mean_dim(2);
    let variance = (rows - mean.clone()).square().mean_dim(2);
    [mean.squeeze_dim(2), (variance + SPREAD_EPSILON).log().squeeze_dim(2)]
}
