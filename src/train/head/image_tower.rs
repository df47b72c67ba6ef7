//! The image side in training: a conv tower, or CLIP's, of which the adapter alone learns.

use super::frozen::FrozenClip;
use super::image::{sights, vector_of};
use super::layers::adapter;
use super::prompts::PROMPTS;
use super::twist::Twist;
use super::views::View;
use crate::Result;
use crate::arch::{ClipConfig, DEGRADATION_DIM, Parameter, VisionConfig};
use crate::train::parameters::Parameters;
use burn::tensor::{Device, Tensor, TensorData};

/// The parameters of the image side that are trained: all of a conv tower's, or a ViT's adapter.
pub(super) fn trained(config: &ClipConfig) -> Vec<Parameter> {
    let is_adapter = |parameter: &Parameter| parameter.name.starts_with("image_adapter.");
    let whole = matches!(config.vision, VisionConfig::Conv(_));
    config.image_parameters().into_iter().filter(|parameter| whole || is_adapter(parameter)).collect()
}

/// From views to d_I.
pub(super) struct ImageTower {
    config: ClipConfig,
    frozen: Option<FrozenClip>,
    device: Device,
}

/// Views, with what a frozen tower sees in each: that is computed once.
pub(super) struct Seen {
    pub(super) views: Vec<View>,
    /// `[views, 512]`, or nothing where the tower itself learns.
    features: Vec<f32>,
}

/// Views that a frozen tower takes at once.
const AT_ONCE: usize = 16;

impl ImageTower {
    pub(super) fn new(config: &ClipConfig, frozen: Option<FrozenClip>, device: &Device) -> Self {
        Self { config: config.clone(), frozen, device: device.clone() }
    }

    /// # Errors
    /// As [`FrozenClip::image_features`].
    pub(super) fn seen(&self, views: Vec<View>) -> Result<Seen> {
        let mut features = Vec::new();
        if let Some(clip) = &self.frozen {
            for views in views.chunks(AT_ONCE) {
                features.extend(clip.image_features(self.images(views.iter().map(|v| (v, Twist::NONE))))?);
            }
        }
        Ok(Seen { views, features })
    }

    /// What the tower sees in the chosen views, and how much of each prompt they show:
    /// `[B, F]`, `[B, 8]`.
    pub(super) fn sights(
        &self,
        parameters: &Parameters,
        seen: &Seen,
        chosen: &[(usize, Twist)],
    ) -> (Tensor<2>, Tensor<2>) {
        let count = chosen.len();
        let wanted = chosen.iter().flat_map(|(at, _)| seen.views[*at].wanted).collect::<Vec<f32>>();
        let wanted = Tensor::from_data(TensorData::new(wanted, [count, PROMPTS]), &self.device);
        if self.frozen.is_some() {
            let row = |(at, _): &(usize, Twist)| &seen.features[at * DEGRADATION_DIM..][..DEGRADATION_DIM];
            let rows: Vec<f32> = chosen.iter().flat_map(row).copied().collect();
            return (
                Tensor::from_data(TensorData::new(rows, [count, DEGRADATION_DIM]), &self.device),
                wanted,
            );
        }
        let images = self.images(chosen.iter().map(|&(at, twist)| (&seen.views[at], twist)));
        (sights(parameters, &self.config, images), wanted)
    }

    /// d_I, `[B, 512]`, of what the tower sees.
    pub(super) fn vectors(&self, parameters: &Parameters, sights: Tensor<2>) -> Tensor<2> {
        match self.frozen {
            Some(_) => adapter(&parameters.at("image_adapter"), sights),
            None => vector_of(parameters, sights),
        }
    }

    fn images<'a>(&self, views: impl ExactSizeIterator<Item = (&'a View, Twist)>) -> Tensor<4> {
        let (count, side) = (views.len(), self.config.image_size);
        let mut pixels = Vec::with_capacity(count * 3 * side * side);
        for (view, twist) in views {
            twist.append(view, side, &mut pixels);
        }
        Tensor::from_data(TensorData::new(pixels, [count, 3, side, side]), &self.device)
    }
}
