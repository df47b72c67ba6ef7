//! A matrix of weights times rows of pixels: 1x1 convolutions, and others by rows that are
//! shifted against each other.
#![allow(unsafe_code)]

use super::{Byte, Finish, Form, Output, TILE, portable};

/// Weights `[outputs, inputs]` as the kernels take them.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    /// For each output, groups of inputs' weights: of four, or of two as int16; zeros fill the last.
    /// Where the form has several [`Form::outputs`], each group is of all of them, and outputs of zeros
    /// fill the last.
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
        let outputs = multipliers.len().min(biases.len());
        let inputs = weights.len() / outputs.max(1);
        let groups = vec![[0; 4]; outputs.next_multiple_of(form.outputs()) * inputs.div_ceil(form.inputs())];
        let finish = vec![Finish::default(); outputs];
        let mut product = Self { weights: groups, inputs, finish, bounded: true, form };
        product.set(weights, biases, multipliers, zero);
        product
    }

    /// Takes other numbers, as many as it was made of.
    pub(crate) fn set(&mut self, weights: &[i8], biases: &[i32], multipliers: &[f32], zero: i32) {
        let rows = weights.chunks_exact(self.inputs.max(1));
        let (groups, beside) = (self.groups(), self.form.outputs());
        for (output, row) in rows.clone().enumerate() {
            let first = output / beside * beside * groups + output % beside;
            let places = self.weights.iter_mut().skip(first).step_by(beside);
            for (group, place) in row.chunks(self.form.inputs()).zip(places) {
                let weight = |at: usize| group.get(at).copied().unwrap_or(0);
                *place = match self.form.inputs() {
                    // A byte's upper half has its sign.
                    2 => [weight(0), weight(0) >> 7, weight(1), weight(1) >> 7],
                    _ => std::array::from_fn(weight),
                };
            }
        }
        let numbers = rows.zip(biases).zip(multipliers);
        for (finish, ((row, &bias), &multiplier)) in self.finish.iter_mut().zip(numbers) {
            *finish = Finish::new(row, bias, multiplier, zero - self.form.lowered());
        }
        self.bounded = self.finish.iter().all(|finish| finish.bounded);
    }

    /// Bytes of scratch memory that [`Product::tile`] takes.
    pub(crate) fn panel(&self) -> usize {
        match self.form {
            Form::Portable => 0,
            // Aligned wherever it lies.
            #[cfg(target_arch = "x86_64")]
            Form::Vnni => self.groups() * 4 * TILE + 63,
            #[cfg(target_arch = "x86_64")]
            Form::Avx2 => self.groups() * 4 * TILE,
            #[cfg(target_arch = "aarch64")]
            Form::Neon | Form::NeonDot => self.groups() * 4 * TILE,
        }
    }

    /// Bytes that it takes itself.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.weights.as_slice()) + size_of_val(self.finish.as_slice())
    }

    /// Groups of inputs.
    pub(super) fn groups(&self) -> usize {
        self.inputs.div_ceil(self.form.inputs())
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
    /// start. Output channel c goes to `out_at + c * stride`. `panel` is scratch, as much as
    /// [`Product::panel`] says.
    ///
    /// # Panics
    /// Where a row of the input or the output ends before its last pixel, there are not as many as
    /// inputs, or the panel is too small.
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
        panel: &mut [u8],
    ) {
        assert!(count <= TILE && rows.offsets.len() == self.inputs);
        let last = rows.offsets.iter().copied().max().unwrap_or(0);
        assert!(last + at + count <= rows.bytes.len(), "a row is too short");
        let Some(furthest) = self.finish.len().checked_sub(1) else { return };
        assert!(out_at + furthest * stride + count <= output.len(), "the output is too short");
        assert!(panel.len() >= self.panel(), "the panel is too small");
        match self.form {
            // SAFETY: handed on.
            Form::Portable => unsafe { portable::product(self, rows, at, count, output, (out_at, stride)) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the rows and the output were checked above; this form was chosen because the
            // processor has it. The rest is handed on.
            Form::Vnni => unsafe {
                super::vnni::product(self, rows, at, count, output, (out_at, stride), panel)
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Form::Avx2 => unsafe {
                super::avx2::product(self, rows, at, count, output, (out_at, stride), panel)
            },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Form::Neon => unsafe {
                super::neon::product::<false>(self, rows, at, count, output, (out_at, stride), panel)
            },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Form::NeonDot => unsafe {
                super::neon::product::<true>(self, rows, at, count, output, (out_at, stride), panel)
            },
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let _ = panel;
    }
}
