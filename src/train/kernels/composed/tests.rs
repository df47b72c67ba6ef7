//! The compositions, on the CPU's plain operations, give what the CPU's kernels give: these
//! are checked against the reference and by finite differences, so the GPU's are right too.

use super::super::Kernels;
use super::*;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

type Tensor = FloatTensor<Flex>;

/// Two samples of eight channels; the sides are odd and differ.
const SHAPE: [usize; 4] = [2, 8, 7, 5];

fn drawn(seed: u64, shape: &[usize]) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..shape.iter().product()).map(|_| StandardNormal.sample(&mut rng));
    Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape))
}

fn assert_same<const N: usize>(kernels: [Tensor; N], composed: [Tensor; N]) {
    for (which, (kernel, composed)) in kernels.into_iter().zip(composed).enumerate() {
        assert_eq!(kernel.shape(), composed.shape(), "result {which}");
        let [kernel, composed] = [kernel, composed].map(|tensor| {
            let tensor = tensor.to_contiguous();
            tensor.storage::<f32>().to_vec()
        });
        let scale = kernel.iter().fold(1.0_f32, |scale, value| scale.max(value.abs()));
        assert!(kernel.iter().any(|value| value.abs() > 1e-3), "result {which} says nothing");
        for (at, (kernel, composed)) in kernel.iter().zip(&composed).enumerate() {
            let error = (kernel - composed).abs() / scale;
            assert!(error <= 1e-5, "result {which} at {at}: {kernel} and {composed}");
        }
    }
}

#[test]
fn depthwise_convolution_is_the_same_composed() {
    let (x, weight) = (drawn(1, &SHAPE), drawn(2, &[8, 1, 3, 3]));
    for flipped in [false, true] {
        assert_same(
            [Flex::depthwise(x.clone(), weight.clone(), flipped)],
            [depthwise::<Flex>(x.clone(), weight.clone(), flipped)],
        );
    }
    let gradient = drawn(3, &SHAPE);
    assert_same(
        [Flex::depthwise_weight_gradient(x.clone(), gradient.clone())],
        [depthwise_weight_gradient::<Flex>(x, gradient)],
    );
}

#[test]
fn channel_norm_is_the_same_composed() {
    let (x, gain, bias) = (drawn(1, &SHAPE), drawn(2, &[8]), drawn(3, &[8]));
    assert_same(
        [Flex::channel_norm(x.clone(), gain.clone(), bias.clone())],
        [channel_norm::<Flex>(x.clone(), gain.clone(), bias)],
    );
    let gradient = drawn(4, &SHAPE);
    let kernels = Flex::channel_norm_gradients(x.clone(), gain.clone(), gradient.clone());
    let composed = channel_norm_gradients::<Flex>(x, gain, gradient);
    assert_same(kernels.into(), composed.into());
}

#[test]
fn the_gate_is_the_same_composed() {
    let (h, gradient) = (drawn(1, &SHAPE), drawn(2, &[2, 4, 7, 5]));
    assert_same([Flex::gate(h.clone())], [gate::<Flex>(h.clone())]);
    assert_same([Flex::gate_gradient(h.clone(), gradient.clone())], [gate_gradient::<Flex>(h, gradient)]);
}

#[test]
fn channel_attention_is_the_same_composed() {
    let [q, k, v, gradient] = [1, 2, 3, 4].map(|seed| drawn(seed, &SHAPE));
    for heads in [1, 2, 4] {
        let (q, k, v, gradient) = (q.clone(), k.clone(), v.clone(), gradient.clone());
        let temperature = drawn(5, &[heads]);
        assert_same(
            [Flex::channel_attention(q.clone(), k.clone(), v.clone(), temperature.clone())],
            [attend::<Flex>(q.clone(), k.clone(), v.clone(), temperature.clone())],
        );
        let kernels = Flex::channel_attention_gradients(
            q.clone(),
            k.clone(),
            v.clone(),
            temperature.clone(),
            gradient.clone(),
        );
        let composed = attention_gradients::<Flex>(q, k, v, temperature, gradient);
        assert_same(kernels.into(), composed.into());
    }
}

#[test]
fn a_row_of_zeros_has_no_gradient_and_harms_no_other() {
    let [q, k, v, gradient] = [1, 2, 3, 4].map(|seed| drawn(seed, &SHAPE));
    let numbers = |tensor: &Tensor| tensor.to_contiguous().storage::<f32>().to_vec();
    let mut silent = numbers(&q);
    silent[..35].fill(0.0);
    let q = Tensor::from_data(TensorData::new(silent, SHAPE));
    let temperature = drawn(5, &[2]);
    let kernels = Flex::channel_attention_gradients(
        q.clone(),
        k.clone(),
        v.clone(),
        temperature.clone(),
        gradient.clone(),
    );
    assert!(numbers(&kernels.0)[..35].iter().all(|gradient| *gradient == 0.0));
    assert!(
        numbers(&kernels.0)[35..].iter().chain(&numbers(&kernels.1)).all(|gradient| gradient.abs() < 1e3)
    );
    let composed = attention_gradients::<Flex>(q, k, v, temperature, gradient);
    assert_same(kernels.into(), composed.into());
}

#[test]
fn neighbours_are_the_same_composed() {
    let (x, gradient) = (drawn(1, &SHAPE), drawn(2, &[2, 72, 7, 5]));
    assert_same([Flex::neighbours(x.clone())], [neighbours::<Flex>(x)]);
    assert_same([Flex::neighbours_gradient(gradient.clone())], [neighbours_gradient::<Flex>(gradient)]);
}

#[test]
fn rounding_is_the_same_composed() {
    let (x, gradient) = (drawn(1, &SHAPE), drawn(2, &SHAPE));
    let scales = |values: &[f32]| Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]));
    // A scale for all, with which some are clipped, and one for each sample.
    for (scales, [least, most]) in
        [(scales(&[0.01]), [-128.0, 127.0]), (scales(&[0.02, 0.005]), [0.0, 255.0])]
    {
        assert_same(
            [Flex::fake_quantize(x.clone(), scales.clone(), least, most)],
            [fake_quantize::<Flex>(x.clone(), scales.clone(), least, most)],
        );
        let kernels = Flex::fake_quantize_gradients(x.clone(), scales.clone(), gradient.clone(), least, most);
        let composed = fake_quantize_gradients::<Flex>(x.clone(), scales, gradient.clone(), least, most);
        assert_same(kernels.into(), composed.into());
    }
}

#[test]
fn the_scales_of_weights_are_the_same_composed() {
    let zeros = Tensor::from_data(TensorData::new(vec![0.0f32; 8 * 9], [8, 1, 3, 3]));
    for weights in [drawn(1, &[8, 1, 3, 3]), drawn(2, &[16, 300]), zeros] {
        assert_same([Flex::weight_scales(weights.clone())], [weight_scales::<Flex>(weights)]);
    }
}
