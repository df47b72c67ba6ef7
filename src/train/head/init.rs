//! How a head's parameters start.

use super::prompts::SQUARED_LENGTH;
use crate::arch::{DEGRADATION_DIM, Parameter};
use crate::train::parameters::Parameters;
use burn::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use sha2::{Digest, Sha256};

/// Spread of token and place embeddings, CLIP's own.
const EMBEDDING_SPREAD: f32 = 0.02;

/// Fresh parameters of that table. Each tensor has its own stream of numbers, by its name,
/// so that one more layer does not change all others.
pub fn initial(table: &[Parameter], seed: u64, device: &Device) -> Parameters {
    Parameters::new(table, device, |parameter| values(parameter, seed))
}

fn values(parameter: &Parameter, seed: u64) -> Vec<f32> {
    let name = parameter.name.as_str();
    let constant = |value: f32| vec![value; parameter.elements()];
    if name.ends_with("adapter.7.weight") {
        // The last gain sets the length of d_I and d_T, and so the range of the logits.
        return constant((SQUARED_LENGTH / DEGRADATION_DIM as f32).sqrt());
    }
    if name.ends_with("bias") {
        return constant(0.0);
    }
    if parameter.shape.len() == 1 && name.ends_with("weight") {
        return constant(1.0);
    }
    let inputs: usize = match parameter.shape.as_slice() {
        _ if name.contains("embedding") => return normal(name, seed, EMBEDDING_SPREAD, parameter.elements()),
        // CLIP's projections multiply from the right: their inputs are their rows.
        [inputs, _] if name.ends_with("proj") || name.ends_with("projection") => *inputs,
        shape => shape.iter().skip(1).product(),
    };
    // What ends a residual branch starts small, so that depth does not add up.
    let end_of_branch = ["out_proj", "c_proj", "fc2"].iter().any(|layer| name.contains(layer));
    let gain = if end_of_branch { 0.5 } else { 1.0 };
    normal(name, seed, gain / (inputs.max(1) as f32).sqrt(), parameter.elements())
}

fn normal(name: &str, seed: u64, spread: f32, count: usize) -> Vec<f32> {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(name);
    let mut rng = ChaCha8Rng::from_seed(hash.finalize().into());
    match Normal::new(0.0, spread) {
        Ok(distribution) => distribution.sample_iter(&mut rng).take(count).collect(),
        Err(_) => vec![0.0; count],
    }
}
