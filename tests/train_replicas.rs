//! Replicas that share a batch give that batch's gradients.
#![cfg(feature = "train")]

use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use vlunet::arch::{DEGRADATION_DIM, VluNetConfig};
use vlunet::train::loss::Loss;
use vlunet::train::network::{VluNet, initial};
use vlunet::train::parameters::Parameters;
use vlunet::train::replicas::gradients;

fn drawn<const D: usize>(seed: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..shape.iter().product()).map(|_| StandardNormal.sample(&mut rng));
    Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), device)
}

/// The parameters of a small network, none of them zero.
fn parameters(config: &VluNetConfig) -> Parameters {
    let start = initial(config, &[], 1, &Device::flex());
    let mut seed = 10;
    start.map(|_, values| {
        seed += 1;
        values.clone() + drawn(seed, values.dims(), &values.device()) * 0.05
    })
}

/// The gradients of a batch of four, by that many replicas.
fn of_batch(replicas: usize) -> (f32, Parameters) {
    let config = VluNetConfig::pico();
    let network = VluNet::new(config.clone());
    let side = config.multiple();
    let devices = vec![Device::flex(); replicas];
    gradients(&parameters(&config), &devices, |index, device, parameters| {
        let count = 4 / replicas;
        let input = drawn(2, [4, 3, side, side], device).narrow(0, index * count, count);
        let target = drawn(3, [4, 3, side, side], device).narrow(0, index * count, count);
        let d = drawn(4, [4, DEGRADATION_DIM], device).narrow(0, index * count, count);
        Loss::default().of(network.restore(parameters, input, &d), target)
    })
    .unwrap()
}

#[test]
fn two_replicas_give_the_gradients_of_one_batch() {
    let ((loss, whole), (shared_loss, shared)) = (of_batch(1), of_batch(2));
    assert!((loss - shared_loss).abs() < 1e-6 * loss, "{loss} and {shared_loss}");
    let difference = whole.joined() - shared.joined();
    let length = |values: Tensor<1>| values.square().sum().sqrt().into_scalar::<f32>();
    let error = length(difference) / length(whole.joined());
    assert!(length(whole.joined()) > 1e-3 && error < 1e-5, "relative error {error:e}");
}

#[test]
fn a_panic_in_a_replica_is_one_clear_line() {
    let parameters = parameters(&VluNetConfig::pico());
    for bad in [0, 1] {
        let devices = vec![Device::flex(); 2];
        let result = gradients(&parameters, &devices, |index, _, parameters| {
            assert!(index != bad, "out of memory\nat line 1");
            parameters.joined().sum()
        });
        let error = result.unwrap_err().to_string();
        assert!(error.ends_with("a step failed: out of memory"), "{error}");
    }
}

#[test]
fn joined_parameters_come_apart_again() {
    let all = parameters(&VluNetConfig::pico());
    let apart = all.with_joined(all.joined());
    for (name, values) in all.iter() {
        assert_eq!(values.to_data(), apart.values(name).to_data(), "{name}");
    }
}
