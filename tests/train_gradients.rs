//! The trainer's gradients agree with finite differences: of every kernel, and of the whole
//! network with respect to every one of its parameters.
#![cfg(feature = "train")]

use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use vlunet::arch::VluNetConfig;
use vlunet::train::kernels;
use vlunet::train::loss::Loss;
use vlunet::train::network::{VluNet, convolution, initial, pointwise, resize_bilinear};

/// Half the distance between the two points of a difference.
const STEP: f32 = 1e-2;

fn normal<const D: usize>(shape: [usize; D], rng: &mut ChaCha8Rng) -> Tensor<D> {
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| StandardNormal.sample(rng)).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// Checks the gradient of Σ weights·function(inputs) with respect to each input, along a
/// random direction.
fn check<const N: usize>(
    name: &str,
    shapes: [[usize; 4]; N],
    function: impl Fn([Tensor<4>; N]) -> Tensor<4>,
) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let inputs = shapes.map(|shape| normal(shape, &mut rng));
    let weights = normal(function(inputs.clone()).dims(), &mut rng);
    let value = |inputs: [Tensor<4>; N]| (function(inputs) * weights.clone()).sum().into_scalar::<f32>();
    let tracked = inputs.clone().map(|input| input.autodiff().require_grad());
    let mut gradients = (function(tracked.clone()) * weights.clone().autodiff()).sum().backward();
    for (index, tracked) in tracked.iter().enumerate() {
        let gradient = tracked.grad_remove(&mut gradients).unwrap();
        let direction = normal(shapes[index], &mut rng);
        let along = (gradient * direction.clone()).sum().into_scalar::<f32>();
        let at = |step: f32| {
            let mut moved = inputs.clone();
            moved[index] = inputs[index].clone() + direction.clone() * step;
            value(moved)
        };
        let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
        let error = (along - difference).abs() / (along.abs() + difference.abs() + 1.0);
        println!("{name}, input {index}: {along} by gradient, {difference} by difference");
        assert!(error < 5e-3, "{name}, input {index}: {along} against {difference}");
    }
}

#[test]
fn every_kernel_has_the_gradient_of_its_function() {
    // Odd and narrow sizes: every loop has a rest.
    let x = [2, 6, 5, 7];
    check("depthwise", [x, [6, 1, 3, 3]], |[x, weight]| kernels::depthwise(x, weight));
    check("channel_norm", [x, [1, 1, 1, 6], [1, 1, 1, 6]], |[x, gain, bias]| {
        kernels::channel_norm(x, gain.reshape([6]), bias.reshape([6]))
    });
    check("gate", [x], |[h]| kernels::gate(h));
    check("attention", [x, x, x, [1, 1, 1, 2]], |[q, k, v, temperature]| {
        kernels::attention([q, k, v], temperature.reshape([2]))
    });
    check("neighbours", [x], |[x]| kernels::neighbours(x));
    check("pointwise", [x, [4, 6, 1, 1]], |[x, weight]| pointwise(x, weight));
    check("convolution", [x, [4, 6, 3, 3]], |[x, weight]| convolution(x, weight));
    check("resize", [x], |[x]| resize_bilinear(x, [11, 4]));
}

#[test]
fn rounding_has_the_gradient_of_the_clipped_identity() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let shape = [3, 5, 7, 9];
    let list = |tensor: Tensor<4>| tensor.into_data().try_into_vec::<f32>().unwrap();
    let (x, weights) = (normal(shape, &mut rng), normal(shape, &mut rng));
    for (scale, [least, most]) in [(0.01f32, [-128.0f32, 127.0]), (0.004, [0.0, 255.0])] {
        // At a bound itself there is no derivative.
        let at_bound = |x: f32| [least, most].iter().any(|bound| (x / scale - bound).abs() < 1.0);
        let pairs = list(x.clone()).into_iter().zip(list(weights.clone()));
        let weights: Vec<f32> = pairs.map(|(x, weight)| if at_bound(x) { 0.0 } else { weight }).collect();
        let weights = Tensor::<4>::from_data(TensorData::new(weights, shape), &Device::flex());
        let (tracked, step) = (x.clone().autodiff().require_grad(), Tensor::<1>::from([scale]));
        let step = step.autodiff().require_grad();
        let rounded = kernels::fake_quantize(tracked.clone(), step.clone(), [least, most]);
        let mut gradients = (rounded * weights.clone().autodiff()).sum().backward();
        let of_x = list(tracked.grad_remove(&mut gradients).unwrap());
        let of_scale = step.grad_remove(&mut gradients).unwrap().into_scalar::<f32>();
        let (mut clipped, mut expected) = (0, 0.0f64);
        for ((x, weight), of_x) in list(x.clone()).into_iter().zip(list(weights.clone())).zip(of_x) {
            // With what rounding adds held, steps of both kinds are straight lines.
            let rounding = f64::from((x / scale).round_ties_even() - x / scale);
            let value =
                |x: f64, scale: f64| (x + rounding * scale).clamp(least as f64 * scale, most as f64 * scale);
            let (x, scale, h) = (f64::from(x), f64::from(scale), 1e-7);
            let along_x = (value(x + h, scale) - value(x - h, scale)) / (2.0 * h);
            expected += f64::from(weight) * (value(x, scale + h) - value(x, scale - h)) / (2.0 * h);
            assert!((f64::from(of_x) - f64::from(weight) * along_x).abs() < 1e-3, "{of_x} at {x}");
            clipped += usize::from(along_x < 0.01);
        }
        assert!(clipped > 20, "{clipped}");
        assert!((f64::from(of_scale) - expected).abs() < 1e-3 * expected.abs(), "{of_scale} and {expected}");
    }
}

#[test]
fn rounded_weights_are_those_of_int8_and_learn_straight_through() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let weights = normal([6, 40, 3, 3], &mut rng);
    let tracked = weights.clone().autodiff().require_grad();
    let rounded = kernels::fake_quantize_weights(tracked.clone());
    let mut gradients = (rounded.clone() * 2.0).sum().backward();
    let list = |tensor: Tensor<4>| tensor.into_data().try_into_vec::<f32>().unwrap();
    let (rounded, of_weights) = (list(rounded.inner()), list(tracked.grad_remove(&mut gradients).unwrap()));
    let rows = list(weights);
    for ((row, rounded), of_row) in rows.chunks(360).zip(rounded.chunks(360)).zip(of_weights.chunks(360)) {
        let most = rounded.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let scale = most / 127.0;
        for ((weight, rounded), gradient) in row.iter().zip(rounded).zip(of_row) {
            let steps = rounded / scale;
            assert!((steps - steps.round()).abs() < 1e-3, "{rounded} is not whole");
            let inside = weight.abs() < most + 0.5 * scale;
            assert_eq!(*gradient, if inside { 2.0 } else { 0.0 });
            assert!(!inside || (weight - rounded).abs() < 0.501 * scale, "{weight} to {rounded}");
        }
    }
}

#[test]
fn a_large_plane_takes_the_same_way_as_a_small_one() {
    check("attention", [[1, 4, 24, 24], [1, 4, 24, 24], [1, 4, 24, 24], [1, 1, 1, 1]], |[q, k, v, t]| {
        kernels::attention([q, k, v], t.reshape([1]))
    });
    check("channel_norm", [[1, 3, 20, 20], [1, 1, 1, 3], [1, 1, 1, 3]], |[x, gain, bias]| {
        kernels::channel_norm(x, gain.reshape([3]), bias.reshape([3]))
    });
}

#[test]
fn every_term_of_the_loss_has_its_gradient() {
    let none = Loss { l1: 0.0, log_l1: 0.0, frequency: 0.0, ssim: 0.0 };
    for (name, loss) in [
        ("l1", Loss { l1: 1.0, ..none.clone() }),
        ("log_l1", Loss { log_l1: 1.0, ..none.clone() }),
        ("frequency", Loss { frequency: 1.0, ..none.clone() }),
        ("ssim", Loss { ssim: 1.0, ..none.clone() }),
    ] {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        // So far from the input that hardly an error changes its sign within a step.
        let target = normal([1, 2, 12, 10], &mut rng) * 20.0;
        check(name, [[1, 2, 12, 10]], |[x]| {
            let target = if x.is_autodiff() { target.clone().autodiff() } else { target.clone() };
            // A thousand times, as the sum over pixels of what is a mean.
            (loss.of(x, target) * 1000.0).reshape([1, 1, 1, 1])
        });
    }
}

#[test]
fn every_parameter_of_the_network_has_its_gradient() {
    let config = VluNetConfig { dim: 10, heads: [1, 2, 2, 2], de_dim: 2, stem: 1, ..VluNetConfig::nano() };
    let device = Device::flex();
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    // From a start where no branch is shut, unlike training's own.
    let parameters = initial(&config, &[], 5, &device)
        .map(|_, values| values.clone() + normal(values.dims(), &mut rng) * 0.03);
    let network = VluNet::new(config.clone());
    let image = normal([2, 3, 32, 24], &mut rng);
    let d = normal([2, 512], &mut rng) * 0.2;
    let weights = normal(image.dims(), &mut rng);
    let tracked = parameters.tracked();
    let restored = network.restore(&tracked, image.clone().autodiff(), &d.clone().autodiff());
    let loss = (restored * weights.clone().autodiff()).sum();
    let gradients = tracked.gradients(&mut loss.backward());
    let mut checked = 0;
    for (name, gradient) in gradients.iter() {
        let direction = normal(gradient.dims(), &mut rng);
        let length = direction.clone().square().sum().sqrt().into_scalar::<f32>();
        let direction = direction / length;
        let along = (gradient.clone() * direction.clone()).sum().into_scalar::<f32>();
        let moved = |step: f32| {
            parameters.map(|other, values| {
                if other == name { values.clone() + direction.clone() * step } else { values.clone() }
            })
        };
        let step = 1e-2;
        let [after, before] = [step, -step].map(|step| network.restore(&moved(step), image.clone(), &d));
        // Subtracted before they are added up, so that little is lost to rounding.
        let difference = ((after - before) * weights.clone()).sum().into_scalar::<f32>() / (2.0 * step);
        let error = (along - difference).abs() / (along.abs().max(difference.abs()) + 0.1);
        assert!(error < 0.05, "{name}: {along} by gradient, {difference} by difference");
        checked += 1;
    }
    assert_eq!(checked, config.parameters().iter().filter(|p| p.used).count());
}
