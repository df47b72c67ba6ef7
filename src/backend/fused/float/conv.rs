//! Convolutions of 1×1 and 3×3 between the blocks, with what moves their pixels.
#![allow(unsafe_code)]

use super::super::crew::Crew;
use super::super::memory::{Layout, spread};
use super::super::program::{Layer, Resample};
use super::super::resample::scatter;
use super::super::strip::{KEPT, Roll, Tile, Tiles, slot};
use super::{carve, product, tiles};
use crate::backend::kernels::float::{Form, LANES, Product, ROWS, Row, Run};
use crate::backend::kernels::{Shared, prefetch};
use std::ops::Range;

/// A convolution of floats.
#[derive(Debug)]
pub(in super::super) struct Conv {
    product: Product,
    taps: usize,
    resample: Resample,
}

impl Conv {
    pub(in super::super) fn new(form: Form, layer: &Layer, resample: Resample) -> Self {
        Self { product: product(form, layer), taps: layer.taps, resample }
    }

    fn tiles(&self, layout: Layout) -> Tiles {
        tiles(layout, KEPT * self.product.inputs() + ROWS * self.product.outputs())
    }

    fn sizes(tile: &Tile) -> Sizes {
        Sizes { kept: spread(KEPT * tile.kept_row()), made: spread(ROWS * tile.pixels()) }
    }

    /// Floats that a thread needs of its own, for an input of this layout.
    pub(in super::super) fn scratch(&self, layout: Layout) -> usize {
        let floats = |tile: &Tile| {
            let Sizes { kept, made } = Self::sizes(tile);
            kept * self.product.inputs() + made * self.product.outputs()
        };
        self.tiles(layout).map(|tile| floats(&tile)).max().unwrap_or(0)
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
        out: (Layout, &Shared<'_, f32>),
    ) {
        let tiles = self.tiles(layout);
        crew.rows(layout.height, |_, rows, scratch| {
            for ref tile in tiles.clone() {
                let sizes = Self::sizes(tile);
                let mut rest = &mut *scratch;
                let kept = carve(&mut rest, sizes.kept * self.product.inputs());
                let made = carve(&mut rest, sizes.made * self.product.outputs());
                let mut pass = Pass { conv: self, layout, tile, sizes, x, add, out, kept, made };
                pass.roll(rows.clone());
            }
        });
    }
}

/// Floats from one channel to the next.
#[derive(Clone, Copy)]
struct Sizes {
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
    kept: &'a mut [f32],
    made: &'a mut [f32],
}

impl Roll for Pass<'_> {
    /// Copies rows, with zeros around the picture. A convolution of 1×1 reads them where they are.
    fn make(&mut self, rows: Range<usize>) {
        let Self { layout, tile, sizes, x, .. } = *self;
        for range in tile.ahead(&rows, layout) {
            prefetch(x, self.conv.product.inputs(), layout.plane, range);
        }
        if self.conv.taps == 1 {
            return;
        }
        let (kept_row, length) = (tile.kept_row(), tile.read_end - tile.read_first);
        for (channel, kept) in self.kept.chunks_exact_mut(sizes.kept).enumerate() {
            for row in rows.clone() {
                let to = &mut kept[slot(row) * kept_row..][..kept_row];
                if row == 0 || row > layout.height {
                    to.fill(0.0);
                    continue;
                }
                let from = channel * layout.plane + (row - 1) * layout.row + tile.read_first;
                to[..Tile::KEPT_FIRST].fill(0.0);
                to[Tile::KEPT_FIRST..][..length].copy_from_slice(&x[from..][..length]);
                to[Tile::KEPT_FIRST + length..][..LANES].fill(0.0);
            }
        }
    }

    fn take(&mut self, rows: Range<usize>, slots: [usize; KEPT]) {
        let Self { conv, layout, tile, sizes, .. } = *self;
        let (out_layout, out) = self.out;
        let in_place = conv.resample == Resample::Keep;
        let own = Shared::new(self.made);
        for (index, row) in rows.clone().enumerate() {
            let at = row * layout.row + tile.first;
            // Rows aren't in order among those that are kept: each has offsets of its own.
            let taps: [usize; 9] = std::array::from_fn(|tap| {
                slots[index + tap / 3] * tile.kept_row() + tile.neighbour() + tap % 3
            });
            let (input, input_stride, start, taps) = match conv.taps {
                1 => (self.x, layout.plane, at, &[0][..]),
                _ => (&*self.kept, sizes.kept, 0, &taps[..]),
            };
            let (output, output_stride, place) = match in_place {
                true => (out, out_layout.plane, at),
                false => (&own, sizes.made, index * tile.pixels()),
            };
            let run = Run {
                input,
                input_stride,
                taps,
                output,
                output_stride,
                add: self.add.filter(|_| in_place).map(|add| (add, out_layout.plane)),
                rows: &[Row { input: start, output: place, add: at }],
                pixels: tile.pixels(),
            };
            // SAFETY: threads have rows of their own; a tile's vectors end before the row does.
            unsafe { conv.product.run(&run) };
        }
        if !in_place {
            let made = (&*self.made, sizes.made, conv.product.outputs());
            // SAFETY: as above: rows apart stay so.
            unsafe { scatter(conv.resample, made, tile, rows, self.add, self.out) };
        }
    }
}
