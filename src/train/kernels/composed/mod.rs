//! The kernels as compositions of burn's own operations, for devices that have no kernels of
//! their own: on a GPU, burn fuses what lies between two reductions into one kernel.
//!
//! Extents: `[B, C, H, W]`, as in [`Kernels`](super::Kernels).

mod attention;
mod rounding;
#[cfg(test)]
mod tests;
mod values;

pub(super) use attention::{attend, attention_gradients};
pub(super) use rounding::{fake_quantize, fake_quantize_gradients, weight_scales};

use super::norm;
use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;
use std::f32::consts::FRAC_1_SQRT_2;
use values::Values;

pub(super) fn depthwise<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    flipped: bool,
) -> FloatTensor<B> {
    let weight = Values::<B>(weight);
    let weight = if flipped { weight.turned(&[2, 3]) } else { weight };
    Values(x).convolved(weight).0
}

/// Nine sums of products: burn's own is a convolution with a kernel as large as the picture.
pub(super) fn depthwise_weight_gradient<B: Backend>(
    x: FloatTensor<B>,
    gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    let (x, gradient) = (Values::<B>(x), Values::<B>(gradient));
    let [_, channels, ..] = x.extents::<4>();
    let framed = x.framed();
    let taps = (0..9).map(|tap| over_pixels(shifted(&framed, tap) * gradient.clone())).collect();
    Values::joined(taps, 3).reshape([channels, 1, 3, 3]).0
}

pub(super) fn channel_norm<B: Backend>(
    x: FloatTensor<B>,
    gain: FloatTensor<B>,
    bias: FloatTensor<B>,
) -> FloatTensor<B> {
    let (normed, _) = normed(Values::<B>(x));
    (normed * per_channel(gain) + per_channel(bias)).0
}

pub(super) fn channel_norm_gradients<B: Backend>(
    x: FloatTensor<B>,
    gain: FloatTensor<B>,
    gradient: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let gradient = Values::<B>(gradient);
    let [_, channels, ..] = gradient.extents::<4>();
    let (normed, deviation) = normed(Values(x));
    let of_gain = over_pixels(gradient.clone() * normed.clone()).reshape([channels]);
    let of_bias = over_pixels(gradient.clone()).reshape([channels]);
    let of_normed = gradient * per_channel(gain);
    let mean = of_normed.clone().mean(1);
    let along = (of_normed.clone() * normed.clone()).mean(1);
    let of_x = (of_normed - mean - normed * along) / deviation;
    (of_x.0, of_gain.0, of_bias.0)
}

pub(super) fn gate<B: Backend>(h: FloatTensor<B>) -> FloatTensor<B> {
    let [a, b] = halves(&Values::<B>(h));
    (distribution(&a) * a * b).0
}

pub(super) fn gate_gradient<B: Backend>(h: FloatTensor<B>, gradient: FloatTensor<B>) -> FloatTensor<B> {
    /// 1/√(2π)
    const DENSITY: f32 = 0.398_942_3;
    let ([a, b], gradient) = (halves(&Values::<B>(h)), Values(gradient));
    let distribution = distribution(&a);
    let density = (a.clone().square() * -0.5).exp() * DENSITY;
    let of_a = gradient.clone() * b * (distribution.clone() + a.clone() * density);
    let of_b = gradient * a * distribution;
    Values::joined(vec![of_a, of_b], 1).0
}

pub(super) fn neighbours<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let x = Values::<B>(x);
    let [batch, channels, height, width] = x.extents();
    let framed = x.framed();
    let one = [batch, channels, 1, height * width];
    let taps = (0..9).map(|tap| shifted(&framed, tap).reshape(one)).collect();
    Values::joined(taps, 2).reshape([batch, 9 * channels, height, width]).0
}

pub(super) fn neighbours_gradient<B: Backend>(gradient: FloatTensor<B>) -> FloatTensor<B> {
    let gradient = Values::<B>(gradient);
    let [batch, channels, height, width] = gradient.extents();
    let channels = channels / 9;
    let taps = gradient.framed().reshape([batch, channels, 9, (height + 2) * (width + 2)]);
    let part = |tap: usize| {
        let framed = taps.narrow(2, tap..tap + 1).reshape([batch, channels, height + 2, width + 2]);
        // What a tap took from one side goes back to it.
        shifted(&framed, 8 - tap)
    };
    (1..9).fold(part(0), |sum, tap| sum + part(tap)).0
}

/// The plane that tap 0..9 of a 3×3 kernel sees, of a framed picture.
fn shifted<B: Backend>(framed: &Values<B>, tap: usize) -> Values<B> {
    let [_, _, height, width] = framed.extents();
    let (row, column) = (tap / 3, tap % 3);
    framed.narrow(2, row..row + height - 2).narrow(3, column..column + width - 2)
}

/// `[B, C, H, W]` summed up to `[1, C, 1, 1]`.
fn over_pixels<B: Backend>(x: Values<B>) -> Values<B> {
    let [batch, channels, height, width] = x.extents();
    x.reshape([batch, channels, height * width]).sum(2).sum(0).reshape([1, channels, 1, 1])
}

/// `[C]` as `[1, C, 1, 1]`.
fn per_channel<B: Backend>(x: FloatTensor<B>) -> Values<B> {
    let x = Values::<B>(x);
    let [channels] = x.extents();
    x.reshape([1, channels, 1, 1])
}

/// (x − μ)/σ over the channels, and σ.
fn normed<B: Backend>(x: Values<B>) -> (Values<B>, Values<B>) {
    let mean = x.clone().mean(1);
    let centred = x - mean;
    let deviation = (centred.clone().square().mean(1) + norm::EPSILON).sqrt();
    (centred / deviation.clone(), deviation)
}

fn halves<B: Backend>(h: &Values<B>) -> [Values<B>; 2] {
    let [_, channels, ..] = h.extents::<4>();
    [h.narrow(1, 0..channels / 2), h.narrow(1, channels / 2..channels)]
}

/// The standard normal's distribution, by the error function itself: burn's GELU on a GPU has
/// the gradient of an approximation.
fn distribution<B: Backend>(x: &Values<B>) -> Values<B> {
    ((x.clone() * FRAC_1_SQRT_2).erf() + 1.0) * 0.5
}
