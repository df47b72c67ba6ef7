//! The map of an attention over channels: softmax(q̂·k̂ᵀ·τ), and what it becomes with the projection
//! behind it.

use super::program::Attention;
use crate::backend::kernels::float::LANES;

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

    /// project_out · map · factor out of the partial sums of threads, `count` each: the products, then
    /// the squares of q's rows and of k's (unless these are given), [`LANES`] partial sums for each.
    pub(super) fn solve(
        &self,
        sums: &[f32],
        count: usize,
        key_squares: Option<&[f32]>,
        factor: f32,
        matrix: &mut [f32],
    ) {
        let total = |at: usize| -> f32 {
            let parts = sums.chunks_exact(count).flat_map(|sums| &sums[at * LANES..][..LANES]);
            parts.map(|&part| f64::from(part)).sum::<f64>() as f32
        };
        let (channels, products) = (self.channels(), self.products());
        let length = |square: f32| square.sqrt().max(self.epsilon);
        let q_length: Vec<f32> = (0..channels).map(|row| length(total(products + row))).collect();
        let k_length: Vec<f32> = match key_squares {
            Some(squares) => squares.iter().map(|&square| length(square)).collect(),
            None => (0..channels).map(|row| length(total(products + channels + row))).collect(),
        };
        let cosine = |head: usize, row: usize, column: usize| {
            let first = head * self.per_head;
            let product = total((head * self.per_head + row) * self.per_head + column);
            product / (q_length[first + row] * k_length[first + column])
        };
        self.fold(&cosine, factor, matrix);
    }

    /// project_out · softmax(cosines·τ) · factor.
    pub(super) fn fold(&self, cosine: &dyn Fn(usize, usize, usize) -> f32, factor: f32, matrix: &mut [f32]) {
        let (channels, per_head) = (self.channels(), self.per_head);
        matrix.fill(0.0);
        let mut weights = vec![0.0; per_head];
        for (head, temperature) in self.temperature.iter().enumerate() {
            for row in 0..per_head {
                for (column, weight) in weights.iter_mut().enumerate() {
                    *weight = cosine(head, row, column) * temperature;
                }
                let most = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                weights.iter_mut().for_each(|weight| *weight = (*weight - most).exp());
                let share = factor / weights.iter().sum::<f32>();
                // Row `row` of the map meets column `row` of this head's part of the projection.
                let lines = matrix.chunks_exact_mut(channels).zip(self.project_out.chunks_exact(channels));
                for (line, projection) in lines {
                    let projection = projection[head * per_head + row] * share;
                    for (to, weight) in line[head * per_head..].iter_mut().zip(&weights) {
                        *to += projection * weight;
                    }
                }
            }
        }
    }
}
