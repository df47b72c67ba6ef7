//! The operations of VLU-Net that frameworks are slow at, with their gradients: depthwise
//! convolution, LayerNorm over channels, GDFN's gate, rounding as integers do.
//!
//! On the CPU each is a loop that vectorises, on one thread (batches are shared out among
//! threads as a whole, which keeps a sample's planes in one core's cache). Other devices
//! compose them from burn's own operations.

mod attention;
mod composed;
mod depthwise;
mod gate;
mod gradients;
mod neighbours;
mod norm;
mod rounding;

use attention::Heads;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Tensor, TensorData};
use depthwise::Planes;

/// Runs a loop compiled for the widest vectors that this processor has.
#[inline(always)]
fn vectorised<R>(operation: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(operation)
}

/// The operations, on a backend's own tensors.
///
/// What a backend does not override is composed from burn's own operations.
#[backend_extension(Flex, Cube: cfg(feature = "train-cuda"), Autodiff)]
pub trait Kernels: Backend {
    /// `x` `[B, C, H, W]` convolved with `weight` `[C, 1, 3, 3]`, zero-padded; with `flipped`
    /// the kernel is turned by 180°.
    fn depthwise(x: FloatTensor<Self>, weight: FloatTensor<Self>, flipped: bool) -> FloatTensor<Self> {
        composed::depthwise::<Self>(x, weight, flipped)
    }

    /// The gradient of [`Self::depthwise`] with respect to its weight.
    fn depthwise_weight_gradient(x: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::depthwise_weight_gradient::<Self>(x, gradient)
    }

    /// LayerNorm of `x` `[B, C, H, W]` over C, with `gain` and `bias` `[C]`.
    fn channel_norm(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composed::channel_norm::<Self>(x, gain, bias)
    }

    /// The gradients of [`Self::channel_norm`] with respect to `x`, `gain` and `bias`.
    fn channel_norm_gradients(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        composed::channel_norm_gradients::<Self>(x, gain, gradient)
    }

    /// GELU(a)·b, where `h` `[B, 2F, H, W]` holds a, then b, along its channels.
    fn gate(h: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::gate::<Self>(h)
    }

    /// The gradient of [`Self::gate`].
    fn gate_gradient(h: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::gate_gradient::<Self>(h, gradient)
    }

    /// softmax(q̂·k̂ᵀ·τ)·v across the channels of each head; q, k, v `[B, C, H, W]`, τ `[heads]`.
    fn channel_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        temperature: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composed::attend::<Self>(q, k, v, temperature)
    }

    /// The gradients of [`Self::channel_attention`] with respect to q, k, v and τ.
    fn channel_attention_gradients(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        temperature: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        composed::attention_gradients::<Self>(q, k, v, temperature, gradient)
    }

    /// The 3×3 neighbourhoods of `x` `[B, C, H, W]` as `[B, 9·C, H, W]`.
    fn neighbours(x: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::neighbours::<Self>(x)
    }

    /// The gradient of [`Self::neighbours`].
    fn neighbours_gradient(gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::neighbours_gradient::<Self>(gradient)
    }

    /// `x` in as many equal rows as there are `scales` `[N]`, each rounded to steps of its scale,
    /// of which there are `least` to `most`.
    fn fake_quantize(
        x: FloatTensor<Self>,
        scales: FloatTensor<Self>,
        least: f32,
        most: f32,
    ) -> FloatTensor<Self> {
        composed::fake_quantize::<Self>(x, scales, least, most)
    }

    /// The gradients of [`Self::fake_quantize`] with respect to `x` and `scales`: straight through
    /// where nothing is clipped.
    fn fake_quantize_gradients(
        x: FloatTensor<Self>,
        scales: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        least: f32,
        most: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        composed::fake_quantize_gradients::<Self>(x, scales, gradient, least, most)
    }

    /// The scales `[O]` that int8 weights `[O, …]` have, one for each output channel; a constant.
    fn weight_scales(weights: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::weight_scales::<Self>(weights)
    }
}

/// A tensor's numbers in order, copied only where it is a view.
macro_rules! numbers {
    ($($tensor:ident),+) => {
        $(
            let $tensor = $tensor.to_contiguous();
            let $tensor = $tensor.storage::<f32>();
        )+
    };
}

fn planes(tensor: &FloatTensor<Flex>) -> Planes {
    let shape = tensor.shape();
    Planes { channels: shape[1], height: shape[2], width: shape[3] }
}

fn heads(v: &FloatTensor<Flex>, temperature: &FloatTensor<Flex>) -> Heads {
    let (size, heads) = (planes(v), temperature.shape()[0]);
    Heads { heads, channels: size.channels / heads, pixels: size.height * size.width }
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> FloatTensor<Flex> {
    FloatTensor::<Flex>::from_data(TensorData::new(values, shape))
}

#[cfg(feature = "train-cuda")]
impl Kernels for burn::backend::Cube {}

impl Kernels for Flex {
    fn depthwise(x: FloatTensor<Self>, weight: FloatTensor<Self>, flipped: bool) -> FloatTensor<Self> {
        let (shape, size) = (x.shape(), planes(&x));
        numbers!(x, weight);
        tensor(depthwise::convolve(x, weight, size, flipped), &shape)
    }

    fn depthwise_weight_gradient(x: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let size = planes(&x);
        numbers!(x, gradient);
        tensor(depthwise::weight_gradient(x, gradient, size), &[size.channels, 1, 3, 3])
    }

    fn channel_norm(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (shape, size) = (x.shape(), planes(&x));
        numbers!(x, gain, bias);
        tensor(norm::normalise(x, gain, bias, size.height * size.width), &shape)
    }

    fn channel_norm_gradients(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (shape, size) = (x.shape(), planes(&x));
        numbers!(x, gain, gradient);
        let (of_x, of_gain, of_bias) = norm::gradients(x, gain, gradient, size.height * size.width);
        (tensor(of_x, &shape), tensor(of_gain, &[size.channels]), tensor(of_bias, &[size.channels]))
    }

    fn gate(h: FloatTensor<Self>) -> FloatTensor<Self> {
        let (mut shape, size) = (h.shape(), planes(&h));
        shape[1] /= 2;
        numbers!(h);
        tensor(gate::gate(h, size.channels / 2 * size.height * size.width), &shape)
    }

    fn gate_gradient(h: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let (shape, size) = (h.shape(), planes(&h));
        numbers!(h, gradient);
        tensor(gate::gradient(h, gradient, size.channels / 2 * size.height * size.width), &shape)
    }

    fn channel_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        temperature: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (shape, size) = (v.shape(), heads(&v, &temperature));
        numbers!(q, k, v, temperature);
        tensor(attention::attend(q, k, v, temperature, size), &shape)
    }

    fn channel_attention_gradients(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        temperature: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (shape, size) = (v.shape(), heads(&v, &temperature));
        numbers!(q, k, v, temperature, gradient);
        let [q, k, v, temperature] = attention::gradients(q, k, v, temperature, gradient, size);
        let [q, k, v] = [q, k, v].map(|gradient| tensor(gradient, &shape));
        (q, k, v, tensor(temperature, &[size.heads]))
    }

    fn neighbours(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (mut shape, size) = (x.shape(), planes(&x));
        shape[1] *= 9;
        numbers!(x);
        tensor(neighbours::gather(x, size), &shape)
    }

    fn neighbours_gradient(gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let (mut shape, size) = (gradient.shape(), planes(&gradient));
        shape[1] /= 9;
        numbers!(gradient);
        tensor(neighbours::scatter(gradient, size), &shape)
    }

    fn fake_quantize(
        x: FloatTensor<Self>,
        scales: FloatTensor<Self>,
        least: f32,
        most: f32,
    ) -> FloatTensor<Self> {
        let shape = x.shape();
        numbers!(x, scales);
        tensor(rounding::round(x, scales, [least, most]), &shape)
    }

    fn fake_quantize_gradients(
        x: FloatTensor<Self>,
        scales: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        least: f32,
        most: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (shape, count) = (x.shape(), scales.shape());
        numbers!(x, scales, gradient);
        let (of_x, of_scales) = rounding::gradients(x, scales, gradient, [least, most]);
        (tensor(of_x, &shape), tensor(of_scales, &count))
    }

    fn weight_scales(weights: FloatTensor<Self>) -> FloatTensor<Self> {
        let channels = weights.shape()[0];
        numbers!(weights);
        tensor(rounding::weight_scales(weights, channels), &[channels])
    }
}

/// Depthwise 3×3 convolution of `x` `[B, C, H, W]` with `weight` `[C, 1, 3, 3]`, zero-padded.
pub fn depthwise(x: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::depthwise(x.into_dispatch(), weight.into_dispatch(), false))
}

/// LayerNorm of `x` `[B, C, H, W]` over its channels, with `gain` and `bias` `[C]`.
pub fn channel_norm(x: Tensor<4>, gain: Tensor<1>, bias: Tensor<1>) -> Tensor<4> {
    let (gain, bias) = (gain.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(Dispatch::channel_norm(x.into_dispatch(), gain, bias))
}

/// GELU(a)·b, where `h` `[B, 2F, H, W]` holds a, then b, along its channels.
pub fn gate(h: Tensor<4>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::gate(h.into_dispatch()))
}

/// Attention across channels, softmax(q̂·k̂ᵀ·τ)·v, with q̂ and k̂ of unit length along the
/// pixels: q, k, v `[B, C, H, W]`, τ `[heads]` (paper, section 3.3; reference: MDTA).
pub fn attention([q, k, v]: [Tensor<4>; 3], temperature: Tensor<1>) -> Tensor<4> {
    let [q, k, v] = [q, k, v].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::channel_attention(q, k, v, temperature.into_dispatch()))
}

/// The 3×3 neighbourhoods of `x` `[B, C, H, W]` as `[B, 9·C, H, W]`: channel 9·c + tap, zero
/// beyond the borders.
pub fn neighbours(x: Tensor<4>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::neighbours(x.into_dispatch()))
}

/// `x` rounded to steps of `scale` `[1]`, of which there are `least` to `most`, as an integer does.
/// The gradient goes straight through where nothing is clipped; that of the scale is as in learned
/// step sizes (Esser et al. 2020, section 2), but for the factor of its section 2.2.
pub fn fake_quantize<const D: usize>(x: Tensor<D>, scale: Tensor<1>, [least, most]: [f32; 2]) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fake_quantize(x.into_dispatch(), scale.into_dispatch(), least, most))
}

/// Weights `[O, …]` as they come back from int8, with the scale of the least error for each output
/// channel; the gradient goes straight through where nothing is clipped.
pub fn fake_quantize_weights<const D: usize>(weights: Tensor<D>) -> Tensor<D> {
    let scales = Dispatch::weight_scales(weights.clone().into_dispatch());
    let most = crate::quantize::weights::MOST;
    Tensor::from_dispatch(Dispatch::fake_quantize(weights.into_dispatch(), scales, -most, most))
}
