//! The table of a restorer's parameters: name → shape, as in the reference checkpoints.

use super::config::{DEGRADATION_DIM, DGDM_HEADS, Level, VluNetConfig};
use super::infer::Shapes;
use crate::{Error, Result};

/// One tensor of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Dotted name, as in the reference's `state_dict` (without its `net.` prefix).
    pub name: String,
    /// Extents, outermost first (convolutions: out, in, height, width).
    pub shape: Vec<usize>,
    /// False for a tensor that checkpoints hold and the network never reads.
    pub used: bool,
}

impl Parameter {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

impl VluNetConfig {
    /// Every parameter of the restorer, in the order in which the network uses them.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut table = Table::default();
        let dim = self.dim;
        let levels = self.levels();
        let [encoder1, encoder2, encoder3, latent, decoder3, decoder2, decoder1, refinement] = &levels;

        table.conv("patch_embed.proj", self.image_channels(), dim, 3);
        table.conv("patch_embed_i.proj", self.image_channels(), dim, 3);
        table.level(encoder1, self);
        table.conv("down1_2.body.0", dim, dim / 2, 3);
        // The reference sends y through `down1_2` too; its own convolution is dead weight.
        table.conv("down1_2_i.body.0", dim, dim / 2, 3);
        table.unused();
        table.level(encoder2, self);
        table.twins("down2_3", "body.0", 2 * dim, dim, 3);
        table.level(encoder3, self);
        table.twins("down3_4", "body.0", 4 * dim, 2 * dim, 3);
        table.level(latent, self);
        table.twins("up4_3", "body.0", 8 * dim, 16 * dim, 3);
        table.conv("reduce_chan_level3", 8 * dim, 4 * dim, 1);
        table.conv("reduce_chan_level3_img", 8 * dim, 4 * dim, 1);
        table.level(decoder3, self);
        table.twins("up3_2", "body.0", 4 * dim, 8 * dim, 3);
        table.conv("reduce_chan_level2", 4 * dim, 2 * dim, 1);
        table.conv("reduce_chan_level2_img", 4 * dim, 2 * dim, 1);
        table.level(decoder2, self);
        table.twins("up2_1", "body.0", 2 * dim, 4 * dim, 3);
        table.level(decoder1, self);
        table.level(refinement, self);
        table.conv("output", 2 * dim, self.image_channels(), 3);
        table.parameters
    }
}

#[derive(Default)]
struct Table {
    parameters: Vec<Parameter>,
}

impl Table {
    fn push(&mut self, name: String, shape: &[usize]) {
        self.parameters.push(Parameter { name, shape: shape.to_vec(), used: true });
    }

    fn unused(&mut self) {
        if let Some(last) = self.parameters.last_mut() {
            last.used = false;
        }
    }

    fn conv(&mut self, name: &str, input: usize, output: usize, kernel: usize) {
        self.push(format!("{name}.weight"), &[output, input, kernel, kernel]);
    }

    fn depthwise(&mut self, name: &str, channels: usize) {
        self.push(format!("{name}.weight"), &[channels, 1, 3, 3]);
    }

    /// The same layer for the estimate x and, with the suffix `_i`, for the features y.
    fn twins(&mut self, name: &str, layer: &str, input: usize, output: usize, kernel: usize) {
        for suffix in ["", "_i"] {
            self.conv(&format!("{name}{suffix}.{layer}"), input, output, kernel);
        }
    }

    fn layer_norm(&mut self, name: &str, channels: usize) {
        self.push(format!("{name}.body.weight"), &[channels]);
        self.push(format!("{name}.body.bias"), &[channels]);
    }

    fn mdta(&mut self, name: &str, channels: usize, heads: usize) {
        self.push(format!("{name}.temperature"), &[heads, 1, 1]);
        self.conv(&format!("{name}.qkv"), channels, 3 * channels, 1);
        self.depthwise(&format!("{name}.qkv_dwconv"), 3 * channels);
        self.conv(&format!("{name}.project_out"), channels, channels, 1);
    }

    fn gdfn(&mut self, name: &str, channels: usize, hidden: usize) {
        self.conv(&format!("{name}.project_in"), channels, 2 * hidden, 1);
        self.depthwise(&format!("{name}.dwconv"), 2 * hidden);
        self.conv(&format!("{name}.project_out"), hidden, channels, 1);
    }

    fn gradient_descent(&mut self, name: &str, level: &Level, de_dim: usize) {
        let (channels, prompt) = (level.channels, level.prompt_channels());
        let size = level.prompt_size();
        self.push(format!("{name}.prompt_param"), &[1, de_dim, prompt, size, size]);
        self.push(format!("{name}.linear.weight"), &[de_dim, DEGRADATION_DIM]);
        self.push(format!("{name}.linear.bias"), &[de_dim]);
        self.push(format!("{name}.phi.temperature"), &[DGDM_HEADS, 1, 1]);
        self.conv(&format!("{name}.phi.qv"), channels, 2 * channels, 1);
        self.depthwise(&format!("{name}.phi.qv_dwconv"), 2 * channels);
        self.conv(&format!("{name}.phi.k"), prompt, channels, 1);
        self.depthwise(&format!("{name}.phi.k_dwconv"), channels);
        self.conv(&format!("{name}.phi.project_out"), channels, channels, 1);
        self.mdta(&format!("{name}.phit"), channels, DGDM_HEADS);
        self.push(format!("{name}.r"), &[1]);
    }

    fn level(&mut self, level: &Level, config: &VluNetConfig) {
        let name = level.name;
        self.gradient_descent(&format!("{name}.gradient_descent"), level, config.de_dim);
        for block in 0..level.blocks {
            let block = format!("{name}.denoiser.blocks.{block}");
            self.layer_norm(&format!("{block}.norm1"), level.channels);
            self.mdta(&format!("{block}.attn"), level.channels, level.heads);
            self.layer_norm(&format!("{block}.norm2"), level.channels);
            self.gdfn(&format!("{block}.ffn"), level.channels, config.ffn_hidden(level.channels));
        }
    }
}

/// Checks that `shapes` holds just the tensors of `table`.
///
/// # Errors
/// [`Error::Weights`] names the missing, extra and misshaped tensors (the first few of each).
pub fn check_parameters(table: &[Parameter], shapes: &Shapes) -> Result<()> {
    let mut problems = Vec::new();
    let mut list = |kind: &str, names: Vec<String>| {
        if let Some(first) = names.iter().take(3).cloned().reduce(|a, b| format!("{a}, {b}")) {
            let more = if names.len() > 3 { format!(" and {} more", names.len() - 3) } else { String::new() };
            problems.push(format!("{kind} {first}{more}"));
        }
    };
    let missing = table.iter().filter(|p| p.used && !shapes.contains_key(&p.name));
    list("missing", missing.map(|p| p.name.clone()).collect());
    let misshaped = table.iter().filter_map(|p| {
        let found = shapes.get(&p.name).filter(|shape| **shape != p.shape)?;
        Some(format!("{} ({found:?} instead of {:?})", p.name, p.shape))
    });
    list("misshaped", misshaped.collect());
    let known: std::collections::HashSet<_> = table.iter().map(|p| p.name.as_str()).collect();
    let extra = shapes.keys().filter(|name| !known.contains(name.as_str()));
    list("unknown", extra.cloned().collect());
    if problems.is_empty() { Ok(()) } else { Err(Error::Weights(problems.join("; "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes_of(config: &VluNetConfig) -> Shapes {
        config.parameters().into_iter().map(|p| (p.name, p.shape)).collect()
    }

    #[test]
    fn missing_extra_and_misshaped_tensors_are_named() {
        let config = VluNetConfig::nano();
        let table = config.parameters();
        let mut shapes = shapes_of(&config);
        check_parameters(&table, &shapes).unwrap();
        shapes.remove("down1_2_i.body.0.weight");
        check_parameters(&table, &shapes).expect("the reference never reads that tensor");

        shapes.remove("output.weight");
        shapes.insert("latent.gradient_descent.r".into(), vec![2]);
        shapes.insert("surprise".into(), vec![1]);
        let message = check_parameters(&table, &shapes).unwrap_err().to_string();
        for part in [
            "missing output.weight",
            "misshaped latent.gradient_descent.r ([2] instead of [1])",
            "unknown surprise",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }
}
