//! Attention across channels, softmax(q̂·k̂ᵀ·τ)·v, and its gradients.

use super::values::Values;
use crate::train::kernels::attention::{EPSILON, SILENT};
use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;

/// What the heads' maps are made of; `c` channels per head.
struct Maps<B: Backend> {
    /// q·kᵀ / (|q|·|k|), `[B, heads, c, c]`.
    cosines: Values<B>,
    /// Softmax of cosines · τ, `[B, heads, c, c]`.
    weights: Values<B>,
    /// |q|, `[B, heads, c, 1]`.
    q_lengths: Values<B>,
    /// |k|, `[B, heads, 1, c]`.
    k_lengths: Values<B>,
}

impl<B: Backend> Maps<B> {
    fn of(q: &Values<B>, k: &Values<B>, temperature: &Values<B>) -> Self {
        let lengths = |rows: &Values<B>| (rows.clone().square().sum(3) + EPSILON).sqrt();
        let (q_lengths, k_lengths) = (lengths(q), lengths(k).transposed());
        let products = q.clone().matmul(k.clone().transposed());
        let cosines = products / (q_lengths.clone() * k_lengths.clone());
        let scores = cosines.clone() * temperature.clone();
        let exponentials = (scores.clone() - scores.max(3)).exp();
        let weights = exponentials.clone() / exponentials.sum(3);
        Self { cosines, weights, q_lengths, k_lengths }
    }
}

/// `[B, C, H, W]` as `[B, heads, c, N]`.
fn rows<B: Backend>(x: FloatTensor<B>, heads: usize) -> Values<B> {
    let x = Values::<B>(x);
    let [batch, channels, height, width] = x.extents();
    x.reshape([batch, heads, channels / heads, height * width])
}

/// τ as `[1, heads, 1, 1]`, and the number of heads.
fn per_head<B: Backend>(temperature: FloatTensor<B>) -> (Values<B>, usize) {
    let temperature = Values::<B>(temperature);
    let [heads] = temperature.extents();
    (temperature.reshape([1, heads, 1, 1]), heads)
}

pub(in super::super) fn attend<B: Backend>(
    q: FloatTensor<B>,
    k: FloatTensor<B>,
    v: FloatTensor<B>,
    temperature: FloatTensor<B>,
) -> FloatTensor<B> {
    let extents = Values::<B>(v.clone()).extents::<4>();
    let (temperature, heads) = per_head::<B>(temperature);
    let [q, k, v] = [q, k, v].map(|x| rows::<B>(x, heads));
    Maps::of(&q, &k, &temperature).weights.matmul(v).reshape(extents).0
}

pub(in super::super) fn attention_gradients<B: Backend>(
    q: FloatTensor<B>,
    k: FloatTensor<B>,
    v: FloatTensor<B>,
    temperature: FloatTensor<B>,
    gradient: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let extents = Values::<B>(v.clone()).extents::<4>();
    let (temperature, heads) = per_head::<B>(temperature);
    let [q, k, v, gradient] = [q, k, v, gradient].map(|x| rows::<B>(x, heads));
    let Maps { cosines, weights, q_lengths, k_lengths } = Maps::of(&q, &k, &temperature);

    let of_v = weights.clone().transposed().matmul(gradient.clone());
    let of_weights = gradient.matmul(v.transposed());
    let mean = (of_weights.clone() * weights.clone()).sum(3);
    let of_scores = (of_weights - mean) * weights;
    let of_temperature = (of_scores.clone() * cosines.clone()).sum(3).sum(2).sum(0).reshape([heads]);

    // ∂cosine/∂q = k̂/|q| − cosine·q̂/|q|, and alike for k.
    let of_cosines = of_scores * temperature;
    let heard = |lengths: &Values<B>| (lengths.clone() - SILENT).positive();
    let products = of_cosines.clone() / (q_lengths.clone() * k_lengths.clone());
    let products = products * heard(&q_lengths) * heard(&k_lengths);
    let through_length = of_cosines * cosines;
    let q_share = through_length.clone().sum(3) / q_lengths.square();
    let k_share = (through_length.sum(2) / k_lengths.square()).transposed();
    let of_q = products.clone().matmul(k.clone()) - q.clone() * q_share;
    let of_k = products.transposed().matmul(q) - k * k_share;
    let [of_q, of_k, of_v] = [of_q, of_k, of_v].map(|x| x.reshape(extents).0);
    (of_q, of_k, of_v, of_temperature.0)
}
