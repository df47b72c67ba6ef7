//! The trainer's networks give the reference's numbers, and right gradients.
#![cfg(feature = "train")]

mod support;

use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{ArrayD, Axis};
use support::{golden, max_abs_difference};
use vlunet::arch::{Parameter, VluNetConfig};
use vlunet::train::network::{VluNet, grown};
use vlunet::train::parameters::Parameters;
use vlunet::weights::{Checkpoint, Weights, read_restorer, read_safetensors};

#[test]
fn the_restorer_in_training_gives_the_references_numbers() {
    let Some(path) = golden("vlunet.safetensors") else { return };
    let (config, weights) = read_restorer(&Checkpoint::open(&path).unwrap()).unwrap();
    let (io, _) = read_safetensors(&golden("restorer_io.safetensors").unwrap(), 1 << 28).unwrap();
    for device in [Device::flex(), Device::flex().autodiff()] {
        let parameters = Parameters::from_weights(&config.parameters(), &weights, &device).unwrap();
        let network = VluNet::new(config.clone());
        for case in ["case0", "case1"] {
            let tensor = |name: &str| {
                let array = io.get(&format!("{case}.{name}")).unwrap();
                TensorData::new(array.iter().copied().collect::<Vec<f32>>(), array.shape().to_vec())
            };
            let image = Tensor::<4>::from_data(tensor("image"), &device);
            let d = Tensor::<2>::from_data(tensor("degradation"), &device);
            let restored = network.restore(&parameters, image, &d);
            let shape = restored.dims().to_vec();
            let restored = restored.into_data().try_into_vec::<f32>().unwrap();
            let restored = ndarray::ArrayD::from_shape_vec(shape, restored).unwrap();
            let error = max_abs_difference(&restored, io.get(&format!("{case}.restored")).unwrap());
            println!("{case}: max error {error:e}");
            assert!(error < 1e-4, "{case}: {error}");
        }
    }
}

/// A network of a few channels, with `blocks` in each stage.
fn network(dim: usize, blocks: usize) -> VluNetConfig {
    VluNetConfig {
        dim,
        num_blocks: [blocks; 4],
        num_refinement_blocks: blocks,
        heads: [1, 2, 4, 8],
        ffn_expansion_factor: 2.0,
        de_dim: 3,
        stem: 2,
    }
}

/// Random weights, all of which matter to what comes out.
fn weights(config: &VluNetConfig) -> Weights {
    let mut state = 7_u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let tensor = |parameter: Parameter| {
        let fan_in: usize = parameter.shape.iter().skip(1).product();
        let array = ArrayD::from_shape_simple_fn(parameter.shape, || next() * (3.0 / fan_in as f32).sqrt());
        (parameter.name, array)
    };
    config.parameters().into_iter().map(tensor).collect()
}

#[test]
fn a_grown_network_restores_as_the_one_it_grew_from() {
    let from = network(8, 1);
    let weights = weights(&from);
    let device = Device::flex();
    let noise = |count: usize| (0..count).map(|i| (i as f32 * 12.9898).sin() * 43758.547 % 1.0).collect();
    let image =
        Tensor::<4>::from_data(TensorData::new::<f32, _>(noise(2 * 3 * 48 * 32), [2, 3, 48, 32]), &device);
    let d = Tensor::<2>::from_data(TensorData::new::<f32, _>(noise(2 * 512), [2, 512]), &device);
    let restored = |config: &VluNetConfig, parameters: &Parameters| {
        let restored = VluNet::new(config.clone()).restore(parameters, image.clone(), &d);
        restored.into_data().try_into_vec::<f32>().unwrap()
    };
    let own = Parameters::from_weights(&from.parameters(), &weights, &device).unwrap();
    let expected = restored(&from, &own);
    let change = image.clone().into_data().try_into_vec::<f32>().unwrap();
    let change = expected.iter().zip(change).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(change > 0.1, "the network changes next to nothing: {change}");
    // At 10 · 8 channels and more, the prompts aren't copied but new ones come.
    for config in [network(8, 1), network(8, 2), network(16, 1), network(24, 3)] {
        let grown = grown(&config, &from, &weights, &[], 1, &device).unwrap();
        let found = restored(&config, &grown);
        let error = expected.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("dim {}, {} blocks: max error {error:e}", config.dim, config.num_refinement_blocks);
        assert!(error < 1e-4, "{config:?}: {error}");
    }
    // The copies have to learn apart.
    let wide = grown(&network(16, 1), &from, &weights, &[], 1, &device).unwrap().to_weights().unwrap();
    let output = wide.get("output.weight").unwrap();
    let (first, second) = (output.index_axis(Axis(1), 0), output.index_axis(Axis(1), 8));
    assert!(first.iter().zip(&second).any(|(a, b)| (a - b).abs() > 1e-2), "the copies are the same");
}

#[test]
fn a_network_that_cannot_grow_says_why() {
    let from = network(16, 2);
    let weights = weights(&from);
    for (config, part) in [
        (network(24, 2), "dim 24 is no multiple of its 16"),
        (network(8, 2), "dim 8 is no multiple of its 16"),
        (network(32, 1), "more blocks"),
        (VluNetConfig { stem: 4, ..network(16, 2) }, "stem"),
        (VluNetConfig { ffn_expansion_factor: 2.66, ..network(32, 2) }, "ffn_expansion_factor"),
    ] {
        let message = grown(&config, &from, &weights, &[], 1, &Device::flex()).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}
