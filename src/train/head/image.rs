//! Pictures to d_I in training, whichever the tower.

use super::conv_tower::statistics;
use super::layers::{adapter, layer_norm};
use super::vit::class_token;
use crate::arch::{ClipConfig, VisionConfig};
use crate::train::parameters::Parameters;
use burn::tensor::Tensor;

/// CLIP's own image feature, `[B, 512]`, before the adapter, of preprocessed pictures
/// `[B, 3, S, S]`.
pub fn image_feature(parameters: &Parameters, config: &ClipConfig, images: Tensor<4>) -> Tensor<2> {
    let visual = parameters.at("clip_model.visual");
    let x = match &config.vision {
        VisionConfig::Vit(tower) => class_token(&visual, tower, images),
        VisionConfig::Conv(tower) => statistics(&visual, tower, images),
    };
    layer_norm(&visual.at("ln_post"), x).matmul(visual.get("proj"))
}

/// d_I, `[B, 512]`, of preprocessed pictures `[B, 3, S, S]`.
pub fn image_vector(parameters: &Parameters, config: &ClipConfig, images: Tensor<4>) -> Tensor<2> {
    adapter(&parameters.at("image_adapter"), image_feature(parameters, config, images))
}
