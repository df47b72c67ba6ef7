//! The beginning of a stage: each patch of pixels becomes one pixel of more channels.
#![allow(unsafe_code)]

use super::description::{Patches, Stage};
use super::flat::Flat;
use crate::backend::fused::float::{carve, floats};
use crate::backend::fused::memory::spread;
use crate::backend::kernels::float::{self, Form, Product, Row, Run};
use crate::backend::kernels::{Shared, vectorised};
use std::ops::Range;

/// A convolution of floats whose stride is its kernel's side, with a norm of the pixels before it.
#[derive(Debug)]
pub(super) struct Down {
    form: Form,
    norm: Option<float::Norm>,
    inputs: usize,
    side: usize,
    /// Floats that a pixel is made of; one more is always 1 where there is a bias.
    terms: usize,
    product: Product,
}

/// Planes of pixels to be read.
#[derive(Clone, Copy)]
pub(super) struct Planes<'a> {
    pub(super) values: &'a [f32],
    /// Where the first pixel of a plane lies, and how far it is to the next row and the next plane.
    pub(super) first: usize,
    pub(super) row: usize,
    pub(super) plane: usize,
}

impl Down {
    pub(super) fn new(form: Form, stage: &Stage) -> Self {
        let Patches { side, layer, bias } = &stage.patches;
        let terms = layer.inputs * layer.taps;
        let norm = stage.norm.as_ref().map(|norm| float::Norm::new(&norm.gain, &norm.bias, norm.epsilon));
        let rows = floats(layer).chunks_exact(terms).enumerate();
        let with_bias: Vec<f32> =
            rows.flat_map(|(output, row)| row.iter().chain(bias.get(output))).copied().collect();
        let inputs = terms + usize::from(!bias.is_empty());
        let product = Product::new(form, &with_bias, layer.outputs, inputs, 1);
        Self { form, norm, inputs: layer.inputs, side: *side, terms, product }
    }

    /// Floats that one thread needs for so many pixels.
    pub(super) fn scratch(&self, pixels: usize) -> usize {
        2 * self.product.inputs() * spread(pixels)
    }

    /// Makes these pixels of a stage.
    ///
    /// # Safety
    /// Nobody else may have them in hands.
    pub(super) unsafe fn run(
        &self,
        from: Planes<'_>,
        (flat, out): (&Flat, &Shared<'_, f32>),
        pixels: Range<usize>,
        mut scratch: &mut [f32],
    ) {
        let (count, stride) = (pixels.len(), spread(pixels.len()));
        let taken = carve(&mut scratch, self.product.inputs() * stride);
        let normed = carve(&mut scratch, self.product.inputs() * stride);
        take(from, (self.inputs, self.side), flat, &pixels, (taken, stride));
        let input = match &self.norm {
            None => taken,
            Some(norm) => {
                let places = self.side * self.side;
                for place in 0..places {
                    let (at, step) = (place * stride, places * stride);
                    float::norm(self.form, norm, (taken, at, step), (normed, at, step), count);
                }
                normed
            }
        };
        input[self.terms * stride..].fill(1.0);
        let run = Run {
            input,
            input_stride: stride,
            taps: &[0],
            output: out,
            output_stride: flat.plane,
            add: None,
            rows: &[Row { input: 0, output: flat.first + pixels.start, add: 0 }],
            pixels: count,
        };
        // SAFETY: the caller's promise.
        unsafe {
            self.product.run(&run);
            flat.clear_gaps(out, &pixels);
        }
    }
}

/// Puts the pixels of each place in a patch of so many channels and that side behind each other:
/// `[channels, side, side, pixels]`, those of each place so far from the next's.
pub(super) fn take(
    from: Planes<'_>,
    (channels, side): (usize, usize),
    flat: &Flat,
    pixels: &Range<usize>,
    (taken, stride): (&mut [f32], usize),
) {
    for channel in 0..channels {
        for (y, columns, at) in flat.rows(pixels) {
            for dy in 0..side {
                let start = from.first + channel * from.plane + (y * side + dy) * from.row;
                let line = &from.values[start + columns.start * side..start + columns.end * side];
                let first = (channel * side + dy) * side;
                for dx in 0..side {
                    let to = &mut taken[(first + dx) * stride + at..][..columns.len()];
                    every(side, dx, line, to);
                }
            }
        }
    }
}

/// The number at this place of every `step` ones.
fn every(step: usize, place: usize, line: &[f32], to: &mut [f32]) {
    match step {
        2 => of_groups::<2>(place, line, to),
        4 => of_groups::<4>(place, line, to),
        _ => to.iter_mut().zip(line.iter().skip(place).step_by(step)).for_each(|(to, x)| *to = *x),
    }
}

fn of_groups<const N: usize>(place: usize, line: &[f32], to: &mut [f32]) {
    let groups = line.as_chunks::<N>().0;
    vectorised(
        #[inline(always)]
        || to.iter_mut().zip(groups).for_each(|(to, group)| *to = group[place % N]),
    );
}
