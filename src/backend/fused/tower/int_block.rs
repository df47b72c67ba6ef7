//! A separable block of integers, chunk by chunk.
#![allow(unsafe_code)]

use super::description::Block;
use super::flat::Flat;
use crate::backend::fused::int::{Numbers, Raised, carve, carve_offsets, multiply, offset_bytes};
use crate::backend::fused::memory::{as_bytes, as_floats, spread};
use crate::backend::kernels::int8::{Byte, Depthwise, Form, NormBytes, Output, Product, Rows, SLACK, TILE};
use crate::backend::kernels::{Shared, vectorised};
use std::ops::Range;

/// x + project·ReLU(expand·norm(depthwise(x))) on bytes; x and what comes out are floats.
#[derive(Debug)]
pub(super) struct IntBlock {
    /// How x is coded, and what is hidden.
    codes: [Raised; 2],
    depthwise: Depthwise,
    norm: NormBytes,
    expand: Product,
    project: Product,
    /// Channels in, and hidden.
    channels: [usize; 2],
}

/// Bytes from one channel to the next.
struct Sizes {
    coded: usize,
    normed: usize,
    /// In floats.
    mixed: usize,
}

impl IntBlock {
    pub(super) fn new(form: Form, block: &Block) -> Option<Self> {
        let depthwise = Numbers::of(&block.depthwise)?;
        let [expand, project] = [Numbers::of(&block.expand)?, Numbers::of(&block.project)?];
        let (norm, (scale, zero)) = (&block.norm, expand.input.pair());
        Some(Self {
            codes: [depthwise.input, project.input],
            depthwise: depthwise.depthwise(form),
            norm: NormBytes::new(form, &norm.gain, &norm.bias, norm.epsilon, scale, zero),
            expand: expand.product(form),
            project: project.product(form),
            channels: [block.expand.inputs, block.expand.outputs],
        })
    }

    fn sizes(&self, flat: &Flat, pixels: usize) -> Sizes {
        Sizes {
            // A row more above and below, and a neighbour at each end.
            coded: (pixels + 2 * flat.row + 2 + SLACK).next_multiple_of(TILE),
            normed: pixels.next_multiple_of(TILE),
            mixed: spread(pixels),
        }
    }

    fn panel(&self) -> usize {
        self.expand.panel().max(self.project.panel())
    }

    /// Floats that one thread needs for so many pixels.
    pub(super) fn scratch(&self, flat: &Flat, pixels: usize) -> usize {
        let (sizes, [channels, hidden]) = (self.sizes(flat, pixels), self.channels);
        let planes = sizes.coded + channels * (sizes.normed + 4 * sizes.mixed) + hidden * sizes.normed;
        let own = offset_bytes(channels) + offset_bytes(hidden) + self.panel();
        (planes + own + 7 * TILE).div_ceil(size_of::<f32>())
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
        scratch: &mut [f32],
    ) {
        let (count, [channels, hidden]) = (pixels.len(), self.channels);
        let sizes = self.sizes(flat, count);
        let mut rest = as_bytes(scratch);
        let mixed = as_floats(carve(&mut rest, 4 * sizes.mixed * channels));
        let coded = carve(&mut rest, sizes.coded);
        let normed = carve(&mut rest, sizes.normed * channels);
        let inner = carve(&mut rest, sizes.normed * hidden);
        let points = carve_offsets(&mut rest, channels, sizes.normed);
        let hiddens = carve_offsets(&mut rest, hidden, sizes.normed);
        let panel = carve(&mut rest, self.panel());

        let at = flat.first + pixels.start;
        let around = at - flat.row - 1..at + count + flat.row + 1;
        let [code, inner_code] = self.codes;
        // What is between rows is zero, which is coded as the zero that a convolution is padded with.
        for (channel, x) in x.chunks_exact(flat.plane).enumerate() {
            code.encode(&x[around.clone()], coded);
            let rows = [0, flat.row, 2 * flat.row, 0, 0, 0];
            let output = Output::Floats(Shared::new(&mut mixed[channel * sizes.mixed..][..sizes.mixed]));
            // SAFETY: what is mixed is this thread's own.
            unsafe { self.depthwise.rows(channel, coded, rows, 1, count, &output, 0, 0) };
        }
        self.norm.row(mixed, 0, sizes.mixed, normed, sizes.normed, count);
        let inputs = Rows { bytes: normed, offsets: points, element: Byte::U8 };
        let output = inner_code.output(Shared::new(inner));
        // SAFETY: what is hidden is this thread's own.
        unsafe { multiply(&self.expand, &inputs, 0, count, &output, (0, sizes.normed), panel) };
        // What is below zero is coded below the zero.
        rectify(inner, inner_code.zero);
        let inputs = Rows { bytes: inner, offsets: hiddens, element: Byte::U8 };
        let output = Output::Added { values: out.within(0..out.len()), add: x };
        // SAFETY: the caller's promise.
        unsafe {
            multiply(&self.project, &inputs, 0, count, &output, (at, flat.plane), panel);
            flat.clear_gaps(out, &pixels);
        }
    }
}

fn rectify(bytes: &mut [u8], zero: u8) {
    vectorised(
        #[inline(always)]
        || bytes.iter_mut().for_each(|byte| *byte = (*byte).max(zero)),
    );
}
