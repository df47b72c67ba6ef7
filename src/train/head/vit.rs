//! CLIP's ViT in training: pictures to the class token (open_clip's `VisionTransformer`).

use super::conv_tower::patches;
use super::layers::{layer_norm, transformer};
use crate::arch::TowerConfig;
use crate::train::parameters::Scope;
use burn::tensor::Tensor;

/// The class token, `[B, width]`, after all blocks.
pub(super) fn class_token(visual: &Scope<'_>, config: &TowerConfig, images: Tensor<4>) -> Tensor<2> {
    let patches = patches(visual.get("conv1.weight"), images);
    let [batch, width, rows, columns] = patches.dims();
    let patches = patches.reshape([batch, width, rows * columns]).swap_dims(1, 2);
    let class: Tensor<1> = visual.get("class_embedding");
    let class = class.reshape([1, 1, width]).repeat_dim(0, batch);
    let positions: Tensor<2> = visual.get("positional_embedding");
    let x = Tensor::cat(vec![class, patches], 1) + positions.unsqueeze::<3>();
    let x = layer_norm(&visual.at("ln_pre"), x);
    transformer(&visual.at("transformer"), config, x, None).narrow(1, 0, 1).squeeze_dim(1)
}
