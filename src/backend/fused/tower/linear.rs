//! A linear layer on one row of numbers: as fast as its weights come out of the memory.
#![allow(unsafe_code)]

use crate::backend::fused::crew::Crew;
use crate::backend::fused::int::Raised;
use crate::backend::fused::memory::as_bytes;
use crate::backend::fused::program::Weights;
use crate::backend::kernels::float::LANES;
use crate::backend::kernels::{Shared, vectorised};

/// Outputs that are summed up at once.
pub(super) const OUTPUTS: usize = 4 * LANES;

/// x·W + b.
#[derive(Debug)]
pub(super) struct Linear {
    inputs: usize,
    outputs: usize,
    packed: Packed,
    bias: Vec<[f32; OUTPUTS]>,
}

/// For each [`OUTPUTS`] outputs: `[inputs, OUTPUTS]`.
#[derive(Debug)]
enum Packed {
    Float(Vec<[f32; OUTPUTS]>),
    Int {
        weights: Vec<[i8; OUTPUTS]>,
        /// What sums are multiplied by.
        multipliers: Vec<[f32; OUTPUTS]>,
        code: Raised,
    },
}

impl Linear {
    /// `weights` are `[inputs, outputs]`; none where they are coded in a way that isn't known.
    pub(super) fn new(weights: &Weights, bias: &[f32]) -> Option<Self> {
        let outputs = bias.len().max(1);
        let (packed, count) = match weights {
            Weights::Float(values) => (Packed::Float(packed(values, outputs)), values.len()),
            Weights::Int { values, scales, input, .. } => {
                let code = Raised::of(input)?;
                let multipliers: Vec<f32> = scales.iter().map(|scale| scale * code.scale).collect();
                let multipliers = packed(&multipliers, outputs);
                (Packed::Int { weights: packed(values, outputs), multipliers, code }, values.len())
            }
        };
        Some(Self { inputs: count / outputs, outputs, packed, bias: self::packed(bias, outputs) })
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Floats that one thread needs.
    pub(super) fn scratch(&self) -> usize {
        self.inputs.div_ceil(size_of::<f32>())
    }

    /// Makes a row of all inputs.
    pub(super) fn run(&self, crew: &Crew, x: &[f32], to: &mut [f32]) {
        let to = Shared::new(to);
        crew.each(self.bias.len(), |_, block, scratch| {
            let rows = block * self.inputs..(block + 1) * self.inputs;
            let sums = match &self.packed {
                Packed::Float(weights) => floats(x, &weights[rows], self.bias[block]),
                Packed::Int { weights, multipliers, code } => {
                    let bytes = &mut as_bytes(scratch)[..self.inputs];
                    code.encode(x, bytes);
                    let sums = integers(bytes, i32::from(code.zero), &weights[rows]);
                    let (multipliers, bias) = (&multipliers[block], &self.bias[block]);
                    std::array::from_fn(|at| sums[at] as f32 * multipliers[at] + bias[at])
                }
            };
            // SAFETY: each block has numbers of its own.
            unsafe { to.part(block * OUTPUTS, OUTPUTS) }.copy_from_slice(&sums);
        });
    }
}

/// Rows of so many numbers in blocks of columns, zeros in what is left of the last.
fn packed<T: Copy + Default>(values: &[T], columns: usize) -> Vec<[T; OUTPUTS]> {
    let part = |row: &[T], block: usize| -> [T; OUTPUTS] {
        std::array::from_fn(|column| row.get(block * OUTPUTS + column).copied().unwrap_or_default())
    };
    let rows = values.chunks_exact(columns);
    let blocks = 0..columns.div_ceil(OUTPUTS);
    blocks.flat_map(|block| rows.clone().map(move |row| part(row, block))).collect()
}

fn floats(x: &[f32], weights: &[[f32; OUTPUTS]], mut sums: [f32; OUTPUTS]) -> [f32; OUTPUTS] {
    vectorised(
        #[inline(always)]
        || {
            for (x, weights) in x.iter().zip(weights) {
                sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += x * weight);
            }
            sums
        },
    )
}

fn integers(bytes: &[u8], zero: i32, weights: &[[i8; OUTPUTS]]) -> [i32; OUTPUTS] {
    vectorised(
        #[inline(always)]
        || {
            let mut sums = [0i32; OUTPUTS];
            for (byte, weights) in bytes.iter().zip(weights) {
                let x = i32::from(*byte) - zero;
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    // The file was read only if no sum is too large.
                    *sum = sum.wrapping_add(x * i32::from(*weight));
                }
            }
            sums
        },
    )
}
