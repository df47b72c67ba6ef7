//! The smallest network that there is, with random weights.
#![allow(dead_code)] // each test file uses a part

use super::checkpoint::{Archive, Element, Value};
use ndarray::ArrayD;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::io::{Seek, Write};
use vlunet::arch::VluNetConfig;
use vlunet::weights::Weights;

/// 0.4 M parameters.
pub fn config() -> VluNetConfig {
    VluNetConfig {
        dim: 10,
        num_blocks: [1; 4],
        num_refinement_blocks: 1,
        heads: [1, 2, 4, 8],
        ffn_expansion_factor: 2.0,
        de_dim: 2,
        stem: 1,
    }
}

/// Small numbers for every parameter, with those that the network never reads. They are exact
/// in every element type.
pub fn weights(config: &VluNetConfig, seed: u64) -> Weights {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let random = config.parameters().into_iter().map(|parameter| {
        let mut number = || f32::from(rng.random_range(-64_i8..64)) / 512.0;
        let numbers = (0..parameter.elements()).map(|_| number()).collect();
        (parameter.name, ArrayD::from_shape_vec(parameter.shape, numbers).unwrap())
    });
    random.collect()
}

/// Those that the network reads.
pub fn used(config: &VluNetConfig, weights: &Weights) -> Weights {
    let used = config.parameters().into_iter().filter(|parameter| parameter.used);
    used.map(|parameter| (parameter.name.clone(), weights.get(&parameter.name).unwrap().clone())).collect()
}

/// Entries of a `state_dict`, as the authors name them, each tensor in a storage of its own.
pub fn state_dict<W: Write + Seek>(
    archive: &mut Archive<W>,
    element: Element,
    weights: &Weights,
) -> Vec<(Value, Value)> {
    let entry = |(name, tensor): (&str, &ArrayD<f32>)| {
        let numbers = tensor.as_slice().unwrap();
        (Value::text(format!("net.{name}")), archive.tensor(element, tensor.shape(), numbers))
    };
    weights.iter().map(entry).collect()
}

/// A whole checkpoint of the tiny network, with nothing else in it.
pub fn checkpoint(weights: &Weights) -> Vec<u8> {
    let mut archive = Archive::in_memory();
    let entries = state_dict(&mut archive, Element::F32, weights);
    archive.finish(&Value::dict([("state_dict", Value::Ordered(entries))])).into_inner()
}
