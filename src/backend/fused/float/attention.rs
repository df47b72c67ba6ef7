//! Attention over channels in two passes: one makes q, k and v, sums up q·kᵀ and keeps v; the
//! other multiplies v by project_out · map, one matrix.
#![allow(unsafe_code)]

use super::super::crew::Crew;
use super::super::map::{Map, Matrix};
use super::super::memory::{Layout, spread};
use super::super::program;
use super::super::strip::{KEPT, Roll, Tile, Tiles, fill_row, slot};
use super::prompt::KeyRows;
use super::{carve, kernels, product, tiles};
use crate::backend::kernels::float::{
    self, Form, LANES, Product, ROWS, Row, Run, Side, depthwise, gram, squares,
};
use crate::backend::kernels::{Shared, prefetch, prefetch_place};
use std::ops::Range;

/// MDTA, or Φ where k comes from a prompt.
#[derive(Debug)]
pub(in super::super) struct Attention {
    form: Form,
    norm: Option<float::Norm>,
    point: Product,
    kernels: Vec<[f32; 9]>,
    map: Map,
}

/// project_out · map of a picture, times a factor.
#[derive(Debug)]
pub(in super::super) struct Mix {
    product: Product,
    matrix: Matrix,
}

/// What q, k and v are made of.
#[derive(Clone, Copy)]
pub(in super::super) enum Source<'a> {
    /// norm(x), or x where there is no norm.
    Features(&'a [f32]),
    /// y + mix · v.
    Mixed { mix: &'a Mix, v: &'a [f32], y: &'a [f32] },
}

impl Attention {
    /// None where the projection adds something: nothing would do so here.
    pub(in super::super) fn new(
        form: Form,
        norm: Option<&program::Norm>,
        attention: &program::Attention,
    ) -> Option<Self> {
        attention.project_bias.iter().all(|bias| *bias == 0.0).then(|| Self {
            form,
            norm: norm.map(|norm| float::Norm::new(&norm.gain, &norm.bias, norm.epsilon)),
            point: product(form, &attention.point),
            kernels: kernels(&attention.depthwise),
            map: Map::new(attention),
        })
    }

    /// What [`Attention::gather`] makes its matrix in.
    pub(in super::super) fn mix(&self) -> Mix {
        let (channels, matrix) = (self.map.channels(), self.map.matrix());
        Mix { product: Product::new(self.form, &matrix.weights, channels, channels, 1), matrix }
    }

    fn tiles(&self, layout: Layout) -> Tiles {
        let channels = self.map.channels();
        tiles(layout, ROWS * self.point.inputs() + KEPT * self.point.outputs() + ROWS * 2 * channels)
    }

    fn sizes(tile: &Tile) -> Sizes {
        Sizes {
            source: spread(ROWS * tile.read_pixels()),
            kept: spread(KEPT * tile.kept_row()),
            rows: spread(ROWS * tile.pixels()),
        }
    }

    /// Floats that a thread needs of its own.
    pub(in super::super) fn scratch(&self, layout: Layout) -> usize {
        let floats = |tile: &Tile| {
            let Sizes { source, kept, rows } = Self::sizes(tile);
            source * self.point.inputs() + kept * self.point.outputs() + rows * 2 * self.map.channels()
        };
        self.tiles(layout).map(|tile| floats(&tile)).max().unwrap_or(0)
    }

    /// Floats that a thread sums up in.
    pub(in super::super) fn sums(&self) -> usize {
        (self.map.products() + 2 * self.map.channels()) * LANES
    }

    /// Makes v, and the matrix that mixes it, times `factor`.
    ///
    /// # Safety
    /// Nobody else may have v or the sums (as many for each part as [`Attention::sums`] says) in hands.
    pub(in super::super) unsafe fn gather(
        &self,
        crew: &Crew,
        layout: Layout,
        source: Source<'_>,
        key: Option<&KeyRows>,
        (v, sums): (&Shared<'_, f32>, &Shared<'_, f32>),
        (mix, factor): (&mut Mix, f32),
    ) {
        let (tiles, count) = (self.tiles(layout), self.sums());
        // SAFETY: nobody else has them, by the contract above.
        unsafe { sums.part(0, count * crew.parts()) }.fill(0.0);
        crew.rows(layout.height, |turn, rows, scratch| {
            // SAFETY: each part has sums of its own, and one thread.
            let sums = unsafe { sums.part(turn.part * count, count) };
            for ref tile in tiles.clone() {
                let sizes = Self::sizes(tile);
                let mut rest = &mut *scratch;
                let from = carve(&mut rest, sizes.source * self.point.inputs());
                let kept = carve(&mut rest, sizes.kept * self.point.outputs());
                let qk = carve(&mut rest, sizes.rows * 2 * self.map.channels());
                let mut pass =
                    Pass { attention: self, layout, tile, sizes, source, key, v, sums, from, kept, qk };
                pass.roll(rows.clone());
            }
        });
        // SAFETY: the threads are done with them.
        let sums = unsafe { sums.part(0, count * crew.parts()) };
        self.map.solve(sums, count, key.map(KeyRows::squares), factor, &mut mix.matrix);
        mix.product.set(&mix.matrix.weights);
    }
}

impl Mix {
    /// Bytes that it takes.
    pub(in super::super) fn bytes(&self) -> usize {
        self.product.bytes() + self.matrix.bytes()
    }

    /// `add` + mix · v.
    ///
    /// # Safety
    /// Nobody else may have the output in hands.
    pub(in super::super) unsafe fn apply(
        &self,
        crew: &Crew,
        layout: Layout,
        add: &[f32],
        v: &[f32],
        out: &Shared<'_, f32>,
    ) {
        crew.rows(layout.height, |_, rows, _| {
            let mut places = [Row::default(); ROWS];
            for first in rows.clone().step_by(ROWS) {
                let count = (rows.end - first).min(ROWS);
                for row in first + ROWS..rows.end.min(first + 2 * ROWS) {
                    let range = row * layout.row..row * layout.row + layout.width;
                    prefetch(v, layout.channels, layout.plane, range.clone());
                    prefetch(add, layout.channels, layout.plane, range.clone());
                    prefetch_place(out, layout.channels, layout.plane, range);
                }
                for (index, place) in places.iter_mut().enumerate() {
                    let at = (first + index) * layout.row;
                    *place = Row { input: at, output: at, add: at };
                }
                let run = Run {
                    input: v,
                    input_stride: layout.plane,
                    taps: &[0],
                    output: out,
                    output_stride: layout.plane,
                    add: Some((add, layout.plane)),
                    rows: &places[..count],
                    pixels: layout.width.next_multiple_of(LANES),
                };
                // SAFETY: threads have rows of their own.
                unsafe { self.product.run(&run) };
            }
        });
    }
}

/// Floats from one channel to the next.
#[derive(Clone, Copy)]
struct Sizes {
    source: usize,
    kept: usize,
    rows: usize,
}

struct Pass<'a> {
    attention: &'a Attention,
    layout: Layout,
    tile: &'a Tile,
    sizes: Sizes,
    source: Source<'a>,
    key: Option<&'a KeyRows>,
    v: &'a Shared<'a, f32>,
    sums: &'a mut [f32],
    from: &'a mut [f32],
    kept: &'a mut [f32],
    /// Rows of q, and of k where it doesn't come from a prompt.
    qk: &'a mut [f32],
}

impl Pass<'_> {
    /// Asks for what is read and written after these rows were made.
    fn prefetch(&self, rows: &Range<usize>) {
        let Self { layout, tile, .. } = *self;
        let channels = self.attention.map.channels();
        for range in tile.ahead(rows, layout) {
            match self.source {
                Source::Features(x) => prefetch(x, channels, layout.plane, range.clone()),
                Source::Mixed { v, y, .. } => {
                    prefetch(v, channels, layout.plane, range.clone());
                    prefetch(y, channels, layout.plane, range.clone());
                }
            }
            prefetch_place(self.v, channels, layout.plane, range.clone());
            if let Some(key) = self.key {
                prefetch(key.rows(), channels, layout.plane, range);
            }
        }
    }
}

impl Roll for Pass<'_> {
    fn make(&mut self, rows: Range<usize>) {
        self.prefetch(&rows);
        let Self { attention, layout, tile, sizes, .. } = *self;
        let (pixels, kept_row) = (tile.read_pixels(), tile.kept_row());
        let (mut places, mut mixed) = ([Row::default(); ROWS], [Row::default(); ROWS]);
        let mut count = 0;
        for row in rows.clone() {
            if row == 0 || row > layout.height {
                let row = slot(row) * kept_row..(slot(row) + 1) * kept_row;
                fill_row(self.kept, sizes.kept, row, 0.0);
                continue;
            }
            let at = (row - 1) * layout.row + tile.read_first;
            mixed[count] = Row { input: at, output: count * pixels, add: at };
            places[count] =
                Row { input: count * pixels, output: slot(row) * kept_row + Tile::KEPT_FIRST, add: 0 };
            count += 1;
        }
        let (input, input_stride): (&[f32], usize) = match (self.source, &attention.norm) {
            (Source::Features(x), Some(norm)) => {
                for place in &mixed[..count] {
                    let (from, to) =
                        ((x, place.input, layout.plane), (&mut *self.from, place.output, sizes.source));
                    float::norm(attention.form, norm, from, to, pixels);
                }
                (self.from, sizes.source)
            }
            (Source::Features(x), None) => {
                places.iter_mut().zip(mixed).for_each(|(place, mixed)| place.input = mixed.input);
                (x, layout.plane)
            }
            (Source::Mixed { mix, v, y }, _) => {
                let run = Run {
                    input: v,
                    input_stride: layout.plane,
                    taps: &[0],
                    output: &Shared::new(self.from),
                    output_stride: sizes.source,
                    add: Some((y, layout.plane)),
                    rows: &mixed[..count],
                    pixels,
                };
                // SAFETY: these rows are this thread's own.
                unsafe { mix.product.run(&run) };
                (self.from, sizes.source)
            }
        };
        let run = Run {
            input,
            input_stride,
            taps: &[0],
            output: &Shared::new(self.kept),
            output_stride: sizes.kept,
            add: None,
            rows: &places[..count],
            pixels,
        };
        // SAFETY: the kept rows are this thread's own.
        unsafe { attention.point.run(&run) };
        for row in rows {
            tile.frame(self.kept, sizes.kept, slot(row) * kept_row, 0.0);
        }
    }

    fn take(&mut self, rows: Range<usize>, slots: [usize; KEPT]) {
        let Self { attention, layout, tile, sizes, .. } = *self;
        let (pixels, count) = (tile.pixels(), rows.len());
        let channels = attention.map.channels();
        // q, k, v, or q, v.
        let summed = attention.point.outputs() - channels;
        let input = slots.map(|slot| slot * tile.kept_row() + tile.neighbour());
        let kept = self.kept.chunks_exact(sizes.kept).zip(&attention.kernels);
        for (channel, (kept, kernel)) in kept.enumerate() {
            if channel < summed {
                let to = &mut self.qk[channel * sizes.rows..][..sizes.rows];
                let kept_rows = float::Rows { input, output: 0, output_stride: pixels, count, pixels };
                // SAFETY: these rows are this thread's own.
                unsafe { depthwise(attention.form, kernel, kept, &Shared::new(to), &kept_rows) };
                // What lies behind the pixels must not be summed up.
                for row in to[..count * pixels].chunks_exact_mut(pixels) {
                    row[tile.end - tile.first..].fill(0.0);
                }
            } else {
                let output = (channel - summed) * layout.plane + rows.start * layout.row + tile.first;
                let kept_rows = float::Rows { input, output, output_stride: layout.row, count, pixels };
                // SAFETY: threads have rows of their own; a tile's vectors end before the row does.
                unsafe { depthwise(attention.form, kernel, kept, self.v, &kept_rows) };
            }
        }
        let per_head = attention.map.per_head();
        let (products, lengths) = self.sums.split_at_mut(attention.map.products() * LANES);
        let mut q_rows = [0; ROWS];
        let mut k_rows = [0; ROWS];
        for (index, row) in rows.clone().enumerate() {
            q_rows[index] = index * pixels;
            k_rows[index] = row * layout.row + tile.first;
        }
        let (q, k) = self.qk.split_at(channels * sizes.rows);
        for (head, products) in products.chunks_exact_mut(per_head * per_head * LANES).enumerate() {
            let first = head * per_head;
            let q = Side { floats: &q[first * sizes.rows..], stride: sizes.rows, rows: &q_rows[..count] };
            let k = match self.key {
                Some(key) => Side {
                    floats: &key.rows()[first * layout.plane..],
                    stride: layout.plane,
                    rows: &k_rows[..count],
                },
                None => Side { floats: &k[first * sizes.rows..], ..q },
            };
            gram(attention.form, products, per_head, q, k, pixels);
        }
        let summed = summed.min(2 * channels);
        squares(attention.form, &mut lengths[..summed * LANES], self.qk, sizes.rows, count * pixels);
    }
}
