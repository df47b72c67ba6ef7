//! Convolutions of 1×1 and 3×3 between the blocks on integers, with what moves their pixels.
#![allow(unsafe_code)]

use super::super::crew::Crew;
use super::super::memory::{Layout, as_bytes, as_floats, spread};
use super::super::program::{Layer, Resample};
use super::super::resample::scatter;
use super::super::strip::{KEPT, Roll, Tile, Tiles, slot};
use super::{Numbers, Raised, carve, carve_offsets, kept_row, multiply, offset_bytes, tiles};
use crate::backend::kernels::float::ROWS;
use crate::backend::kernels::int8::{Byte, Form, Output, Product, Rows, TILE};
use crate::backend::kernels::{Shared, prefetch};
use std::ops::Range;

/// A convolution of bytes, which takes and gives floats.
#[derive(Debug)]
pub(in super::super) struct Conv {
    product: Product,
    code: Raised,
    /// The code that the output is rounded to.
    rounding: Option<Raised>,
    resample: Resample,
    inputs: usize,
    outputs: usize,
    taps: usize,
}

impl Conv {
    pub(in super::super) fn new(form: Form, layer: &Layer, resample: Resample) -> Option<Self> {
        // The sums come out as floats, and are rounded afterwards.
        let plain = Layer { output: None, ..layer.clone() };
        let numbers = Numbers::of(&plain)?;
        let (product, code) = (numbers.product(form), numbers.input);
        let rounding = match &layer.output {
            Some(output) => Some(Raised::of(output)?),
            None => None,
        };
        let Layer { outputs, inputs, taps, .. } = *layer;
        Some(Self { product, code, rounding, resample, inputs, outputs, taps })
    }

    fn tiles(&self, layout: Layout) -> Tiles {
        tiles(layout, KEPT * self.inputs + 4 * ROWS * self.outputs)
    }

    fn sizes(tile: &Tile) -> Sizes {
        Sizes { kept_row: kept_row(tile), kept: KEPT * kept_row(tile), made: spread(ROWS * tile.pixels()) }
    }

    /// Floats that a thread needs of its own, for an input of this layout.
    pub(in super::super) fn scratch(&self, layout: Layout) -> usize {
        let bytes = |tile: &Tile| {
            let sizes = Self::sizes(tile);
            let own = offset_bytes(self.inputs * self.taps) + self.product.panel();
            sizes.kept * self.inputs + 4 * sizes.made * self.outputs + own + 3 * TILE
        };
        self.tiles(layout).map(|tile| bytes(&tile)).max().unwrap_or(0).div_ceil(size_of::<f32>())
    }

    /// Runs on x, and adds what shall be added, which lies as the output does.
    ///
    /// # Safety
    /// Nobody else may have the output in hands.
    pub(in super::super) unsafe fn run(
        &self,
        crew: &Crew,
        (layout, x): (Layout, &[f32]),
        add: Option<&[f32]>,
        (out_layout, out): (Layout, &Shared<'_, f32>),
    ) {
        let tiles = self.tiles(layout);
        crew.rows(layout.height, |_, rows, scratch| {
            for ref tile in tiles.clone() {
                let sizes = Self::sizes(tile);
                let mut rest = as_bytes(scratch);
                let kept = carve(&mut rest, sizes.kept * self.inputs);
                let made = as_floats(carve(&mut rest, 4 * sizes.made * self.outputs));
                let offsets = carve_offsets(&mut rest, self.inputs * self.taps, 0);
                let panel = carve(&mut rest, self.product.panel());
                let mut pass = Pass {
                    conv: self,
                    layout,
                    tile,
                    sizes,
                    x,
                    add,
                    out: (out_layout, out),
                    offsets,
                    kept,
                    made,
                    panel,
                };
                pass.roll(rows.clone());
            }
        });
    }
}

/// From one row to the next, and from one channel to the next.
#[derive(Clone, Copy)]
struct Sizes {
    kept_row: usize,
    kept: usize,
    made: usize,
}

struct Pass<'a> {
    conv: &'a Conv,
    layout: Layout,
    tile: &'a Tile,
    sizes: Sizes,
    x: &'a [f32],
    add: Option<&'a [f32]>,
    out: (Layout, &'a Shared<'a, f32>),
    /// Where each input of each tap begins.
    offsets: &'a mut [usize],
    kept: &'a mut [u8],
    made: &'a mut [f32],
    panel: &'a mut [u8],
}

impl Roll for Pass<'_> {
    fn make(&mut self, rows: Range<usize>) {
        let Self { conv, layout, tile, sizes, x, .. } = *self;
        let pixels = tile.read_end - tile.read_first;
        for range in tile.ahead(&rows, layout) {
            prefetch(x, conv.inputs, layout.plane, range);
        }
        for row in rows {
            let start = slot(row) * sizes.kept_row;
            for (channel, kept) in self.kept.chunks_exact_mut(sizes.kept).take(conv.inputs).enumerate() {
                let to = &mut kept[start..][..sizes.kept_row];
                if row == 0 || row > layout.height {
                    to.fill(conv.code.zero);
                    continue;
                }
                let from = &x[channel * layout.plane + (row - 1) * layout.row + tile.read_first..][..pixels];
                conv.code.encode(from, &mut to[Tile::KEPT_FIRST..][..pixels]);
                tile.beyond().for_each(|beyond| to[beyond] = conv.code.zero);
            }
        }
    }

    fn take(&mut self, rows: Range<usize>, slots: [usize; KEPT]) {
        let Self { conv, layout, tile, sizes, .. } = *self;
        let pixels = tile.end - tile.first;
        let (out_layout, out) = self.out;
        let in_place = conv.resample == Resample::Keep && conv.rounding.is_none();
        for (index, row) in rows.clone().enumerate() {
            for (at, offset) in self.offsets.iter_mut().enumerate() {
                let (channel, tap) = (at / conv.taps, at % conv.taps);
                // A single tap is the middle one of nine.
                let (y, x) = if conv.taps == 1 { (1, 1) } else { (tap / 3, tap % 3) };
                *offset = channel * sizes.kept + slots[index + y] * sizes.kept_row + tile.neighbour() + x;
            }
            let inputs = Rows { bytes: self.kept, offsets: self.offsets, element: Byte::U8 };
            let at = row * layout.row + tile.first;
            let (output, place) = match self.add {
                Some(add) if in_place => {
                    (Output::Added { values: out.within(0..out.len()), add }, (at, out_layout.plane))
                }
                None if in_place => (Output::Floats(out.within(0..out.len())), (at, out_layout.plane)),
                _ => (Output::Floats(Shared::new(self.made)), (index * tile.pixels(), sizes.made)),
            };
            // SAFETY: threads have rows of their own.
            unsafe { multiply(&conv.product, &inputs, 0, pixels, &output, place, self.panel) };
        }
        if !in_place {
            if let Some(rounding) = conv.rounding {
                let length = rows.len() * tile.pixels();
                self.made.chunks_exact_mut(sizes.made).for_each(|made| rounding.round(&mut made[..length]));
            }
            let made = (&*self.made, sizes.made, conv.outputs);
            // SAFETY: as above: rows apart stay so.
            unsafe { scatter(conv.resample, made, tile, rows, self.add, self.out) };
        }
    }
}
