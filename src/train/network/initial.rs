//! Where training starts from.

use crate::arch::{DEGRADATION_DIM, Parameter, VluNetConfig};
use crate::train::parameters::Parameters;
use burn::tensor::Device;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// Parameters to begin with: the network is the identity, the branches of residuals start
/// small, so that a high learning rate is stable from the first steps on, and the prompts
/// start apart, so that each degradation has its own Φ.
///
/// `texts` are d_T of the prompts that the network shall tell apart, `[N, 512]`.
pub fn initial(config: &VluNetConfig, texts: &[Vec<f32>], seed: u64, device: &Device) -> Parameters {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Parameters::new(&config.parameters(), device, |parameter| {
        let name = parameter.name.as_str();
        let fill = Fill::of(parameter);
        let mut normal = |deviation: f32| {
            let normal: f32 = StandardNormal.sample(&mut rng);
            deviation * normal
        };
        let mut values: Vec<f32> = (0..parameter.elements())
            .map(|_| match fill {
                Fill::Constant(value) => value,
                Fill::Normal(deviation) => normal(deviation),
            })
            .collect();
        if name.ends_with("qkv.weight") || name.ends_with("qkv_dwconv.weight") {
            // k begins as q: each channel attends to itself first, and the block begins as
            // three convolutions instead of as an average over all channels.
            let part = values.len() / 3;
            values.copy_within(..part, part);
        } else if name.ends_with(".prompt_param") {
            // A map without a mean would be orthogonal to every feature, and choose nothing.
            let map = parameter.shape[3] * parameter.shape[4];
            for map in values.chunks_exact_mut(map) {
                let mean = normal(1.0);
                map.iter_mut().for_each(|value| *value += mean);
            }
        } else if name.ends_with(".linear.weight") {
            for (row, text) in values.chunks_exact_mut(DEGRADATION_DIM).zip(texts) {
                let length: f32 = text.iter().map(|x| x * x).sum();
                row.iter_mut().zip(text).for_each(|(weight, x)| *weight = OWN_PROMPT * x / length.max(1e-6));
            }
        }
        values
    })
}

/// The score with which a degradation starts at its own prompt; those of others are near 0.
const OWN_PROMPT: f32 = 6.0;

/// τ with which a channel's own cosine, 1, outweighs those of a dozen others.
const TEMPERATURE: f32 = 5.0;

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
            _ if name.ends_with(".temperature") => Self::Constant(TEMPERATURE),
            _ if name.ends_with(".r") => Self::Constant(0.5),
            _ if name.ends_with(".body.bias") || name.ends_with(".linear.bias") => Self::Constant(0.0),
            _ if name.contains("norm") && name.ends_with(".weight") => Self::Constant(1.0),
            _ if name.ends_with(".prompt_param") => Self::Normal(0.5),
            _ if name.ends_with(".linear.weight") => Self::Normal(1e-2),
            _ if name.ends_with("dwconv.weight") => Self::Normal(1.0 / 3.0),
            // The gradient step itself is no small branch: d enters nowhere else.
            _ if name.ends_with("phi.project_out.weight") || name.ends_with("phit.project_out.weight") => {
                even
            }
            _ if name.ends_with("project_out.weight") => {
                Self::Normal(0.2 * (1.0 / fan_in.max(1) as f32).sqrt())
            }
            _ => even,
        }
    }
}
