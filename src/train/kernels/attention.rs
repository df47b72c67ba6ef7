//! Attention across channels, softmax(q̂·k̂ᵀ·τ)·v, on the CPU.
//!
//! q̂ and k̂ have unit length along the pixels; dividing the small product by the lengths
//! instead of the rows themselves saves four passes over the picture.

use super::{depthwise::dot, vectorised};

/// Added to squared lengths, so that rows of zeros have a gradient (of zero).
pub(super) const EPSILON: f32 = 1e-24;

/// Rows that are not longer than this have no direction, and so no gradient: rounding to integers
/// makes quiet ones zero.
pub(super) const SILENT: f32 = 1e-9;

/// Pixels that are worked on together: a head's rows of them fit in the first cache.
const BLOCK: usize = 256;

/// Extents: `heads` groups of `channels` rows of `pixels`.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    pub heads: usize,
    pub channels: usize,
    pub pixels: usize,
}

impl Heads {
    /// Length of one head's rows.
    fn rows(&self) -> usize {
        self.channels * self.pixels
    }

    /// Length of one head's attention map.
    fn map(&self) -> usize {
        self.channels * self.channels
    }
}

/// What one head's map is made of.
struct Map {
    /// q·kᵀ / (|q|·|k|), `[c, c]`.
    cosines: Vec<f32>,
    /// Softmax of cosines · τ, `[c, c]`.
    weights: Vec<f32>,
    q_lengths: Vec<f32>,
    k_lengths: Vec<f32>,
}

impl Map {
    #[inline(always)]
    fn of(q: &[f32], k: &[f32], temperature: f32, size: Heads) -> Self {
        let mut cosines = vec![0.0; size.map()];
        products(q, k, size.pixels, &mut cosines);
        let lengths = |rows: &[f32]| -> Vec<f32> {
            rows.chunks_exact(size.pixels).map(|row| (dot(row, row) + EPSILON).sqrt()).collect()
        };
        let (q_lengths, k_lengths) = (lengths(q), lengths(k));
        let mut weights = vec![0.0; size.map()];
        let rows = cosines.chunks_exact_mut(size.channels).zip(weights.chunks_exact_mut(size.channels));
        for ((cosines, weights), q_length) in rows.zip(&q_lengths) {
            cosines.iter_mut().zip(&k_lengths).for_each(|(cosine, length)| *cosine /= q_length * length);
            let highest = cosines.iter().fold(f32::MIN, |max, cosine| max.max(cosine * temperature));
            for (weight, cosine) in weights.iter_mut().zip(cosines.iter()) {
                *weight = (cosine * temperature - highest).exp();
            }
            let total: f32 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= total);
        }
        Self { cosines, weights, q_lengths, k_lengths }
    }
}

/// The attended values, of the shape of `v`.
pub(super) fn attend(q: &[f32], k: &[f32], v: &[f32], temperature: &[f32], size: Heads) -> Vec<f32> {
    let mut out = vec![0.0; v.len()];
    vectorised(
        #[inline(always)]
        || {
            for (index, out) in out.chunks_exact_mut(size.rows()).enumerate() {
                let span = index * size.rows()..(index + 1) * size.rows();
                let temperature = temperature[index % size.heads];
                let map = Map::of(&q[span.clone()], &k[span.clone()], temperature, size);
                mix(&map.weights, &v[span], size.pixels, out);
            }
        },
    );
    out
}

/// The gradients with respect to q, k, v and the temperatures.
pub(super) fn gradients(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    temperature: &[f32],
    gradient: &[f32],
    size: Heads,
) -> [Vec<f32>; 4] {
    let [mut of_q, mut of_k, mut of_v] = [q, k, v].map(|x| vec![0.0; x.len()]);
    let mut of_temperature = vec![0.0; size.heads];
    let c = size.channels;
    vectorised(
        #[inline(always)]
        || {
            for index in 0..v.len() / size.rows() {
                let span = index * size.rows()..(index + 1) * size.rows();
                let (q, k, v) = (&q[span.clone()], &k[span.clone()], &v[span.clone()]);
                let gradient = &gradient[span.clone()];
                let head = index % size.heads;
                let map = Map::of(q, k, temperature[head], size);

                mix(&transposed(&map.weights, c), gradient, size.pixels, &mut of_v[span.clone()]);
                let mut of_scores = vec![0.0; size.map()];
                products(gradient, v, size.pixels, &mut of_scores);
                for (of_scores, weights) in of_scores.chunks_exact_mut(c).zip(map.weights.chunks_exact(c)) {
                    let mean: f32 = of_scores.iter().zip(weights).map(|(g, w)| g * w).sum();
                    of_scores.iter_mut().zip(weights).for_each(|(g, w)| *g = w * (*g - mean));
                }
                of_temperature[head] += of_scores.iter().zip(&map.cosines).map(|(g, x)| g * x).sum::<f32>();

                // ∂cosine/∂q = k̂/|q| − cosine·q̂/|q|, and alike for k.
                let (mut from_k, mut from_q) = (vec![0.0; size.map()], vec![0.0; size.map()]);
                let (mut of_q_length, mut of_k_length) = (vec![0.0; c], vec![0.0; c]);
                for i in 0..c {
                    for j in 0..c {
                        let at = i * c + j;
                        let of_cosine = of_scores[at] * temperature[head];
                        let lengths = [map.q_lengths[i], map.k_lengths[j]];
                        let heard = lengths.iter().all(|length| *length > SILENT);
                        let product = if heard { of_cosine / (lengths[0] * lengths[1]) } else { 0.0 };
                        from_k[at] = product;
                        from_q[j * c + i] = product;
                        of_q_length[i] -= of_cosine * map.cosines[at];
                        of_k_length[j] -= of_cosine * map.cosines[at];
                    }
                }
                let (of_q, of_k) = (&mut of_q[span.clone()], &mut of_k[span]);
                mix(&from_k, k, size.pixels, of_q);
                mix(&from_q, q, size.pixels, of_k);
                add_rows(of_q, q, &of_q_length, &map.q_lengths, size.pixels);
                add_rows(of_k, k, &of_k_length, &map.k_lengths, size.pixels);
            }
        },
    );
    [of_q, of_k, of_v, of_temperature]
}

/// `a·bᵀ` of rows of pixels, added to `out` `[c, c]`.
#[inline(always)]
fn products(a: &[f32], b: &[f32], pixels: usize, out: &mut [f32]) {
    for at in (0..pixels).step_by(BLOCK) {
        let end = pixels.min(at + BLOCK);
        let mut cells = out.iter_mut();
        for a in a.chunks_exact(pixels) {
            for (b, cell) in b.chunks_exact(pixels).zip(&mut cells) {
                *cell += dot(&a[at..end], &b[at..end]);
            }
        }
    }
}

/// `matrix` `[c, c]` times rows of pixels, into zeroed `out`.
#[inline(always)]
fn mix(matrix: &[f32], rows: &[f32], pixels: usize, out: &mut [f32]) {
    let channels = rows.len() / pixels;
    for at in (0..pixels).step_by(BLOCK) {
        let end = pixels.min(at + BLOCK);
        for (weights, out) in matrix.chunks_exact(channels).zip(out.chunks_exact_mut(pixels)) {
            let out = &mut out[at..end];
            for (weight, row) in weights.iter().zip(rows.chunks_exact(pixels)) {
                out.iter_mut().zip(&row[at..end]).for_each(|(out, x)| *out += weight * x);
            }
        }
    }
}

/// The part of a row's gradient that comes through its length.
#[inline(always)]
fn add_rows(out: &mut [f32], rows: &[f32], of_length: &[f32], lengths: &[f32], pixels: usize) {
    let rows = out.chunks_exact_mut(pixels).zip(rows.chunks_exact(pixels));
    for ((out, row), (gradient, length)) in rows.zip(of_length.iter().zip(lengths)) {
        let scale = gradient / (length * length);
        out.iter_mut().zip(row).for_each(|(out, x)| *out += scale * x);
    }
}

fn transposed(matrix: &[f32], side: usize) -> Vec<f32> {
    (0..side * side).map(|at| matrix[at % side * side + at / side]).collect()
}
