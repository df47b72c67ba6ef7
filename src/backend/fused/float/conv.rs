//! Convolutions of 1×1 and 3×3 between the blocks, with what moves their pixels.
#![allow(unsafe_code)]

use super::super::crew::Crew;
use super::super::memory::{Layout, spread};
use super::super::program::{Layer, Resample};
use super::super::resample::scatter;
use super::super::strip::{KEPT, Tile};
use super::{carve, product, tiles};
use crate::backend::kernels::Shared;
use crate::backend::kernels::float::{Form, LANES, Product, ROWS, Row, Run};

/// A convolution of floats.
#[derive(Debug)]
pub(in super::super) struct Conv {
    product: Product,
    is_point: bool,
    resample: Resample,
}

impl Conv {
    pub(in super::super) fn new(form: Form, layer: &Layer, resample: Resample) -> Self {
        Self { product: product(form, layer), is_point: layer.taps == 1, resample }
    }

    fn tiles(&self, layout: Layout) -> Vec<Tile> {
        tiles(layout, KEPT * self.product.inputs() + ROWS * self.product.outputs())
    }

    /// Floats from one channel to the next: of the input's rows, and of the output's.
    fn sizes(tile: &Tile) -> [usize; 2] {
        [spread(KEPT * tile.kept_row()), spread(ROWS * tile.pixels())]
    }

    /// Floats that a thread needs of its own, for an input of this layout.
    pub(in super::super) fn scratch(&self, layout: Layout) -> usize {
        let floats = |tile: &Tile| {
            let [kept, rows] = Self::sizes(tile);
            kept * self.product.inputs() + rows * self.product.outputs()
        };
        self.tiles(layout).iter().map(floats).max().unwrap_or(0)
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
            for tile in &tiles {
                let [kept_plane, plane] = Self::sizes(tile);
                let mut rest = &mut *scratch;
                let kept = carve(&mut rest, kept_plane * self.product.inputs());
                let made = carve(&mut rest, plane * self.product.outputs());
                for first in rows.clone().step_by(ROWS) {
                    let count = (rows.end - first).min(ROWS);
                    let mut places = [Row::default(); ROWS];
                    let pixels = tile.pixels();
                    let kept_row = tile.kept_row();
                    let taps: [usize; 9] = if self.is_point {
                        [0; 9]
                    } else {
                        std::array::from_fn(|tap| tap / 3 * kept_row + tap % 3)
                    };
                    let (input, input_stride) = if self.is_point {
                        (x, layout.plane)
                    } else {
                        frame(x, layout, tile, first, count, (kept, kept_plane));
                        (&*kept, kept_plane)
                    };
                    for (index, place) in places.iter_mut().enumerate() {
                        let input = if self.is_point {
                            (first + index) * layout.row + tile.first
                        } else {
                            index * kept_row + tile.neighbour()
                        };
                        let at = (first + index) * layout.row + tile.first;
                        let output = if self.resample == Resample::Keep { at } else { index * pixels };
                        *place = Row { input, output, add: at };
                    }
                    let own = Shared::new(made);
                    let kept_in_place = self.resample == Resample::Keep;
                    let run = Run {
                        input,
                        input_stride,
                        taps: &taps[..if self.is_point { 1 } else { 9 }],
                        output: if kept_in_place { out } else { &own },
                        output_stride: if kept_in_place { out_layout.plane } else { plane },
                        add: add.filter(|_| kept_in_place).map(|add| (add, out_layout.plane)),
                        rows: &places[..count],
                        pixels,
                    };
                    // SAFETY: threads have rows of their own; a tile's vectors end before the row does.
                    unsafe { self.product.run(&run) };
                    if !kept_in_place {
                        // SAFETY: as above: rows apart stay so.
                        unsafe {
                            scatter(
                                self.resample,
                                (made, plane, self.product.outputs()),
                                tile,
                                first..first + count,
                                add,
                                (out_layout, out),
                            );
                        }
                    }
                }
            }
        });
    }
}

/// Copies rows from the one above `first` to the one below the last, with zeros around the picture.
fn frame(
    x: &[f32],
    layout: Layout,
    tile: &Tile,
    first: usize,
    count: usize,
    (kept, kept_plane): (&mut [f32], usize),
) {
    let (kept_row, length) = (tile.kept_row(), tile.read_end - tile.read_first);
    for (channel, kept) in kept.chunks_exact_mut(kept_plane).enumerate() {
        for (index, to) in kept.chunks_exact_mut(kept_row).take(count + 2).enumerate() {
            let row = first + index;
            if row == 0 || row > layout.height {
                to.fill(0.0);
                continue;
            }
            let from = &x[channel * layout.plane + (row - 1) * layout.row + tile.read_first..][..length];
            to[..Tile::KEPT_FIRST].fill(0.0);
            to[Tile::KEPT_FIRST..][..length].copy_from_slice(from);
            to[Tile::KEPT_FIRST + length..][..LANES].fill(0.0);
        }
    }
}
