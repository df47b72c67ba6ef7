//! What an attention on integers makes of a picture: project_out · map, one matrix that is rounded to
//! int8, each row with a scale of its own.
#![allow(unsafe_code)]

use super::super::crew::Crew;
use super::super::map::{Map, Matrix};
use super::super::memory::{Layout, as_bytes};
use super::{Raised, carve, carve_offsets, multiply};
use crate::backend::kernels::float::ROWS;
use crate::backend::kernels::int8::{Byte, Form, Gram, Output, Product, Rows};
use crate::backend::kernels::{Shared, prefetch, prefetch_place};
use std::sync::{Mutex, PoisonError};

/// What an attention makes of a picture.
#[derive(Debug)]
pub(in super::super) struct Mix {
    /// project_out · map, times a factor.
    pub(super) product: Product,
    pub(super) matrix: Matrix,
    rounded: Rounded,
    /// Of each thread.
    pub(super) sums: Vec<Mutex<Gram>>,
}

/// A matrix and a bias in integers.
#[derive(Debug)]
struct Rounded {
    weights: Vec<i8>,
    /// In steps of the sums.
    biases: Vec<i32>,
    multipliers: Vec<f32>,
}

/// Steps of a sum that a bias is at most: as good as exact, and far from the end of int32.
const BIAS_STEPS: f32 = (1 << 24) as f32;

impl Mix {
    /// Room for a map's, which so many threads sum up as this one does.
    pub(super) fn new(form: Form, map: &Map, sums: Gram, threads: usize) -> Self {
        let channels = map.channels();
        let rounded = Rounded {
            weights: vec![0; channels * channels],
            biases: vec![0; channels],
            multipliers: vec![0.0; channels],
        };
        let Rounded { weights, biases, multipliers } = &rounded;
        let product = Product::new(form, weights, biases, multipliers, 0);
        let sums = (0..threads).map(|_| Mutex::new(sums.clone())).collect();
        Self { product, matrix: map.matrix(), rounded, sums }
    }

    /// Rounds the matrix, and the bias times the factor, for a v of this code.
    pub(super) fn round(&mut self, bias: &[f32], factor: f32, code: Raised) {
        let channels = bias.len();
        let Rounded { weights, biases, multipliers } = &mut self.rounded;
        let rows = self.matrix.weights.chunks_exact(channels).zip(weights.chunks_exact_mut(channels));
        for (output, (row, rounded)) in rows.enumerate() {
            let most = row.iter().fold(0.0f32, |most, weight| most.max(weight.abs()));
            let bias = factor * bias[output];
            let step = (most / 127.0).max(bias.abs() / (code.scale * BIAS_STEPS));
            let inverse = if step > 0.0 { step.recip() } else { 0.0 };
            for (to, weight) in rounded.iter_mut().zip(row) {
                *to = (weight * inverse).round_ties_even() as i8;
            }
            multipliers[output] = step * code.scale;
            biases[output] = (bias * inverse / code.scale).round_ties_even() as i32;
        }
        self.product.set(weights, biases, multipliers, code.zero.into());
    }

    /// Bytes that it takes.
    pub(in super::super) fn bytes(&mut self) -> usize {
        let Rounded { weights, biases, multipliers } = &self.rounded;
        let rounded = weights.len() + 4 * (biases.len() + multipliers.len());
        let of = |sums: &mut Mutex<Gram>| sums.get_mut().unwrap_or_else(PoisonError::into_inner).bytes();
        let sums: usize = self.sums.iter_mut().map(of).sum();
        self.product.bytes() + self.matrix.bytes() + rounded + sums
    }

    /// `add` + mix · v.
    ///
    /// # Safety
    /// Nobody else may have the output in hands.
    pub(in super::super) unsafe fn apply(
        &self,
        crew: &Crew,
        layout: Layout,
        add: &[f32],
        v: &[u8],
        out: &Shared<'_, f32>,
    ) {
        crew.rows(layout.height, |_, rows, scratch| {
            // What was gathered in has more room than this.
            let mut rest = as_bytes(scratch);
            let offsets = carve_offsets(&mut rest, layout.channels, layout.plane);
            let panel = carve(&mut rest, self.product.panel());
            let inputs = Rows { bytes: v, offsets, element: Byte::U8 };
            let output = Output::Added { values: out.within(0..out.len()), add };
            for row in rows.clone() {
                if row + ROWS < rows.end {
                    let range = (row + ROWS) * layout.row..(row + ROWS) * layout.row + layout.width;
                    prefetch(v, layout.channels, layout.plane, range.clone());
                    prefetch(add, layout.channels, layout.plane, range.clone());
                    prefetch_place(out, layout.channels, layout.plane, range);
                }
                let place = (row * layout.row, layout.plane);
                // SAFETY: threads have rows of their own.
                unsafe { multiply(&self.product, &inputs, place.0, layout.width, &output, place, panel) };
            }
        });
    }
}
