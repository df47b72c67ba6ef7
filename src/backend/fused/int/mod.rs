//! Blocks whose layers are computed on integers.
//!
//! Inside a block activations are uint8, whatever the file says: int8 has its first bit flipped,
//! and its zero raised by 128. The stream of features between blocks stays in floats.

mod attention;
mod conv;
mod feed;
mod key;
mod mix;

pub(super) use attention::{Attention, Source};
pub(super) use conv::Conv;
pub(super) use feed::Feed;
pub(super) use key::KeyRows;
pub(super) use mix::Mix;

use super::memory::{Layout, as_offsets};
use super::program::{Code, Layer, Weights};
use super::strip::{Tile, Tiles};
use crate::backend::kernels::int8::{Byte, Coder, Depthwise, Form, Output, Product, Rows, SLACK, TILE};
use crate::backend::kernels::{Shared, vectorised};

/// Bytes that one thread works on between caches: a good part of what a second-level cache of a
/// core holds.
const CACHED: usize = 640 << 10;

/// How bytes inside a block are coded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Raised {
    pub(super) scale: f32,
    /// As uint8.
    pub(super) zero: u8,
}

impl Raised {
    pub(super) fn of(code: &Code) -> Option<Self> {
        let zero = u8::try_from(code.element.raised(code.zero)).ok()?;
        Some(Self { scale: code.scale, zero })
    }

    pub(super) fn pair(self) -> (f32, i32) {
        (self.scale, self.zero.into())
    }

    /// Codes floats.
    pub(super) fn encode(self, values: &[f32], to: &mut [u8]) {
        Coder::new(Byte::U8, self.zero.into()).scaled(values, self.scale.recip(), to);
    }

    /// Moves floats to the nearest that there is a byte for.
    fn round(self, values: &mut [f32]) {
        let zero = f32::from(self.zero);
        let (factor, low, high) = (self.scale.recip(), -zero, 255.0 - zero);
        vectorised(
            #[inline(always)]
            || {
                for value in values {
                    *value = (*value * factor).round_ties_even().clamp(low, high) * self.scale;
                }
            },
        );
    }

    pub(super) fn output(self, values: Shared<'_, u8>) -> Output<'_> {
        Output::Bytes { values, element: Byte::U8, zero: self.zero.into() }
    }
}

/// The numbers of a layer of bytes, and how these are coded.
pub(super) struct Numbers<'a> {
    values: &'a [i8],
    bias: &'a [i32],
    /// What sums are multiplied by.
    multipliers: Vec<f32>,
    pub(super) input: Raised,
    output: Option<Raised>,
}

impl<'a> Numbers<'a> {
    pub(super) fn of(layer: &'a Layer) -> Option<Self> {
        let Weights::Int { values, scales, bias, input } = &layer.weights else { return None };
        let (input, output) = (Raised::of(input)?, layer.output.as_ref().map(Raised::of));
        let output = match output {
            Some(output) => Some(output?),
            None => None,
        };
        let step = output.map_or(1.0, |output| output.scale);
        let multipliers = scales.iter().map(|scale| scale * input.scale / step).collect();
        Some(Self { values, bias, multipliers, input, output })
    }

    pub(super) fn product(&self, form: Form) -> Product {
        Product::new(form, self.values, self.bias, &self.multipliers, self.input.zero.into())
    }

    pub(super) fn depthwise(&self, form: Form) -> Depthwise {
        Depthwise::new(form, self.values, self.bias, &self.multipliers, self.input.zero.into())
    }
}

/// Columns of a picture that are worked on at once where each takes so many bytes.
fn tiles(layout: Layout, bytes_per_column: usize) -> Tiles {
    Tile::split(layout.width, CACHED / bytes_per_column.max(1))
}

/// From one kept row of bytes to the next: kernels read beyond its end.
fn kept_row(tile: &Tile) -> usize {
    (Tile::KEPT_FIRST + tile.read_pixels().max(tile.pixels()) + SLACK).next_multiple_of(TILE)
}

/// Multiplies a row of so many pixels, whose inputs start at `at` behind each of the offsets.
///
/// # Safety
/// Nobody else may have these pixels of the output in hands.
#[allow(unsafe_code)]
pub(super) unsafe fn multiply(
    product: &Product,
    rows: &Rows<'_>,
    at: usize,
    pixels: usize,
    output: &Output<'_>,
    (out_at, stride): (usize, usize),
    panel: &mut [u8],
) {
    for start in (0..pixels).step_by(TILE) {
        let count = TILE.min(pixels - start);
        // SAFETY: handed on.
        unsafe { product.tile(rows, at + start, count, output, (out_at + start, stride), panel) };
    }
}

/// Bytes that [`carve_offsets`] takes for so many.
pub(super) fn offset_bytes(count: usize) -> usize {
    (count * size_of::<usize>()).next_multiple_of(TILE)
}

/// Scratch memory that says where channels begin that are `stride` from each other.
pub(super) fn carve_offsets<'a>(scratch: &mut &'a mut [u8], count: usize, stride: usize) -> &'a mut [usize] {
    let offsets = &mut as_offsets(carve(scratch, offset_bytes(count)))[..count];
    offsets.iter_mut().enumerate().for_each(|(channel, offset)| *offset = channel * stride);
    offsets
}

/// A part of scratch memory; parts don't overlap.
pub(super) fn carve<'a>(scratch: &mut &'a mut [u8], bytes: usize) -> &'a mut [u8] {
    let bytes = bytes.next_multiple_of(TILE).min(scratch.len());
    let (part, rest) = std::mem::take(scratch).split_at_mut(bytes);
    *scratch = rest;
    part
}
