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

/// The gradients of a batch of four in that many parts, on that many threads; the second half
/// of the batch is the first again where `alike`.
fn of_batch(parts: usize, threads: usize, alike: bool) -> (f32, Parameters) {
    let config = VluNetConfig::pico();
    let network = VluNet::new(config.clone());
    let side = config.multiple();
    let devices = vec![Device::flex(); threads];
    gradients(&parameters(&config), parts, &devices, |index, device, parameters| {
        let count = 4 / parts;
        let cut = |x: Tensor<4>| {
            let x = if alike { x.narrow(0, 0, 2).repeat(&[2, 1, 1, 1]) } else { x };
            x.narrow(0, index * count, count)
        };
        let input = cut(drawn(2, [4, 3, side, side], device));
        let target = cut(drawn(3, [4, 3, side, side], device));
        let d = cut(drawn(4, [4, DEGRADATION_DIM, 1, 1], device)).reshape([count, DEGRADATION_DIM]);
        Loss::default().of(network.restore(parameters, input, &d), target)
    })
    .unwrap()
}

#[test]
fn two_replicas_give_the_gradients_of_one_batch() {
    let ((loss, whole), (shared_loss, shared)) = (of_batch(1, 1, true), of_batch(2, 2, true));
    assert!((loss - shared_loss).abs() < 1e-6 * loss, "{loss} and {shared_loss}");
    let difference = whole.joined() - shared.joined();
    let length = |values: Tensor<1>| values.square().sum().sqrt().into_scalar::<f32>();
    let error = length(difference) / length(whole.joined());
    assert!(length(whole.joined()) > 1e-3 && error < 1e-5, "relative error {error:e}");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (loss, one) = of_batch(4, 1, false);
    for threads in [2, 3, 7] {
        let (shared_loss, shared) = of_batch(4, threads, false);
        assert_eq!(loss, shared_loss, "{threads} threads");
        assert_eq!(one.joined().to_data(), shared.joined().to_data(), "{threads} threads");
    }
}

#[test]
fn no_part_counts_for_more_than_the_median() {
    let parameters = parameters(&VluNetConfig::pico());
    // Losses of slopes 1, 2 and 100 along each number.
    let (_, mean) = gradients(&parameters, 3, &[Device::flex()], |index, _, parameters| {
        parameters.joined().sum() * [1.0, 2.0, 100.0][index]
    })
    .unwrap();
    let expected = (1.0 + 2.0 + 2.0) / 3.0;
    let error = (mean.joined() - expected).abs().max().into_scalar::<f32>();
    assert!(error < 1e-4, "{error}");
}

#[test]
fn a_panic_in_a_replica_is_one_clear_line() {
    let parameters = parameters(&VluNetConfig::pico());
    for bad in [0, 1] {
        let devices = vec![Device::flex(); 2];
        let result = gradients(&parameters, 2, &devices, |index, _, parameters| {
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
