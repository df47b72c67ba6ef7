//! PixelShuffle and PixelUnshuffle: what a convolution made goes to its pixels' new places.
#![allow(unsafe_code)]

use super::memory::Layout;
use super::program::Resample;
use super::strip::Tile;
use crate::backend::kernels::Shared;
use std::ops::Range;

/// Writes rows of a tile, `[channels, rows, tile.pixels()]` with channels so far from each other, to where
/// their pixels go, adding what is there to add.
///
/// # Safety
/// Nobody else may have the pixels of these rows in hands.
pub(super) unsafe fn scatter(
    resample: Resample,
    (made, plane, channels): (&[f32], usize, usize),
    tile: &Tile,
    rows: Range<usize>,
    add: Option<&[f32]>,
    (layout, out): (Layout, &Shared<'_, f32>),
) {
    let (pixels, width) = (tile.pixels(), tile.end - tile.first);
    for channel in 0..channels {
        for (index, row) in rows.clone().enumerate() {
            let from = &made[channel * plane + index * pixels..][..width];
            match resample {
                Resample::Keep => {
                    let start = channel * layout.plane + row * layout.row + tile.first;
                    // SAFETY: rows that are apart stay so, and so do columns.
                    place(unsafe { out.part(start, width) }, from.iter(), add.map(|add| &add[start..]), 1);
                }
                Resample::Unshuffle(factor) => {
                    let (y, dy) = (row / factor, row % factor);
                    for dx in 0..factor {
                        let to = (channel * factor + dy) * factor + dx;
                        // The first column of this tile that is congruent to dx.
                        let skip = (dx + factor - tile.first % factor) % factor;
                        let start = to * layout.plane + y * layout.row + (tile.first + skip) / factor;
                        let count = width.saturating_sub(skip).div_ceil(factor);
                        // SAFETY: as above.
                        let line = unsafe { out.part(start, count) };
                        let values = from.get(skip..).unwrap_or(&[]).iter().step_by(factor);
                        place(line, values, add.map(|add| &add[start..]), 1);
                    }
                }
                Resample::Shuffle(factor) => {
                    let (to, dy, dx) =
                        (channel / (factor * factor), channel / factor % factor, channel % factor);
                    let start =
                        to * layout.plane + (row * factor + dy) * layout.row + tile.first * factor + dx;
                    // SAFETY: as above.
                    let line = unsafe { out.part(start, (width - 1) * factor + 1) };
                    place(line, from.iter(), add.map(|add| &add[start..]), factor);
                }
            }
        }
    }
}

/// Puts values at every `step`th place of a line.
fn place<'a>(line: &mut [f32], values: impl Iterator<Item = &'a f32>, add: Option<&[f32]>, step: usize) {
    match (add, step) {
        (None, 1) => line.iter_mut().zip(values).for_each(|(to, value)| *to = *value),
        (None, 2) => line.chunks_mut(2).zip(values).for_each(|(to, value)| to[0] = *value),
        (None, _) => line.iter_mut().step_by(step).zip(values).for_each(|(to, value)| *to = *value),
        (Some(add), _) => {
            let places = line.iter_mut().zip(add).step_by(step);
            places.zip(values).for_each(|((to, add), value)| *to = value + add);
        }
    }
}

/// PixelUnshuffle of a value.
///
/// # Safety
/// Nobody else may have the output in hands.
pub(super) unsafe fn unshuffle(
    factor: usize,
    (layout, x): (Layout, &[f32]),
    (out_layout, out): (Layout, &Shared<'_, f32>),
) {
    let tile =
        Tile { first: 0, end: layout.width, read_first: 0, read_end: layout.width, width: layout.width };
    for row in 0..layout.height {
        for channel in 0..layout.channels {
            let from = &x[channel * layout.plane + row * layout.row..][..tile.pixels()];
            let to = Layout { channels: factor * factor, ..out_layout };
            let first = channel * factor * factor * out_layout.plane;
            // SAFETY: the caller's promise.
            unsafe {
                let out = out.within(first..first + to.floats());
                scatter(Resample::Unshuffle(factor), (from, 0, 1), &tile, row..row + 1, None, (to, &out));
            }
        }
    }
}
