//! A matrix of weights times rows of pixels: 1x1 convolutions, and others by rows that are
//! shifted against each other.
#![allow(unsafe_code)]

use super::{Byte, Finish, Form, Output, TILE, portable};

/// Weights `[outputs, inputs]` as the kernels take them.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    /// For each output, groups of four inputs' weights; zeros fill the last.
    pub(super) weights: Vec<[i8; 4]>,
    pub(super) inputs: usize,
    pub(super) finish: Vec<Finish>,
    /// Whether no output comes near the ends of int32.
    pub(super) bounded: bool,
    form: Form,
}

impl Product {
    /// `weights` are rows of `inputs` numbers, one for each output; `biases` are in steps of the
    /// sums, `zero` is the activations' as uint8.
    pub(crate) fn new(form: Form, weights: &[i8], biases: &[i32], multipliers: &[f32], zero: i32) -> Self {
        let outputs = multipliers.len().max(1);
        let inputs = weights.len() / outputs;
        let rows = weights.chunks_exact(inputs.max(1));
        let packed = rows.clone().flat_map(|row| {
            row.chunks(4).map(|group| std::array::from_fn(|at| group.get(at).copied().unwrap_or(0)))
        });
        let finish = rows
            .clone()
            .zip(biases)
            .zip(multipliers)
            .map(|((row, &bias), &multiplier)| Finish::new(row, bias, multiplier, zero));
        let finish: Vec<_> = finish.collect();
        let bounded = finish.iter().all(|finish| finish.bounded);
        Self { weights: packed.collect(), inputs, finish, bounded, form }
    }

    /// Groups of four inputs.
    pub(super) fn groups(&self) -> usize {
        self.inputs.div_ceil(4)
    }
}

/// Rows of pixels, one for each input of a product.
pub(crate) struct Rows<'a> {
    pub(crate) bytes: &'a [u8],
    /// Where each row starts.
    pub(crate) offsets: &'a [usize],
    pub(crate) element: Byte,
}

impl Product {
    /// Sums up `count` pixels, at most [`TILE`], that start `at` so many bytes behind each row's
    /// start. Output channel c goes to `out_at + c * stride`. `panel` is scratch.
    ///
    /// # Panics
    /// Where a row of the input or the output ends before its last pixel, or there are not as many as
    /// inputs.
    ///
    /// # Safety
    /// No other thread may have the same pixels of the output in hands.
    pub(crate) unsafe fn tile(
        &self,
        rows: &Rows<'_>,
        at: usize,
        count: usize,
        output: &Output<'_>,
        (out_at, stride): (usize, usize),
        panel: &mut Vec<u8>,
    ) {
        assert!(count <= TILE && rows.offsets.len() == self.inputs);
        let last = rows.offsets.iter().copied().max().unwrap_or(0);
        assert!(last + at + count <= rows.bytes.len(), "a row is too short");
        let Some(furthest) = self.finish.len().checked_sub(1) else { return };
        assert!(out_at + furthest * stride + count <= output.len(), "the output is too short");
        match self.form {
            // SAFETY: handed on.
            Form::Portable => unsafe { portable::product(self, rows, at, count, output, (out_at, stride)) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the rows and the output were checked above; this form was chosen because the
            // processor has it. The rest is handed on.
            Form::Vnni => unsafe {
                super::vnni::product(self, rows, at, count, output, (out_at, stride), panel)
            },
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = panel;
    }
}
