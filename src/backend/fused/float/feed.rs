//! GDFN with the LayerNorm before it and the sum behind it, in one pass: what lies between its
//! convolutions never leaves the cache.
#![allow(unsafe_code)]

use super::super::crew::Crew;
use super::super::memory::{Layout, spread};
use super::super::program::{Gdfn, Norm};
use super::super::strip::{KEPT, Roll, Tile, Tiles, fill_row, slot};
use super::{carve, kernels, product, tiles};
use crate::backend::kernels::float::{self, Form, Product, ROWS, Row, Run, depthwise_gated};
use crate::backend::kernels::{Shared, prefetch, prefetch_place};
use std::ops::Range;

/// x + project_out(GELU(a)·b) with a, b = depthwise(point(norm(x))).
#[derive(Debug)]
pub(in super::super) struct Feed {
    form: Form,
    norm: float::Norm,
    point: Product,
    kernels: Vec<[f32; 9]>,
    project_out: Product,
}

impl Feed {
    pub(in super::super) fn new(form: Form, norm: &Norm, gdfn: &Gdfn) -> Self {
        Self {
            form,
            norm: float::Norm::new(&norm.gain, &norm.bias, norm.epsilon),
            point: product(form, &gdfn.point),
            kernels: kernels(&gdfn.depthwise),
            project_out: product(form, &gdfn.project_out),
        }
    }

    fn tiles(&self, layout: Layout) -> Tiles {
        let floats =
            ROWS * self.point.inputs() + KEPT * self.point.outputs() + ROWS * self.project_out.inputs();
        tiles(layout, floats)
    }

    fn sizes(&self, tile: &Tile) -> Sizes {
        Sizes {
            normed: spread(ROWS * tile.read_pixels()),
            kept: spread(KEPT * tile.kept_row()),
            gated: spread(ROWS * tile.pixels()),
        }
    }

    /// Floats that a thread needs of its own.
    pub(in super::super) fn scratch(&self, layout: Layout) -> usize {
        let floats = |tile: &Tile| {
            let Sizes { normed, kept, gated } = self.sizes(tile);
            normed * self.point.inputs() + kept * self.point.outputs() + gated * self.project_out.inputs()
        };
        self.tiles(layout).map(|tile| floats(&tile)).max().unwrap_or(0)
    }

    /// # Safety
    /// Nobody else may have the output in hands.
    pub(in super::super) unsafe fn run(&self, crew: &Crew, layout: Layout, x: &[f32], out: &Shared<'_, f32>) {
        let tiles = self.tiles(layout);
        crew.rows(layout.height, |_, rows, scratch| {
            for ref tile in tiles.clone() {
                let sizes = self.sizes(tile);
                let mut rest = &mut *scratch;
                let normed = carve(&mut rest, sizes.normed * self.point.inputs());
                let kept = carve(&mut rest, sizes.kept * self.point.outputs());
                let gated = carve(&mut rest, sizes.gated * self.project_out.inputs());
                let mut pass = Pass { feed: self, layout, tile, sizes, x, out, normed, kept, gated };
                pass.roll(rows.clone());
            }
        });
    }
}

/// Floats from one channel to the next.
#[derive(Clone, Copy)]
struct Sizes {
    normed: usize,
    kept: usize,
    gated: usize,
}

struct Pass<'a> {
    feed: &'a Feed,
    layout: Layout,
    tile: &'a Tile,
    sizes: Sizes,
    x: &'a [f32],
    out: &'a Shared<'a, f32>,
    normed: &'a mut [f32],
    kept: &'a mut [f32],
    gated: &'a mut [f32],
}

impl Roll for Pass<'_> {
    fn make(&mut self, rows: Range<usize>) {
        let Self { feed, layout, tile, sizes, .. } = *self;
        let (pixels, kept_row) = (tile.read_pixels(), tile.kept_row());
        for range in tile.ahead(&rows, layout) {
            prefetch(self.x, feed.point.inputs(), layout.plane, range.clone());
            prefetch_place(self.out, feed.point.inputs(), layout.plane, range);
        }
        let mut places = [Row::default(); ROWS];
        let mut count = 0;
        for row in rows.clone() {
            let output = slot(row) * kept_row + Tile::KEPT_FIRST;
            if row == 0 || row > layout.height {
                let row = slot(row) * kept_row..(slot(row) + 1) * kept_row;
                fill_row(self.kept, sizes.kept, row, 0.0);
                continue;
            }
            let from = (self.x, (row - 1) * layout.row + tile.read_first, layout.plane);
            float::norm(feed.form, &feed.norm, from, (self.normed, count * pixels, sizes.normed), pixels);
            places[count] = Row { input: count * pixels, output, add: 0 };
            count += 1;
        }
        let run = Run {
            input: self.normed,
            input_stride: sizes.normed,
            taps: &[0],
            output: &Shared::new(self.kept),
            output_stride: sizes.kept,
            add: None,
            rows: &places[..count],
            pixels,
        };
        // SAFETY: the kept rows are this thread's own.
        unsafe { feed.point.run(&run) };
        for row in rows {
            tile.frame(self.kept, sizes.kept, slot(row) * kept_row, 0.0);
        }
    }

    fn take(&mut self, rows: Range<usize>, slots: [usize; KEPT]) {
        let Self { feed, layout, tile, sizes, .. } = *self;
        let pixels = tile.pixels();
        let kept_rows = float::Rows {
            input: slots.map(|slot| slot * tile.kept_row() + tile.neighbour()),
            output: 0,
            output_stride: pixels,
            count: rows.len(),
            pixels,
        };
        let hidden = feed.project_out.inputs();
        let (gates, values) = self.kept.split_at(hidden * sizes.kept);
        let channels = gates.chunks_exact(sizes.kept).zip(values.chunks_exact(sizes.kept));
        for (index, ((gate, value), gated)) in
            channels.zip(self.gated.chunks_exact_mut(sizes.gated)).enumerate()
        {
            let kernels = [&feed.kernels[index], &feed.kernels[hidden + index]];
            // SAFETY: the gated rows are this thread's own.
            unsafe { depthwise_gated(feed.form, kernels, [gate, value], &Shared::new(gated), &kept_rows) };
        }
        let mut places = [Row::default(); ROWS];
        for (index, (place, row)) in places.iter_mut().zip(rows.clone()).enumerate() {
            let at = row * layout.row + tile.first;
            *place = Row { input: index * pixels, output: at, add: at };
        }
        let run = Run {
            input: self.gated,
            input_stride: sizes.gated,
            taps: &[0],
            output: self.out,
            output_stride: layout.plane,
            add: Some((self.x, layout.plane)),
            rows: &places[..rows.len()],
            pixels,
        };
        // SAFETY: threads have rows of their own; a tile's vectors end before the row does.
        unsafe { feed.project_out.run(&run) };
    }
}
