//! PixelShuffle and PixelUnshuffle: what a convolution made goes to its pixels' new places.
#![allow(unsafe_code)]

use super::crew::Crew;
use super::memory::Layout;
use super::program::Resample;
use super::strip::Tile;
use crate::backend::kernels::{Shared, vectorised};
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
    let row_of = |channel: usize, index: usize| &made[channel * plane + index * pixels..][..width];
    for (index, row) in rows.enumerate() {
        // SAFETY: rows that are apart stay so, and so do columns; for all below.
        let line = |start: usize, length: usize| unsafe { out.part(start, length) };
        match resample {
            Resample::Keep => {
                for channel in 0..channels {
                    let start = channel * layout.plane + row * layout.row + tile.first;
                    place(line(start, width), row_of(channel, index), add.map(|add| &add[start..]));
                }
            }
            Resample::Unshuffle(factor) => {
                let (y, dy) = (row / factor, row % factor);
                for channel in 0..channels {
                    let from = row_of(channel, index);
                    for dx in 0..factor {
                        let to = (channel * factor + dy) * factor + dx;
                        // The first column of this tile that is congruent to dx.
                        let skip = (dx + factor - tile.first % factor) % factor;
                        let start = to * layout.plane + y * layout.row + (tile.first + skip) / factor;
                        let count = width.saturating_sub(skip).div_ceil(factor);
                        let add = add.map(|add| &add[start..]);
                        pick(line(start, count), from.get(skip..).unwrap_or(&[]), factor, add);
                    }
                }
            }
            Resample::Shuffle(factor) => {
                for (group, first) in (0..channels).step_by(factor).enumerate() {
                    let (to, dy) = (group / factor, group % factor);
                    let start = to * layout.plane + (row * factor + dy) * layout.row + tile.first * factor;
                    let add = add.map(|add| &add[start..]);
                    let line = line(start, width * factor);
                    match factor {
                        2 => weave(line, [row_of(first, index), row_of(first + 1, index)], add),
                        _ => {
                            for dx in 0..factor {
                                let add = add.map(|add| &add[dx..]);
                                spread(&mut line[dx..], row_of(first + dx, index), factor, add);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Writes values, plus what shall be added.
fn place(line: &mut [f32], values: &[f32], add: Option<&[f32]>) {
    match add {
        None => line.copy_from_slice(values),
        Some(add) => {
            line.iter_mut().zip(values).zip(add).for_each(|((to, value), add)| *to = value + add);
        }
    }
}

/// Writes every `step`th value.
fn pick(line: &mut [f32], values: &[f32], step: usize, add: Option<&[f32]>) {
    vectorised(
        #[inline(always)]
        || match (step, add) {
            (2, None) => {
                let (pairs, last) = values.as_chunks::<2>();
                line.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
                if let ([last], Some(to)) = (last, line.get_mut(pairs.len())) {
                    *to = *last;
                }
            }
            (_, None) => line.iter_mut().zip(values.iter().step_by(step)).for_each(|(to, x)| *to = *x),
            (_, Some(add)) => {
                let values = values.iter().step_by(step).zip(add);
                line.iter_mut().zip(values).for_each(|(to, (x, add))| *to = x + add);
            }
        },
    );
}

/// Writes values to every `step`th place.
fn spread(line: &mut [f32], values: &[f32], step: usize, add: Option<&[f32]>) {
    match add {
        None => line.iter_mut().step_by(step).zip(values).for_each(|(to, x)| *to = *x),
        Some(add) => {
            let places = line.iter_mut().zip(add).step_by(step);
            places.zip(values).for_each(|((to, add), x)| *to = x + add);
        }
    }
}

/// Writes the values of two rows in turns.
fn weave(line: &mut [f32], [a, b]: [&[f32]; 2], add: Option<&[f32]>) {
    let pairs = line.as_chunks_mut::<2>().0;
    vectorised(
        #[inline(always)]
        || match add {
            None => pairs.iter_mut().zip(a.iter().zip(b)).for_each(|(to, (a, b))| *to = [*a, *b]),
            Some(add) => {
                let values = a.iter().zip(b).zip(add.as_chunks::<2>().0);
                pairs.iter_mut().zip(values).for_each(|(to, ((a, b), add))| *to = [a + add[0], b + add[1]]);
            }
        },
    );
}

/// PixelUnshuffle of a value.
///
/// # Safety
/// Nobody else may have the output in hands.
pub(super) unsafe fn unshuffle(
    crew: &Crew,
    factor: usize,
    (layout, x): (Layout, &[f32]),
    (out_layout, out): (Layout, &Shared<'_, f32>),
) {
    let tile =
        Tile { first: 0, end: layout.width, read_first: 0, read_end: layout.width, width: layout.width };
    crew.rows(layout.height, |_, rows, _| {
        for row in rows {
            let made = (&x[row * layout.row..], layout.plane, layout.channels);
            // SAFETY: threads have rows of their own, which stay apart.
            unsafe {
                scatter(Resample::Unshuffle(factor), made, &tile, row..row + 1, None, (out_layout, out))
            };
        }
    });
}
