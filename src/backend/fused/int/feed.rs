//! GDFN on integers, with the LayerNorm before it and the sum behind it, in one pass.
#![allow(unsafe_code)]

use super::super::crew::Crew;
use super::super::memory::{Layout, as_bytes, as_floats, spread};
use super::super::program::{Gdfn, Norm, Weights};
use super::super::strip::{KEPT, Roll, Tile, Tiles, fill_row, slot};
use super::{Numbers, Raised, carve, carve_offsets, kept_row, multiply, offset_bytes, tiles};
use crate::backend::kernels::float::{self, LANES, ROWS, Row, Run};
use crate::backend::kernels::int8::{Byte, Depthwise, Form, Gate, NormBytes, Output, Product, Rows, TILE};
use crate::backend::kernels::{Shared, prefetch, prefetch_place};
use std::ops::Range;

/// x + project_out(GELU(a)·b) with a, b = depthwise(point(norm(x))).
#[derive(Debug)]
pub(in super::super) struct Feed {
    norm: NormBytes,
    point: Product,
    depthwise: Depthwise,
    /// How what the first gives is coded.
    code: Raised,
    gate: Gating,
    project_out: Project,
    /// Channels in, and of the gate.
    channels: [usize; 2],
}

/// What makes GELU(a)·b: out of bytes, or of floats, where the depthwise layer gives these.
#[derive(Debug)]
enum Gating {
    Bytes(Raised, Gate),
    Floats(float::Form),
}

/// The last layer, which may be of floats.
#[derive(Debug)]
enum Project {
    Int(Product),
    Float(float::Product),
}

impl Feed {
    pub(in super::super) fn new(forms: (float::Form, Form), norm: &Norm, gdfn: &Gdfn) -> Option<Self> {
        let form = forms.1;
        let (point, depthwise) = (Numbers::of(&gdfn.point)?, Numbers::of(&gdfn.depthwise)?);
        let code = point.output?;
        let (project_out, gated) = match Numbers::of(&gdfn.project_out) {
            Some(numbers) => (Project::Int(numbers.product(form)), Some(numbers.input.pair())),
            None if matches!(gdfn.project_out.weights, Weights::Int { .. }) => return None,
            None => (Project::Float(super::super::float::product(forms.0, &gdfn.project_out)), None),
        };
        let input = point.input.pair();
        let gate = match depthwise.output {
            Some(code) => Gating::Bytes(code, Gate::new(form, code.pair(), code.pair(), gated)),
            None if gated.is_none() => Gating::Floats(forms.0),
            None => return None,
        };
        Some(Self {
            norm: NormBytes::new(form, &norm.gain, &norm.bias, norm.epsilon, input.0, input.1),
            point: point.product(form),
            depthwise: depthwise.depthwise(form),
            gate,
            code,
            project_out,
            channels: [gdfn.point.inputs, gdfn.project_out.inputs],
        })
    }

    fn tiles(&self, layout: Layout) -> Tiles {
        let [channels, hidden] = self.channels;
        tiles(layout, channels + (2 * KEPT + self.gated_bytes() * ROWS) * hidden)
    }

    /// Bytes of a number before the gate.
    fn half_bytes(&self) -> usize {
        match self.gate {
            Gating::Bytes(..) => 1,
            Gating::Floats(_) => size_of::<f32>(),
        }
    }

    /// Bytes that the products work in.
    fn panel(&self) -> usize {
        match &self.project_out {
            Project::Int(product) => product.panel().max(self.point.panel()),
            Project::Float(_) => self.point.panel(),
        }
    }

    /// Bytes of a gated number.
    fn gated_bytes(&self) -> usize {
        match self.project_out {
            Project::Int(_) => 1,
            Project::Float(_) => size_of::<f32>(),
        }
    }

    fn sizes(&self, tile: &Tile) -> Sizes {
        let gated_row = tile.pixels().next_multiple_of(TILE);
        Sizes {
            normed: tile.read_pixels().next_multiple_of(TILE),
            kept_row: kept_row(tile),
            kept: KEPT * kept_row(tile),
            gated_row,
            gated: self.gated_bytes() * spread(ROWS * gated_row),
        }
    }

    /// Floats that a thread needs of its own.
    pub(in super::super) fn scratch(&self, layout: Layout) -> usize {
        let [channels, hidden] = self.channels;
        let bytes = |tile: &Tile| {
            let sizes = self.sizes(tile);
            let halves = self.half_bytes() * 2 * ROWS * sizes.gated_row;
            let own = offset_bytes(channels) + offset_bytes(hidden) + self.panel();
            sizes.normed * channels + (2 * sizes.kept + sizes.gated) * hidden + halves + own + 5 * TILE
        };
        self.tiles(layout).map(|tile| bytes(&tile)).max().unwrap_or(0).div_ceil(size_of::<f32>())
    }

    /// # Safety
    /// Nobody else may have the output in hands.
    pub(in super::super) unsafe fn run(&self, crew: &Crew, layout: Layout, x: &[f32], out: &Shared<'_, f32>) {
        let ([channels, hidden], tiles) = (self.channels, self.tiles(layout));
        crew.rows(layout.height, |_, rows, scratch| {
            for ref tile in tiles.clone() {
                let sizes = self.sizes(tile);
                let mut rest = as_bytes(scratch);
                let normed = carve(&mut rest, sizes.normed * channels);
                let kept = carve(&mut rest, sizes.kept * 2 * hidden);
                let halves = carve(&mut rest, self.half_bytes() * 2 * ROWS * sizes.gated_row);
                let gated = carve(&mut rest, sizes.gated * hidden);
                let points = carve_offsets(&mut rest, channels, sizes.normed);
                let gates = carve_offsets(&mut rest, hidden, sizes.gated);
                let panel = carve(&mut rest, self.panel());
                let mut pass = Pass {
                    feed: self,
                    layout,
                    tile,
                    sizes,
                    x,
                    out,
                    offsets: [points, gates],
                    normed,
                    kept,
                    halves,
                    gated,
                    panel,
                };
                pass.roll(rows.clone());
            }
        });
    }
}

/// Bytes from one row to the next, and from one channel to the next.
#[derive(Clone, Copy)]
struct Sizes {
    normed: usize,
    kept_row: usize,
    kept: usize,
    gated_row: usize,
    gated: usize,
}

struct Pass<'a> {
    feed: &'a Feed,
    layout: Layout,
    tile: &'a Tile,
    sizes: Sizes,
    x: &'a [f32],
    out: &'a Shared<'a, f32>,
    /// Where the channels of the two products begin.
    offsets: [&'a [usize]; 2],
    normed: &'a mut [u8],
    kept: &'a mut [u8],
    /// Rows of a gate and of a value.
    halves: &'a mut [u8],
    gated: &'a mut [u8],
    panel: &'a mut [u8],
}

impl Roll for Pass<'_> {
    fn make(&mut self, rows: Range<usize>) {
        let Self { feed, layout, tile, sizes, .. } = *self;
        let pixels = tile.read_end - tile.read_first;
        let code = feed.code;
        for range in tile.ahead(&rows, layout) {
            prefetch(self.x, feed.channels[0], layout.plane, range.clone());
            prefetch_place(self.out, feed.channels[0], layout.plane, range);
        }
        for row in rows {
            let start = slot(row) * sizes.kept_row;
            if row == 0 || row > layout.height {
                fill_row(self.kept, sizes.kept, start..start + sizes.kept_row, code.zero);
                continue;
            }
            let from = (row - 1) * layout.row + tile.read_first;
            feed.norm.row(self.x, from, layout.plane, self.normed, sizes.normed, pixels);
            let inputs = Rows { bytes: self.normed, offsets: self.offsets[0], element: Byte::U8 };
            let output = code.output(Shared::new(self.kept));
            let place = (start + Tile::KEPT_FIRST, sizes.kept);
            // SAFETY: the kept rows are this thread's own.
            unsafe { multiply(&feed.point, &inputs, 0, pixels, &output, place, self.panel) };
            tile.frame(self.kept, sizes.kept, start, code.zero);
        }
    }

    fn take(&mut self, rows: Range<usize>, slots: [usize; KEPT]) {
        let Self { feed, layout, tile, sizes, .. } = *self;
        let (pixels, count) = (tile.end - tile.first, rows.len());
        let input = slots.map(|slot| slot * sizes.kept_row + tile.neighbour());
        let hidden = feed.channels[1];
        let (gates, values) = self.kept.split_at(hidden * sizes.kept);
        let numbers = count * sizes.gated_row;
        let (gate, value) = self.halves.split_at_mut(feed.half_bytes() * ROWS * sizes.gated_row);
        for (channel, gated) in self.gated.chunks_exact_mut(sizes.gated).take(hidden).enumerate() {
            let ends = [(channel, gates, &mut *gate), (hidden + channel, values, &mut *value)];
            for (layer, kept, half) in ends {
                let kept = &kept[channel * sizes.kept..][..sizes.kept];
                let output = match &feed.gate {
                    Gating::Bytes(code, _) => code.output(Shared::new(half)),
                    Gating::Floats(_) => Output::Floats(Shared::new(as_floats(half))),
                };
                // SAFETY: these rows are this thread's own.
                unsafe {
                    feed.depthwise.rows(layer, kept, input, count, pixels, &output, 0, sizes.gated_row)
                };
            }
            match (&feed.gate, &feed.project_out) {
                (Gating::Bytes(_, gating), Project::Int(_)) => {
                    gating.row(&gate[..numbers], &value[..numbers], &mut gated[..numbers]);
                }
                (Gating::Bytes(_, gating), Project::Float(_)) => {
                    gating.row_f32(&gate[..numbers], &value[..numbers], &mut as_floats(gated)[..numbers]);
                }
                (Gating::Floats(form), _) => {
                    let (gate, value) = (as_floats(gate), as_floats(value));
                    float::gate(*form, &gate[..numbers], &value[..numbers], &mut as_floats(gated)[..numbers]);
                }
            }
        }
        match &feed.project_out {
            Project::Int(product) => {
                let output = Output::Added { values: self.out.within(0..self.out.len()), add: self.x };
                let inputs = Rows { bytes: self.gated, offsets: self.offsets[1], element: Byte::U8 };
                for (index, row) in rows.enumerate() {
                    let place = (row * layout.row + tile.first, layout.plane);
                    // SAFETY: threads have rows of their own.
                    unsafe {
                        multiply(
                            product,
                            &inputs,
                            index * sizes.gated_row,
                            pixels,
                            &output,
                            place,
                            self.panel,
                        )
                    };
                }
            }
            Project::Float(product) => {
                let mut places = [Row::default(); ROWS];
                for (index, (place, row)) in places.iter_mut().zip(rows).enumerate() {
                    let at = row * layout.row + tile.first;
                    *place = Row { input: index * sizes.gated_row, output: at, add: at };
                }
                let run = Run {
                    input: as_floats(self.gated),
                    input_stride: sizes.gated / size_of::<f32>(),
                    taps: &[0],
                    output: self.out,
                    output_stride: layout.plane,
                    add: Some((self.x, layout.plane)),
                    rows: &places[..count],
                    pixels: pixels.next_multiple_of(LANES),
                };
                // SAFETY: threads have rows of their own; a tile's vectors end before the row does.
                unsafe { product.run(&run) };
            }
        }
    }
}
