//! The restorer (paper, figure 2).

use super::blocks::stage;
use super::layers::{pixel_shuffle, pixel_unshuffle};
use super::rounding::Rounding;
use super::scope::Scope;
use crate::arch::{Level, VluNetConfig};
use crate::train::parameters::Parameters;
use burn::tensor::Tensor;
use std::sync::Arc;

/// VLU-Net of a configuration, applied with parameters of its table.
#[derive(Clone, Debug)]
pub struct VluNet {
    config: VluNetConfig,
    rounding: Option<Arc<Rounding>>,
}

impl VluNet {
    /// The network of that configuration.
    pub fn new(config: VluNetConfig) -> Self {
        Self { config, rounding: None }
    }

    /// The same, as its int8 form computes it: its parameters are those of the table and the
    /// scales of [`Rounding::table`].
    pub fn rounded(self, rounding: Arc<Rounding>) -> Self {
        Self { rounding: Some(rounding), ..self }
    }

    /// Its configuration.
    pub fn config(&self) -> &VluNetConfig {
        &self.config
    }

    /// Restores `image` `[B, 3, H, W]`, whose sides are multiples of
    /// [`VluNetConfig::multiple`], by the degradations `d` `[B, 512]`. Nothing is clamped.
    pub fn restore(&self, p: &Parameters, image: Tensor<4>, d: &Tensor<2>) -> Tensor<4> {
        let stem = self.config.stem;
        let residual = self.residual(p, pixel_unshuffle(image.clone(), stem), d);
        image + pixel_shuffle(residual, stem)
    }

    fn residual(&self, p: &Parameters, seen: Tensor<4>, d: &Tensor<2>) -> Tensor<4> {
        let p = &Scope::new(p, self.rounding.as_deref());
        let conv = |name: &str, x: &Tensor<4>| p.convolution(name, x.clone());
        let reduce = |name: &str, x: Tensor<4>| p.pointwise(name, x);
        let down = |name: &str, x: &Tensor<4>| pixel_unshuffle(conv(name, x), 2);
        let join = |up: &str, x: &Tensor<4>, skip: &Tensor<4>| {
            let x = pixel_shuffle(conv(&format!("{up}.body.0"), x), 2);
            Tensor::cat(vec![x, skip.clone()], 1)
        };
        let run = |level: &Level, x, y: &Tensor<4>| stage(&p.at(level.name), level, x, y, d);
        let [encoder1, encoder2, encoder3, latent, decoder3, decoder2, decoder1, refinement] =
            &self.config.levels();

        let y1 = conv("patch_embed_i.proj", &seen);
        let x1 = run(encoder1, conv("patch_embed.proj", &seen), &y1);
        // Here, and only here, the reference sends y through the weights of x; the second node
        // that a graph has of a layer ends in a prime.
        let y2 = down("down1_2.body.0'", &y1);
        let x2 = run(encoder2, down("down1_2.body.0", &x1), &y2);
        let y3 = down("down2_3_i.body.0", &y2);
        let x3 = run(encoder3, down("down2_3.body.0", &x2), &y3);
        let y4 = down("down3_4_i.body.0", &y3);
        let x = run(latent, down("down3_4.body.0", &x3), &y4);

        let y = reduce("reduce_chan_level3_img", join("up4_3_i", &y4, &y3));
        let x = run(decoder3, reduce("reduce_chan_level3", join("up4_3", &x, &x3)), &y);
        let x = reduce("reduce_chan_level2", join("up3_2", &x, &x2));
        let y = reduce("reduce_chan_level2_img", join("up3_2_i", &y, &y2));
        let x = run(decoder2, x, &y);
        let y = join("up2_1_i", &y, &y1);
        let x = run(decoder1, join("up2_1", &x, &x1), &y);
        conv("output", &run(refinement, x, &y))
    }
}
