//! Pictures to d_I in training, whichever the tower.

use super::conv_tower::statistics;
use super::layers::{adapter, layer_norm};
use super::vit::class_token;
use crate::arch::{ClipConfig, VisionConfig};
use crate::train::parameters::Parameters;
use burn::tensor::Tensor;

/// What the tower sees in preprocessed pictures `[B, 3, S, S]`, normalised, before its
/// projection: `[B, F]`.
pub(super) fn sights(parameters: &Parameters, config: &ClipConfig, images: Tensor<4>) -> Tensor<2> {
    let visual = parameters.at("clip_model.visual");
    let x = match &config.vision {
        VisionConfig::Vit(tower) => class_token(&visual, tower, images),
        VisionConfig::Conv(tower) => statistics(&visual, tower, images),
    };
    layer_norm(&visual.at("ln_post"), x)
}

/// d_I, `[B, 512]`, of what the tower sees.
pub(super) fn vector_of(parameters: &Parameters, sights: Tensor<2>) -> Tensor<2> {
    adapter(&parameters.at("image_adapter"), projected(parameters, sights))
}

fn projected(parameters: &Parameters, sights: Tensor<2>) -> Tensor<2> {
    sights.matmul(parameters.get("clip_model.visual.proj"))
}

/// CLIP's own image feature, `[B, 512]`, before the adapter, of preprocessed pictures
/// `[B, 3, S, S]`.
pub fn image_feature(parameters: &Parameters, config: &ClipConfig, images: Tensor<4>) -> Tensor<2> {
    projected(parameters, sights(parameters, config, images))
}

/// d_I, `[B, 512]`, of preprocessed pictures `[B, 3, S, S]`.
pub fn image_vector(parameters: &Parameters, config: &ClipConfig, images: Tensor<4>) -> Tensor<2> {
    vector_of(parameters, sights(parameters, config, images))
}
