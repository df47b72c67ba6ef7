//! The beginning of a stage on integers.
#![allow(unsafe_code)]

use super::description::{Patches, Stage};
use super::flat::Flat;
use super::patches::{Planes, take};
use crate::backend::fused::int::{Numbers, Raised, carve, carve_offsets, multiply, offset_bytes};
use crate::backend::fused::memory::{as_bytes, as_floats, spread};
use crate::backend::kernels::Shared;
use crate::backend::kernels::int8::{Byte, Form, NormBytes, Output, Product, Rows, TILE};
use std::ops::Range;

/// A convolution of bytes whose stride is its kernel's side, with a norm of the pixels before it; it
/// takes and gives floats.
#[derive(Debug)]
pub(super) struct IntDown {
    coding: Coding,
    inputs: usize,
    side: usize,
    product: Product,
}

/// What makes bytes of pixels.
#[derive(Debug)]
enum Coding {
    Plain(Raised),
    Norm(NormBytes),
}

impl IntDown {
    pub(super) fn new(form: Form, stage: &Stage) -> Option<Self> {
        let Patches { side, layer, .. } = &stage.patches;
        let numbers = Numbers::of(layer)?;
        let (scale, zero) = numbers.input.pair();
        let coding = match &stage.norm {
            None => Coding::Plain(numbers.input),
            Some(norm) => {
                Coding::Norm(NormBytes::new(form, &norm.gain, &norm.bias, norm.epsilon, scale, zero))
            }
        };
        Some(Self { coding, inputs: layer.inputs, side: *side, product: numbers.product(form) })
    }

    /// Numbers that a pixel is made of.
    fn terms(&self) -> usize {
        self.inputs * self.side * self.side
    }

    /// Floats that one thread needs for so many pixels.
    pub(super) fn scratch(&self, pixels: usize) -> usize {
        let taken = 4 * spread(pixels) * self.terms();
        let coded = pixels.next_multiple_of(TILE) * self.terms();
        let bytes = taken + coded + offset_bytes(self.terms()) + self.product.panel() + 3 * TILE;
        bytes.div_ceil(size_of::<f32>())
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
        scratch: &mut [f32],
    ) {
        let (count, terms) = (pixels.len(), self.terms());
        let (stride, row) = (spread(count), count.next_multiple_of(TILE));
        let mut rest = as_bytes(scratch);
        let taken = as_floats(carve(&mut rest, 4 * stride * terms));
        let coded = carve(&mut rest, row * terms);
        let offsets = carve_offsets(&mut rest, terms, row);
        let panel = carve(&mut rest, self.product.panel());
        take(from, (self.inputs, self.side), flat, &pixels, (taken, stride));
        match &self.coding {
            Coding::Plain(code) => {
                for (taken, coded) in taken.chunks_exact(stride).zip(coded.chunks_exact_mut(row)) {
                    code.encode(&taken[..count], coded);
                }
            }
            Coding::Norm(norm) => {
                let places = self.side * self.side;
                for place in 0..places {
                    let to = &mut coded[place * row..];
                    norm.row(taken, place * stride, places * stride, to, places * row, count);
                }
            }
        }
        let inputs = Rows { bytes: coded, offsets, element: Byte::U8 };
        let output = Output::Floats(out.within(0..out.len()));
        let place = (flat.first + pixels.start, flat.plane);
        // SAFETY: the caller's promise.
        unsafe {
            multiply(&self.product, &inputs, 0, count, &output, place, panel);
            flat.clear_gaps(out, &pixels);
        }
    }
}
