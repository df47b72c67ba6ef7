//! The map of an attention over channels: softmax(q̂·k̂ᵀ·τ), and what it becomes with the projection
//! behind it.

use super::program::Attention;
use crate::backend::kernels::float::LANES;

/// A map at work: its cosines, and the matrix for v that they become.
#[derive(Debug)]
pub(super) struct Matrix {
    /// `[heads, c, c]` of q's rows with k's.
    pub(super) cosines: Vec<f32>,
    /// project_out · map · factor, `[channels, channels]`.
    pub(super) weights: Vec<f32>,
    /// How long q's rows are, then k's.
    lengths: Vec<f32>,
    /// One row of the map.
    row: Vec<f32>,
}

impl Matrix {
    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        let Self { cosines, weights, lengths, row } = self;
        4 * (cosines.len() + weights.len() + lengths.len() + row.len())
    }
}

/// What turns the sums over all pixels into one matrix for v.
#[derive(Clone, Debug)]
pub(super) struct Map {
    heads: usize,
    per_head: usize,
    temperature: Vec<f32>,
    /// `[channels, channels]`.
    project_out: Vec<f32>,
    /// What a row's length is at least.
    epsilon: f32,
}

impl Map {
    pub(super) fn new(attention: &Attention) -> Self {
        let heads = attention.heads.max(1);
        let channels = attention.project_out.len().isqrt();
        Self {
            heads,
            per_head: channels / heads,
            temperature: attention.temperature.clone(),
            project_out: attention.project_out.clone(),
            epsilon: attention.epsilon,
        }
    }

    pub(super) fn channels(&self) -> usize {
        self.heads * self.per_head
    }

    /// Channels of one head.
    pub(super) fn per_head(&self) -> usize {
        self.per_head
    }

    /// What the length of a row is at least.
    pub(super) fn epsilon(&self) -> f32 {
        self.epsilon
    }

    /// Products of rows with rows, of all heads.
    pub(super) fn products(&self) -> usize {
        self.heads * self.per_head * self.per_head
    }

    /// Room for one of a picture.
    pub(super) fn matrix(&self) -> Matrix {
        let channels = self.channels();
        Matrix {
            cosines: vec![0.0; self.products()],
            weights: vec![0.0; channels * channels],
            lengths: vec![0.0; 2 * channels],
            row: vec![0.0; self.per_head],
        }
    }

    /// project_out · map · factor out of the partial sums of threads, `count` each: the products, then
    /// the squares of q's rows and of k's (unless these are given), [`LANES`] partial sums for each.
    pub(super) fn solve(
        &self,
        sums: &[f32],
        count: usize,
        key_squares: Option<&[f64]>,
        factor: f32,
        matrix: &mut Matrix,
    ) {
        let total = |at: usize| -> f32 {
            let parts = sums.chunks_exact(count).flat_map(|sums| &sums[at * LANES..][..LANES]);
            parts.map(|&part| f64::from(part)).sum::<f64>() as f32
        };
        let (channels, products) = (self.channels(), self.products());
        let length = |square: f32| square.sqrt().max(self.epsilon);
        let (q, k) = matrix.lengths.split_at_mut(channels);
        for (row, (q, k)) in q.iter_mut().zip(&mut *k).enumerate() {
            *q = length(total(products + row));
            *k = length(match key_squares {
                Some(squares) => squares[row] as f32,
                None => total(products + channels + row),
            });
        }
        for (row, cosines) in matrix.cosines.chunks_exact_mut(self.per_head).enumerate() {
            let keys = &k[row / self.per_head * self.per_head..];
            for (column, (cosine, key)) in cosines.iter_mut().zip(keys).enumerate() {
                *cosine = total(row * self.per_head + column) / (q[row] * key);
            }
        }
        self.fold(factor, matrix);
    }

    /// project_out · softmax(cosines·τ) · factor.
    pub(super) fn fold(&self, factor: f32, matrix: &mut Matrix) {
        let (channels, per_head) = (self.channels(), self.per_head);
        let Matrix { cosines, weights, row: shares, .. } = matrix;
        weights.fill(0.0);
        for (row, cosines) in cosines.chunks_exact(per_head).enumerate() {
            let head = row / per_head;
            for (share, cosine) in shares.iter_mut().zip(cosines) {
                *share = cosine * self.temperature[head];
            }
            let most = shares.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            shares.iter_mut().for_each(|share| *share = (*share - most).exp());
            let factor = factor / shares.iter().sum::<f32>();
            // Row `row` of the map meets column `row` of the projection.
            let lines = weights.chunks_exact_mut(channels).zip(self.project_out.chunks_exact(channels));
            for (line, projection) in lines {
                let projection = projection[row] * factor;
                for (to, share) in line[head * per_head..].iter_mut().zip(&*shares) {
                    *to += projection * share;
                }
            }
        }
    }
}
