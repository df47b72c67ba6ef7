//! The VLM head's conv tower: stages of depthwise-separable blocks, and what each sees summed
//! up over its positions.

use super::graph::{Attribute, Value};
use super::layers::Net;
use crate::arch::ConvTowerConfig;
use crate::{Error, Result};

/// Added to a variance before its logarithm (the trainer's is the same).
const SPREAD_EPSILON: f32 = 1e-4;

impl Net<'_> {
    /// A convolution whose stride is its kernel's side, so that patches don't overlap.
    pub(super) fn patches(&mut self, weight: &str, bias: Option<&str>, x: &Value) -> Result<Value> {
        let shape = self.tensor(weight)?.shape();
        let &[_, _, side, _] = shape else {
            return Err(Error::Weights(format!("{weight} has shape {shape:?}, not that of a convolution")));
        };
        let side = side as i64;
        let kernel = self.weight(weight)?;
        let bias = bias.map(|bias| self.weight(bias)).transpose()?;
        let name = weight.trim_end_matches(".weight").trim_start_matches("clip_model.");
        let inputs: Vec<&Value> = [x, &kernel].into_iter().chain(bias.as_ref()).collect();
        let attributes =
            [("kernel_shape", Attribute::Ints(&[side, side])), ("strides", Attribute::Ints(&[side, side]))];
        Ok(self.graph.node("Conv", name, &inputs, &attributes))
    }

    /// Mean and spread of every channel of every stage, `[1, 1, statistics]`, from patches
    /// `[1, C, G, G]`.
    ///
    /// Between the convolutions pixels are rows, `[1, G, G, C]`: LayerNorm and the matrix
    /// products work along channels.
    pub(super) fn statistics(&mut self, config: &ConvTowerConfig, patches: &Value) -> Result<Value> {
        let mut x = self.transpose("visual.patches", patches, &TO_ROWS);
        let mut sums = Vec::new();
        for (stage, depth) in config.depths.into_iter().enumerate() {
            let name = format!("clip_model.visual.stages.{stage}");
            if stage > 0 {
                let normed = self.layer_norm(&format!("{name}.down.norm"), &x)?;
                let planes = self.transpose(&format!("{name}.down.planes"), &normed, &TO_PLANES);
                let half = self.patches(&format!("{name}.down.conv.weight"), None, &planes)?;
                x = self.transpose(&format!("{name}.rows"), &half, &TO_ROWS);
            }
            for block in 0..depth {
                x = self.separable_block(&format!("{name}.blocks.{block}"), &x)?;
            }
            sums.extend(self.mean_and_spread(&name, &x));
        }
        let all = self.concat("visual.statistics", &sums.iter().collect::<Vec<_>>(), -1);
        let width = config.statistics() as i64;
        Ok(self.reshape("visual.statistics.row", &all, &[1, 1, width]))
    }

    /// x ← x + W₂·ReLU(W₁·LN(DW(x))).
    fn separable_block(&mut self, name: &str, x: &Value) -> Result<Value> {
        let planes = self.transpose(&format!("{name}.planes"), x, &TO_PLANES);
        let mixed = self.conv(&format!("{name}.depthwise"), &planes, true)?;
        let rows = self.transpose(&format!("{name}.rows"), &mixed, &TO_ROWS);
        let normed = self.layer_norm(&format!("{name}.norm"), &rows)?;
        let hidden = self.rows_by(&format!("{name}.fc1"), &normed)?;
        let hidden = self.graph.node("Relu", &format!("{name}.relu"), &[&hidden], &[]);
        let fed = self.rows_by(&format!("{name}.fc2"), &hidden)?;
        Ok(self.add(&format!("{name}.add"), x, &fed))
    }

    /// x·Wᵀ on the last axis.
    fn rows_by(&mut self, layer: &str, x: &Value) -> Result<Value> {
        let weight = format!("{layer}.weight");
        let matrix = self.tensor(&weight)?.t().as_standard_layout().into_owned();
        let matrix = self.graph.floats(&format!("{weight}.t"), &matrix);
        Ok(self.matmul(layer, x, &matrix))
    }

    /// Mean and logarithm of the variance of each channel, `[1, 1, 1, C]`.
    fn mean_and_spread(&mut self, name: &str, x: &Value) -> [Value; 2] {
        let over = [("axes", Attribute::Ints(&[1, 2])), ("keepdims", Attribute::Int(1))];
        let mean = self.graph.node("ReduceMean", &format!("{name}.mean"), &[x], &over);
        let centred = self.sub(&format!("{name}.centred"), x, &mean);
        let squared = self.mul(&format!("{name}.squared"), &centred, &centred);
        let variance = self.graph.node("ReduceMean", &format!("{name}.variance"), &[&squared], &over);
        let epsilon = self.graph.scalar("spread_epsilon", SPREAD_EPSILON);
        let variance = self.add(&format!("{name}.variance.positive"), &variance, &epsilon);
        [mean, self.graph.node("Log", &format!("{name}.spread"), &[&variance], &[])]
    }
}

/// `[1, C, H, W]` to `[1, H, W, C]`, and back.
const TO_ROWS: [i64; 4] = [0, 2, 3, 1];
const TO_PLANES: [i64; 4] = [0, 3, 1, 2];
