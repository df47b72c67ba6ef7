//! Where training starts from.

use crate::arch::{Parameter, VluNetConfig};
use crate::train::parameters::Parameters;
use burn::tensor::Device;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// Parameters to begin with: the network is the identity, and every branch of a residual
/// starts small, so that a high learning rate is stable from the first steps on.
pub fn initial(config: &VluNetConfig, seed: u64, device: &Device) -> Parameters {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Parameters::new(&config.parameters(), device, |parameter| {
        let fill = Fill::of(parameter);
        let mut values: Vec<f32> = (0..parameter.elements())
            .map(|_| match fill {
                Fill::Constant(value) => value,
                Fill::Normal(deviation) => {
                    let normal: f32 = StandardNormal.sample(&mut rng);
                    deviation * normal
                }
            })
            .collect();
        if parameter.name.ends_with("qkv.weight") || parameter.name.ends_with("qkv_dwconv.weight") {
            // k begins as q: each channel attends to itself first, and the block begins as
            // three convolutions instead of as an average over all channels.
            let part = values.len() / 3;
            values.copy_within(..part, part);
        }
        values
    })
}

/// τ with which a channel's own cosine, 1, outweighs those of a dozen others.
const SELF_ATTENTION: f32 = 5.0;

enum Fill {
    Constant(f32),
    Normal(f32),
}

impl Fill {
    fn of(parameter: &Parameter) -> Self {
        let (name, shape) = (parameter.name.as_str(), &parameter.shape);
        let fan_in: usize = shape.iter().skip(1).product();
        // Keeps the variance from layer to layer.
        let even = Self::Normal((1.0 / fan_in.max(1) as f32).sqrt());
        match name {
            "output.weight" => Self::Constant(0.0),
            _ if name.ends_with("phi.temperature") => Self::Constant(1.0),
            _ if name.ends_with(".temperature") => Self::Constant(SELF_ATTENTION),
            _ if name.ends_with(".r") => Self::Constant(0.5),
            _ if name.ends_with(".body.bias") || name.ends_with(".linear.bias") => Self::Constant(0.0),
            _ if name.contains("norm") && name.ends_with(".weight") => Self::Constant(1.0),
            _ if name.ends_with(".prompt_param") => Self::Normal(0.5),
            // d_I has 512 numbers of about 1: the scores start within ±1.
            _ if name.ends_with(".linear.weight") => Self::Normal(1.0 / 22.6),
            _ if name.ends_with("dwconv.weight") => Self::Normal(1.0 / 3.0),
            _ if name.ends_with("project_out.weight") => {
                Self::Normal(0.2 * (1.0 / fan_in.max(1) as f32).sqrt())
            }
            _ => even,
        }
    }
}
