//! Rounding to the steps of an integer and back.

use super::values::Values;
use crate::quantize::weights::{MOST, SHARES};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};

pub(in super::super) fn fake_quantize<B: Backend>(
    x: FloatTensor<B>,
    scales: FloatTensor<B>,
    least: f32,
    most: f32,
) -> FloatTensor<B> {
    let x = Values::<B>(x);
    let shape = x.0.shape();
    let (x, scales) = rows(x, Values(scales));
    ((x / scales.clone()).rounded().clamped(least, most) * scales).reshape(shape).0
}

pub(in super::super) fn fake_quantize_gradients<B: Backend>(
    x: FloatTensor<B>,
    scales: FloatTensor<B>,
    gradient: FloatTensor<B>,
    least: f32,
    most: f32,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let x = Values::<B>(x);
    let (shape, of_scales) = (x.0.shape(), scales.shape());
    let (x, scales) = rows(x, Values(scales));
    let gradient = Values(gradient).reshape(x.0.shape());
    let steps = x / scales;
    let rounded = steps.clone().rounded();
    let clipped = rounded.clone().clamped(least, most);
    // Both are integers: 1 where they are the same, else 0.
    let inside = (rounded - clipped.clone()).square().clamped(0.0, 1.0) * -1.0 + 1.0;
    let error = clipped - steps * inside.clone();
    let of_scale = (gradient.clone() * error).sum(1).reshape(of_scales);
    ((gradient * inside).reshape(shape).0, of_scale.0)
}

pub(in super::super) fn weight_scales<B: Backend>(weights: FloatTensor<B>) -> FloatTensor<B> {
    let weights = Values::<B>(weights);
    let [channels] = weights.extents();
    let count = weights.0.shape().num_elements() / channels.max(1);
    let weights = weights.reshape([channels, count]);
    let highest = (weights.clone().square().sqrt()).max(1);
    let (mut best, mut least) = (None::<Values<B>>, None::<Values<B>>);
    for share in SHARES {
        let scale = (highest.clone() * share) / MOST;
        // Weights that are all zero have no range; any scale stands for them.
        let usable = (scale.clone() - f32::MIN_POSITIVE).positive();
        let scale = scale * usable.clone() + (usable * -1.0 + 1.0);
        let rounded = (weights.clone() / scale.clone()).rounded().clamped(-MOST, MOST) * scale.clone();
        let error = (weights.clone() - rounded).square().sum(1);
        (best, least) = match (best, least) {
            (Some(best), Some(least)) => {
                let better = (least.clone() - error.clone()).positive();
                let worse = better.clone() * -1.0 + 1.0;
                let choose = |new, old| Some(new * better.clone() + old * worse.clone());
                (choose(scale, best), choose(error, least))
            }
            _ => (Some(scale), Some(error)),
        };
    }
    best.unwrap_or(highest).reshape([channels]).0
}

/// `x` in as many rows as there are scales, and these as a column.
fn rows<B: Backend>(x: Values<B>, scales: Values<B>) -> (Values<B>, Values<B>) {
    let [count] = scales.extents();
    let length = x.0.shape().num_elements() / count.max(1);
    (x.reshape([count, length]), scales.reshape([count, 1]))
}
