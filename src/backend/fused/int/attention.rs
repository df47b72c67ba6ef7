//! Attention over channels on integers, in two passes: one makes q, k and v, sums up q·kᵀ and keeps
//! v; the other multiplies v by project_out · map, see [`Mix`].
#![allow(unsafe_code)]

use super::super::crew::Crew;
use super::super::map::Map;
use super::super::memory::{Layout, as_bytes, as_floats, spread};
use super::super::program;
use super::super::strip::{KEPT, Roll, Tile, Tiles, fill_row, slot};
use super::key::KeyRows;
use super::mix::Mix;
use super::{Numbers, Raised, carve, carve_offsets, kept_row, multiply, offset_bytes, tiles};
use crate::backend::kernels::float::ROWS;
use crate::backend::kernels::int8::{
    Byte, Depthwise, Form, Gram, NormBytes, Output, Product, Rows, Side, TILE,
};
use crate::backend::kernels::vectorised;
use crate::backend::kernels::{Shared, prefetch, prefetch_place};
use std::ops::Range;
use std::sync::PoisonError;

/// MDTA, or Φ where k comes from a prompt.
#[derive(Debug)]
pub(in super::super) struct Attention {
    form: Form,
    norm: Option<NormBytes>,
    point: Product,
    depthwise: Depthwise,
    /// How what comes in, and what the two give, is coded.
    codes: [Raised; 3],
    key: Option<Raised>,
    map: Map,
    /// What the projection adds.
    bias: Vec<f32>,
    heads: usize,
    /// Of the input and of the first product.
    channels: [usize; 2],
}

/// What q, k and v are made of.
#[derive(Clone, Copy)]
pub(in super::super) enum Source<'a> {
    /// norm(x), or x where there is no norm.
    Features(&'a [f32]),
    /// mix · v - y.
    Mixed { mix: &'a Mix, v: &'a [u8], y: &'a [f32] },
}

impl Attention {
    pub(in super::super) fn new(
        form: Form,
        norm: Option<&program::Norm>,
        attention: &program::Attention,
    ) -> Option<Self> {
        let (point, depthwise) = (Numbers::of(&attention.point)?, Numbers::of(&attention.depthwise)?);
        let input = point.input;
        let norm = norm.map(|norm| {
            NormBytes::new(form, &norm.gain, &norm.bias, norm.epsilon, input.scale, input.zero.into())
        });
        let key = match &attention.key {
            Some(key) => Some(Raised::of(key.output.as_ref()?)?),
            None => None,
        };
        Some(Self {
            form,
            norm,
            codes: [input, point.output?, depthwise.output?],
            point: point.product(form),
            depthwise: depthwise.depthwise(form),
            key,
            map: Map::new(attention),
            bias: attention.project_bias.clone(),
            heads: attention.heads,
            channels: [attention.point.inputs, attention.point.outputs],
        })
    }

    /// What [`Attention::gather`] works in, on so many threads.
    pub(in super::super) fn mix(&self, threads: usize) -> Mix {
        let gram = Gram::new(self.form, self.heads, self.map.per_head());
        Mix::new(self.form, &self.map, gram, threads)
    }

    /// Room for k, where it comes from a prompt.
    pub(in super::super) fn key(&self, layout: Layout) -> Option<KeyRows> {
        self.key.map(|code| KeyRows::new(code, layout))
    }

    fn tiles(&self, layout: Layout) -> Tiles {
        let [inputs, outputs] = self.channels;
        tiles(layout, 5 * inputs + KEPT * outputs + 2 * ROWS * self.map.channels())
    }

    fn sizes(tile: &Tile) -> Sizes {
        let row = tile.pixels().next_multiple_of(TILE);
        Sizes {
            source: tile.read_pixels().next_multiple_of(TILE),
            kept_row: kept_row(tile),
            kept: KEPT * kept_row(tile),
            row,
            rows: spread(ROWS * row),
        }
    }

    /// Floats that a thread needs of its own.
    pub(in super::super) fn scratch(&self, layout: Layout) -> usize {
        let [inputs, outputs] = self.channels;
        let bytes = |tile: &Tile| {
            let sizes = Self::sizes(tile);
            let own = 2 * offset_bytes(inputs) + self.point.panel();
            let summed = sizes.rows * 2 * self.map.channels();
            5 * sizes.source * inputs + sizes.kept * outputs + summed + own + 5 * TILE
        };
        self.tiles(layout).map(|tile| bytes(&tile)).max().unwrap_or(0).div_ceil(size_of::<f32>())
    }

    /// Makes v, and the matrix that mixes it, times `factor`.
    ///
    /// # Safety
    /// Nobody else may have v in hands.
    pub(in super::super) unsafe fn gather(
        &self,
        crew: &Crew,
        layout: Layout,
        source: Source<'_>,
        key: Option<&KeyRows>,
        v: &Shared<'_, u8>,
        (mix, factor): (&mut Mix, f32),
    ) {
        let (tiles, [inputs, outputs]) = (self.tiles(layout), self.channels);
        mix.sums.iter_mut().for_each(|sums| sums.get_mut().unwrap_or_else(PoisonError::into_inner).clear());
        let all_sums = &mix.sums;
        crew.rows(layout.height, |turn, rows, scratch| {
            let Some(sums) = all_sums.get(turn.worker) else { return };
            let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
            for ref tile in tiles.clone() {
                let sizes = Self::sizes(tile);
                let mut rest = as_bytes(scratch);
                let from = carve(&mut rest, sizes.source * inputs);
                let floats = as_floats(carve(&mut rest, 4 * sizes.source * inputs));
                let kept = carve(&mut rest, sizes.kept * outputs);
                let qk = carve(&mut rest, sizes.rows * 2 * self.map.channels());
                let offsets = carve_offsets(&mut rest, inputs, sizes.source);
                let v_offsets = carve_offsets(&mut rest, inputs, layout.plane);
                // The product that mixes a former v has as many inputs.
                let panel = carve(&mut rest, self.point.panel());
                let mut pass = Pass {
                    attention: self,
                    layout,
                    tile,
                    sizes,
                    source,
                    key,
                    v,
                    offsets: [offsets, v_offsets],
                    sums: &mut sums,
                    from,
                    floats,
                    kept,
                    qk,
                    panel,
                };
                pass.roll(rows.clone());
            }
        });
        let mut all = mix.sums.iter_mut().map(|sums| sums.get_mut().unwrap_or_else(PoisonError::into_inner));
        let Some(first) = all.next() else { return };
        all.for_each(|other| first.merge(other));
        let q = self.codes[2].pair();
        let k = key.map_or(q, |key| key.code().pair());
        first.cosines(q, k, self.map.epsilon(), &mut mix.matrix.cosines);
        self.map.fold(factor, &mut mix.matrix);
        mix.round(&self.bias, factor, self.codes[2]);
    }
}

/// Bytes from one row to the next, and from one channel to the next.
#[derive(Clone, Copy)]
struct Sizes {
    source: usize,
    kept_row: usize,
    kept: usize,
    row: usize,
    rows: usize,
}

struct Pass<'a> {
    attention: &'a Attention,
    layout: Layout,
    tile: &'a Tile,
    sizes: Sizes,
    source: Source<'a>,
    key: Option<&'a KeyRows>,
    v: &'a Shared<'a, u8>,
    /// Where the channels begin, of what comes in and of a former v.
    offsets: [&'a [usize]; 2],
    sums: &'a mut Gram,
    from: &'a mut [u8],
    /// As `from`, before it is coded.
    floats: &'a mut [f32],
    kept: &'a mut [u8],
    /// Rows of q, and of k where it doesn't come from a prompt.
    qk: &'a mut [u8],
    panel: &'a mut [u8],
}

impl Pass<'_> {
    /// Brings a row of what comes in, coded, to `from`.
    fn read(&mut self, row: usize, pixels: usize) {
        let Self { attention, layout, tile, sizes, .. } = *self;
        let at = row * layout.row + tile.read_first;
        match (self.source, &attention.norm) {
            (Source::Features(x), Some(norm)) => {
                norm.row(x, at, layout.plane, self.from, sizes.source, pixels);
            }
            (Source::Features(x), None) => {
                for (channel, to) in self.from.chunks_exact_mut(sizes.source).enumerate() {
                    let x = &x[channel * layout.plane + at..][..pixels];
                    attention.codes[0].encode(x, &mut to[..pixels]);
                }
            }
            (Source::Mixed { mix, v, y }, _) => {
                let inputs = Rows { bytes: v, offsets: self.offsets[1], element: Byte::U8 };
                let output = Output::Floats(Shared::new(self.floats));
                // SAFETY: these rows are this thread's own.
                unsafe {
                    multiply(&mix.product, &inputs, at, pixels, &output, (0, sizes.source), self.panel);
                }
                let rows =
                    self.floats.chunks_exact_mut(sizes.source).zip(self.from.chunks_exact_mut(sizes.source));
                for (channel, (error, to)) in rows.enumerate() {
                    let y = &y[channel * layout.plane + at..][..pixels];
                    vectorised(
                        #[inline(always)]
                        || error.iter_mut().zip(y).for_each(|(error, y)| *error -= y),
                    );
                    attention.codes[0].encode(&error[..pixels], &mut to[..pixels]);
                }
            }
        }
    }

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
                prefetch(key.bytes(), channels, layout.plane, range);
            }
        }
    }
}

impl Roll for Pass<'_> {
    fn make(&mut self, rows: Range<usize>) {
        let Self { attention, layout, tile, sizes, .. } = *self;
        let pixels = tile.read_end - tile.read_first;
        let code = attention.codes[1];
        self.prefetch(&rows);
        for row in rows {
            let start = slot(row) * sizes.kept_row;
            if row == 0 || row > layout.height {
                fill_row(self.kept, sizes.kept, start..start + sizes.kept_row, code.zero);
                continue;
            }
            self.read(row - 1, pixels);
            let inputs = Rows { bytes: self.from, offsets: self.offsets[0], element: Byte::U8 };
            let output = code.output(Shared::new(self.kept));
            let place = (start + Tile::KEPT_FIRST, sizes.kept);
            // SAFETY: the kept rows are this thread's own.
            unsafe { multiply(&attention.point, &inputs, 0, pixels, &output, place, self.panel) };
            tile.frame(self.kept, sizes.kept, start, code.zero);
        }
    }

    fn take(&mut self, rows: Range<usize>, slots: [usize; KEPT]) {
        let Self { attention, layout, tile, sizes, .. } = *self;
        let (pixels, count) = (tile.end - tile.first, rows.len());
        let channels = attention.map.channels();
        // q, k, v, or q, v.
        let summed = attention.channels[1] - channels;
        let input = slots.map(|slot| slot * sizes.kept_row + tile.neighbour());
        let code = attention.codes[2];
        for (channel, kept) in self.kept.chunks_exact(sizes.kept).take(attention.channels[1]).enumerate() {
            let (output, at, row) = if channel < summed {
                (code.output(Shared::new(self.qk)), channel * sizes.rows, sizes.row)
            } else {
                let at = (channel - summed) * layout.plane + rows.start * layout.row + tile.first;
                (code.output(self.v.within(0..self.v.len())), at, layout.row)
            };
            // SAFETY: threads have rows of their own.
            unsafe { attention.depthwise.rows(channel, kept, input, count, pixels, &output, at, row) };
        }
        let (q_rows, k_rows): ([usize; ROWS], [usize; ROWS]) = (
            std::array::from_fn(|index| index * sizes.row),
            std::array::from_fn(|index| (rows.start + index) * layout.row + tile.first),
        );
        let (q, k) = self.qk.split_at(channels * sizes.rows);
        let q = Side { bytes: q, stride: sizes.rows, rows: &q_rows[..count] };
        let k = match self.key {
            Some(key) => Side { bytes: key.bytes(), stride: layout.plane, rows: &k_rows[..count] },
            None => Side { bytes: k, ..q },
        };
        self.sums.add(q, k, pixels);
    }
}
