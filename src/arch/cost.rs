//! What a network costs at a picture size: parameters, multiply-accumulates, bytes moved.

use super::config::{DEGRADATION_DIM, DGDM_HEADS, Level, VluNetConfig};

/// Bytes of a float32.
const FLOAT: u64 = 4;

/// The cost of one stage of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageCost {
    /// Parameter prefix of the stage block, or the name of the layers between two.
    pub name: String,
    /// Parameters (float32: 4 bytes each).
    pub parameters: u64,
    /// Multiply-accumulates of convolutions and matrix products.
    pub macs: u64,
    /// Bytes read and written if every operator reads its inputs from memory and writes its
    /// output there, in float32. Fused kernels move less.
    pub bytes_moved: u64,
}

/// The cost of a whole network at one size, stage by stage in the order in which they run.
#[derive(Clone, Debug)]
pub struct Cost {
    /// The stages.
    pub stages: Vec<StageCost>,
    pixels: u64,
}

impl Cost {
    /// All parameters, those that the network never reads included.
    pub fn parameters(&self) -> u64 {
        self.stages.iter().map(|stage| stage.parameters).sum()
    }

    /// All multiply-accumulates for one picture.
    pub fn macs(&self) -> u64 {
        self.stages.iter().map(|stage| stage.macs).sum()
    }

    /// Multiply-accumulates divided by H·W.
    pub fn macs_per_pixel(&self) -> f64 {
        self.macs() as f64 / self.pixels.max(1) as f64
    }

    /// All bytes moved for one picture; see [`StageCost::bytes_moved`].
    pub fn bytes_moved(&self) -> u64 {
        self.stages.iter().map(|stage| stage.bytes_moved).sum()
    }
}

impl VluNetConfig {
    /// The cost of restoring one picture of `height`×`width` pixels (rounded up to the
    /// network's multiple).
    pub fn cost(&self, height: usize, width: usize) -> Cost {
        let multiple = self.multiple();
        let pixels = (height.next_multiple_of(multiple) * width.next_multiple_of(multiple)) as u64;
        let at_scale = |scale: usize| pixels / (self.stem * self.stem * scale * scale) as u64;
        let dim = self.dim as u64;
        let image = self.image_channels() as u64;
        let levels = self.levels();

        let mut stages = vec![self.between("patch_embed", at_scale(1), |tally| {
            tally.conv(image, dim, 9);
            tally.conv(image, dim, 9);
        })];
        // Into each level after the first, x and y come by their own convolutions; the first
        // Down is shared by both.
        let up = |tally: &mut Tally, channels: u64, skip: bool| {
            for _ in 0..2 {
                tally.conv(channels, 2 * channels, 9);
                if skip {
                    tally.conv_at(4 * tally.pixels, channels, channels / 2, 1);
                }
            }
        };
        for (index, level) in levels.iter().enumerate() {
            match index {
                1 => stages.push(self.between("down1_2", at_scale(1), |tally| {
                    tally.conv(dim, dim / 2, 9);
                    tally.conv(dim, dim / 2, 9);
                })),
                2 => stages.push(self.between("down2_3", at_scale(2), |tally| {
                    tally.conv(2 * dim, dim, 9);
                    tally.conv(2 * dim, dim, 9);
                })),
                3 => stages.push(self.between("down3_4", at_scale(4), |tally| {
                    tally.conv(4 * dim, 2 * dim, 9);
                    tally.conv(4 * dim, 2 * dim, 9);
                })),
                4 => stages.push(self.between("up4_3", at_scale(8), |tally| up(tally, 8 * dim, true))),
                5 => stages.push(self.between("up3_2", at_scale(4), |tally| up(tally, 4 * dim, true))),
                6 => stages.push(self.between("up2_1", at_scale(2), |tally| up(tally, 2 * dim, false))),
                _ => {}
            }
            stages.push(self.level_cost(level, at_scale(level.scale)));
        }
        stages.push(self.between("output", at_scale(1), |tally| tally.conv(2 * dim, image, 9)));
        Cost { stages, pixels }
    }

    fn between(&self, name: &str, pixels: u64, count: impl FnOnce(&mut Tally)) -> StageCost {
        let mut tally = Tally { pixels, macs: 0, bytes: 0 };
        count(&mut tally);
        self.stage_cost(name, tally)
    }

    fn level_cost(&self, level: &Level, pixels: u64) -> StageCost {
        let mut tally = Tally { pixels, macs: 0, bytes: 0 };
        let channels = level.channels as u64;
        let (prompt, side) = (level.prompt_channels() as u64, level.prompt_size() as u64);
        let de_dim = self.de_dim as u64;

        // D-GDM: the prompt's mix, Φ(x, p), Φᵀ, and two subtractions.
        tally.macs += de_dim * (DEGRADATION_DIM as u64 + prompt * side * side);
        tally.move_planes(2 * prompt);
        tally.conv(channels, 2 * channels, 1);
        tally.depthwise(2 * channels);
        tally.conv(prompt, channels, 1);
        tally.depthwise(channels);
        tally.attention(channels, DGDM_HEADS as u64);
        tally.move_planes(3 * channels);
        tally.mdta(channels, DGDM_HEADS as u64);
        tally.move_planes(3 * channels);
        // PMM.
        let hidden = self.ffn_hidden(level.channels) as u64;
        for _ in 0..level.blocks {
            tally.move_planes(2 * channels);
            tally.mdta(channels, level.heads as u64);
            tally.move_planes((3 + 2) * channels);
            tally.conv(channels, 2 * hidden, 1);
            tally.depthwise(2 * hidden);
            tally.move_planes(3 * hidden);
            tally.conv(hidden, channels, 1);
            tally.move_planes(3 * channels);
        }
        self.stage_cost(level.name, tally)
    }

    fn stage_cost(&self, name: &str, tally: Tally) -> StageCost {
        let parameters: usize =
            self.parameters().iter().filter(|p| stage_of(&p.name) == name).map(|p| p.elements()).sum();
        StageCost {
            name: name.into(),
            parameters: parameters as u64,
            macs: tally.macs,
            bytes_moved: tally.bytes + parameters as u64 * FLOAT,
        }
    }
}

/// The stage to whose cost a parameter counts.
fn stage_of(parameter: &str) -> &str {
    match parameter.split('.').next().unwrap_or_default() {
        "patch_embed_i" => "patch_embed",
        "reduce_chan_level3" | "reduce_chan_level3_img" => "up4_3",
        "reduce_chan_level2" | "reduce_chan_level2_img" => "up3_2",
        twin => twin.strip_suffix("_i").unwrap_or(twin),
    }
}

/// Sums up operators that run on `pixels` positions.
struct Tally {
    pixels: u64,
    macs: u64,
    bytes: u64,
}

impl Tally {
    fn move_planes(&mut self, planes: u64) {
        self.bytes += planes * self.pixels * FLOAT;
    }

    /// A convolution with `taps` weights per pair of channels.
    fn conv(&mut self, input: u64, output: u64, taps: u64) {
        self.conv_at(self.pixels, input, output, taps);
    }

    fn conv_at(&mut self, pixels: u64, input: u64, output: u64, taps: u64) {
        self.macs += input * output * taps * pixels;
        self.bytes += (input + output) * pixels * FLOAT;
    }

    fn depthwise(&mut self, channels: u64) {
        self.macs += channels * 9 * self.pixels;
        self.move_planes(2 * channels);
    }

    /// L2 norms, q·kᵀ, A·v and `project_out`.
    fn attention(&mut self, channels: u64, heads: u64) {
        self.macs += 2 * channels * channels / heads * self.pixels;
        self.move_planes(4 * channels + 2 * channels + 2 * channels);
        self.conv(channels, channels, 1);
    }

    fn mdta(&mut self, channels: u64, heads: u64) {
        self.conv(channels, 3 * channels, 1);
        self.depthwise(3 * channels);
        self.attention(channels, heads);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_network_costs_what_the_reference_costs() {
        let cost = VluNetConfig::full().cost(256, 256);
        assert_eq!(cost.parameters(), 35_353_028);
        assert!((cost.macs_per_pixel() / 1e6 - 2.842).abs() < 5e-4, "{}", cost.macs_per_pixel());
    }

    #[test]
    fn smaller_networks_cost_what_was_measured_of_the_reference() {
        let family = |dim, num_blocks, num_refinement_blocks| VluNetConfig {
            dim,
            num_blocks,
            num_refinement_blocks,
            ..VluNetConfig::full()
        };
        for (config, millions, kilomacs) in [
            (family(24, [2, 3, 3, 4], 2), 6.90, 454.0),
            (family(16, [1, 2, 2, 3], 1), 3.13, 154.0),
            (family(12, [1, 1, 1, 1], 1), 1.63, 77.5),
            (VluNetConfig { stem: 2, ..family(12, [1, 1, 1, 1], 1) }, 1.63, 20.4),
        ] {
            let cost = config.cost(256, 256);
            assert!((cost.parameters() as f64 / 1e6 - millions).abs() < 0.01, "{}", cost.parameters());
            assert!((cost.macs_per_pixel() / 1e3 / kilomacs - 1.0).abs() < 0.01, "{}", cost.macs_per_pixel());
        }
    }

    #[test]
    fn every_parameter_counts_to_one_stage() {
        let config = VluNetConfig::small();
        let table: usize = config.parameters().iter().map(|p| p.elements()).sum();
        assert_eq!(config.cost(64, 64).parameters(), table as u64);
    }
}
