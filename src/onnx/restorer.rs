//! The restorer's graph: encoder, latent, decoder, refinement (paper, figure 2).

use super::graph::{Dim, Value};
use super::layers::Net;
use crate::arch::{DEGRADATION_DIM, VluNetConfig};
use crate::weights::Weights;
use crate::{Error, Result};
use tract_onnx::pb::tensor_proto::DataType;

/// The picture sizes that a graph takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Any H and W that are multiples of [`VluNetConfig::multiple`].
    Symbolic,
    /// This one, in pixels, both multiples of [`VluNetConfig::multiple`].
    Fixed {
        /// H.
        height: usize,
        /// W.
        width: usize,
    },
}

/// The restorer as ONNX: `image` `[1, 3, H, W]` and `degradation` `[1, 512]` to `restored`.
///
/// # Errors
/// [`Error::Weights`] where a tensor is missing or misshaped, [`Error::Config`] for a
/// configuration out of range, [`Error::Input`] for a size that is no multiple.
pub fn restorer(config: &VluNetConfig, weights: &Weights, size: Size) -> Result<Vec<u8>> {
    restorer_with_taps(config, weights, size, &[])
}

/// [`restorer()`] with further outputs: features by the name of their stage (`latent`,
/// `encoder_level1`, `patch_embed`, …) or node, to compare networks or to distil from.
///
/// # Errors
/// As [`restorer()`], and [`Error::Input`] for a tap that names no stage.
pub fn restorer_with_taps(
    config: &VluNetConfig,
    weights: &Weights,
    size: Size,
    taps: &[&str],
) -> Result<Vec<u8>> {
    config.validate()?;
    let shapes = weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.shape().to_vec())).collect();
    crate::arch::check_parameters(&config.parameters(), &shapes)?;
    let multiple = config.multiple();
    let (height, width) = match size {
        Size::Symbolic => (Dim::Symbol("H"), Dim::Symbol("W")),
        Size::Fixed { height, width } => {
            let fits = |side: usize| side > 0 && side.is_multiple_of(multiple);
            if !fits(height) || !fits(width) {
                return Err(Error::Input(format!(
                    "size {width}x{height} is no multiple of {multiple}, which this network needs"
                )));
            }
            (Dim::Fixed(height), Dim::Fixed(width))
        }
    };

    let mut net = Net::new("vlunet", weights);
    let picture = [Dim::Fixed(1), Dim::Fixed(3), height, width];
    let image = net.graph.input("image", DataType::Float, &picture);
    let degradation = [Dim::Fixed(1), Dim::Fixed(DEGRADATION_DIM)];
    let d = net.graph.input("degradation", DataType::Float, &degradation);

    let mut stages = Stages { net, config, d, size, outputs: Vec::new() };
    let residual = stages.run(&image)?;
    let Stages { mut net, outputs, .. } = stages;
    let restored = net.add("restored", &image, &residual);
    net.graph.output(&restored, &picture);
    for tap in taps {
        let stage = outputs.iter().find(|(name, _)| name == tap).map(|(_, value)| value.clone());
        let value = stage.or_else(|| net.graph.find(tap)).ok_or_else(|| {
            let names: Vec<&str> = outputs.iter().map(|(name, _)| name.as_str()).collect();
            Error::Input(format!("no stage or node is called {tap}; the stages are {}", names.join(", ")))
        })?;
        net.graph.output(&value, &[Dim::Fixed(1), Dim::Unknown, Dim::Unknown, Dim::Unknown]);
    }
    net.finish(config)
}

/// The network while it is laid out: the estimate x and the features y go from level to level.
struct Stages<'a> {
    net: Net<'a>,
    config: &'a VluNetConfig,
    d: Value,
    size: Size,
    /// Every stage's output so far, by its name.
    outputs: Vec<(String, Value)>,
}

impl Stages<'_> {
    /// The residual picture `[1, 3, H, W]`.
    fn run(&mut self, image: &Value) -> Result<Value> {
        let (dim, stem) = (self.config.dim, self.config.stem);
        let levels = self.config.levels();
        let [encoder1, encoder2, encoder3, latent, decoder3, decoder2, decoder1, refinement] = &levels;

        let seen = if stem == 1 { image.clone() } else { self.net.pixel_unshuffle("stem", image, 3, stem) };
        let x = self.net.conv("patch_embed.proj", &seen, false)?;
        let y1 = self.net.conv("patch_embed_i.proj", &seen, false)?;
        self.outputs.push(("patch_embed".into(), x.clone()));
        self.outputs.push(("patch_embed_i".into(), y1.clone()));

        let x1 = self.stage(encoder1, &x, &y1)?;
        let x = self.net.downsample("down1_2", &x1, dim)?;
        // Here, and only here, the reference sends y through the weights of x.
        let y2 = self.net.downsample("down1_2", &y1, dim)?;
        let x2 = self.stage(encoder2, &x, &y2)?;
        let x = self.net.downsample("down2_3", &x2, 2 * dim)?;
        let y3 = self.net.downsample("down2_3_i", &y2, 2 * dim)?;
        let x3 = self.stage(encoder3, &x, &y3)?;
        let x = self.net.downsample("down3_4", &x3, 4 * dim)?;
        let y4 = self.net.downsample("down3_4_i", &y3, 4 * dim)?;
        let x = self.stage(latent, &x, &y4)?;

        let x = self.merge("up4_3", &x, &x3, Some("reduce_chan_level3"))?;
        let y = self.merge("up4_3_i", &y4, &y3, Some("reduce_chan_level3_img"))?;
        let x = self.stage(decoder3, &x, &y)?;
        let x = self.merge("up3_2", &x, &x2, Some("reduce_chan_level2"))?;
        let y = self.merge("up3_2_i", &y, &y2, Some("reduce_chan_level2_img"))?;
        let x = self.stage(decoder2, &x, &y)?;
        let x = self.merge("up2_1", &x, &x1, None)?;
        let y = self.merge("up2_1_i", &y, &y1, None)?;
        let x = self.stage(decoder1, &x, &y)?;
        let x = self.stage(refinement, &x, &y)?;

        let residual = self.net.conv("output", &x, false)?;
        Ok(if stem == 1 { residual } else { self.net.pixel_shuffle("stem", &residual, stem) })
    }

    fn stage(&mut self, level: &crate::arch::Level, x: &Value, y: &Value) -> Result<Value> {
        let x = self.net.stage(level, self.config, x, y, &self.d, self.size)?;
        self.outputs.push((level.name.into(), x.clone()));
        Ok(x)
    }

    /// Up, joined with the encoder's features of that level, and reduced where a layer says so.
    fn merge(&mut self, up: &str, x: &Value, skip: &Value, reduce: Option<&str>) -> Result<Value> {
        let x = self.net.upsample(up, x)?;
        let joined = self.net.concat(&format!("{up}.concat"), &[&x, skip], 1);
        match reduce {
            Some(layer) => self.net.conv(layer, &joined, false),
            None => Ok(joined),
        }
    }
}
