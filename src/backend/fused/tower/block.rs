//! A separable block of floats, chunk by chunk: what lies between its layers never leaves the cache.
#![allow(unsafe_code)]

use super::description;
use super::flat::Flat;
use crate::backend::fused::float::{carve, kernels, product};
use crate::backend::fused::memory::spread;
use crate::backend::kernels::Shared;
use crate::backend::kernels::float::{self, Form, Product, Row, Run};
use std::ops::Range;

/// x + project·ReLU(expand·norm(depthwise(x))).
#[derive(Debug)]
pub(super) struct Block {
    form: Form,
    kernels: Vec<[f32; 9]>,
    norm: float::Norm,
    expand: Product,
    project: Product,
}

impl Block {
    pub(super) fn new(form: Form, block: &description::Block) -> Self {
        let description::Block { depthwise, norm, expand, project } = block;
        Self {
            form,
            kernels: kernels(depthwise),
            norm: float::Norm::new(&norm.gain, &norm.bias, norm.epsilon),
            expand: product(form, expand).rectified(),
            project: product(form, project),
        }
    }

    /// Floats that one thread needs for so many pixels.
    pub(super) fn scratch(&self, pixels: usize) -> usize {
        (2 * self.expand.inputs() + self.expand.outputs()) * spread(pixels)
    }

    /// Makes these pixels.
    ///
    /// # Safety
    /// Nobody else may have them in hands.
    pub(super) unsafe fn run(
        &self,
        flat: &Flat,
        x: &[f32],
        out: &Shared<'_, f32>,
        pixels: Range<usize>,
        mut scratch: &mut [f32],
    ) {
        let (count, stride) = (pixels.len(), spread(pixels.len()));
        let mixed = carve(&mut scratch, self.expand.inputs() * stride);
        let normed = carve(&mut scratch, self.expand.inputs() * stride);
        let hidden = carve(&mut scratch, self.expand.outputs() * stride);
        let at = flat.first + pixels.start;
        // A vector's neighbours above, beside and below it, from the left one on.
        let input = [at - flat.row - 1, at - 1, at + flat.row - 1, 0, 0, 0];
        let rows = float::Rows { input, output: 0, output_stride: stride, count: 1, pixels: count };
        let channels = x.chunks_exact(flat.plane).zip(mixed.chunks_exact_mut(stride));
        for (kernel, (x, mixed)) in self.kernels.iter().zip(channels) {
            // SAFETY: what is mixed is this thread's own.
            unsafe { float::depthwise(self.form, kernel, x, &Shared::new(mixed), &rows) };
        }
        float::norm(self.form, &self.norm, (mixed, 0, stride), (normed, 0, stride), count);
        let expand = Run {
            input: normed,
            input_stride: stride,
            taps: &[0],
            output: &Shared::new(hidden),
            output_stride: stride,
            add: None,
            rows: &[Row::default()],
            pixels: count,
        };
        // SAFETY: what is hidden is this thread's own.
        unsafe { self.expand.run(&expand) };
        let project = Run {
            input: hidden,
            input_stride: stride,
            taps: &[0],
            output: out,
            output_stride: flat.plane,
            add: Some((x, flat.plane)),
            rows: &[Row { input: 0, output: at, add: at }],
            pixels: count,
        };
        // SAFETY: the caller's promise.
        unsafe {
            self.project.run(&project);
            flat.clear_gaps(out, &pixels);
        }
    }
}
