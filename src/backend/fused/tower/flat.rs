//! A picture's planes as single rows of pixels: one number of zero follows each row of the picture,
//! which is the right neighbour of its last pixel and the left one of the next row's first.
//!
//! So kernels run over any vectors of a plane, wherever its rows begin. What they write between the rows
//! is put back to zero.
#![allow(unsafe_code)]

use crate::backend::fused::memory::spread;
use crate::backend::kernels::Shared;
use crate::backend::kernels::float::LANES;
use crate::backend::kernels::int8::TILE;
use std::ops::Range;

/// How planes lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flat {
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    /// Floats from row to row.
    pub(super) row: usize,
    /// Where the first pixel lies in a plane, behind zeros that are the row above it.
    pub(super) first: usize,
    /// Pixels of all rows with what is between them, to whole vectors.
    pub(super) pixels: usize,
    /// Floats from channel to channel.
    pub(super) plane: usize,
}

impl Flat {
    pub(super) fn new(channels: usize, height: usize, width: usize) -> Self {
        let row = width + 1;
        let first = (row + 1).next_multiple_of(LANES);
        let pixels = (height * row).next_multiple_of(LANES);
        // Behind the last vector lies what may be the row below it.
        Self { channels, height, width, row, first, pixels, plane: spread(first + pixels + row + 1) }
    }

    /// Floats that all planes take.
    pub(super) fn floats(&self) -> usize {
        self.channels * self.plane
    }

    /// One for each pixel, zero for what is between rows.
    pub(super) fn shares(&self) -> Vec<f32> {
        let mut shares = vec![1.0; self.pixels];
        self.gaps(0..self.pixels).for_each(|gap| shares[gap].fill(0.0));
        shares
    }

    /// The rows that have some of these pixels: the row, its columns, and how far behind the first of
    /// the pixels they lie.
    pub(super) fn rows(&self, pixels: &Range<usize>) -> impl Iterator<Item = (usize, Range<usize>, usize)> {
        let Range { start, end } = *pixels;
        let (row, width) = (self.row, self.width);
        (start / row..self.height.min(end.div_ceil(row))).filter_map(move |y| {
            let [from, to] = [start, end].map(|pixel| pixel.saturating_sub(y * row).min(width));
            (from < to).then(|| (y, from..to, y * row + from - start))
        })
    }

    /// What of these pixels is none.
    fn gaps(&self, pixels: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let Range { start, end } = pixels;
        let (row, width, height) = (self.row, self.width, self.height);
        let between =
            (start / row..height.min(end.div_ceil(row))).map(move |y| y * row + width..(y + 1) * row);
        let all = between.chain(std::iter::once(height * row..self.pixels));
        all.map(move |gap| gap.start.max(start)..gap.end.min(end)).filter(|gap| !gap.is_empty())
    }

    /// Puts back to zero what of these pixels of all planes is none.
    ///
    /// # Safety
    /// Nobody else may have them in hands.
    pub(super) unsafe fn clear_gaps(&self, planes: &Shared<'_, f32>, pixels: &Range<usize>) {
        for gap in self.gaps(pixels.clone()) {
            for channel in 0..self.channels {
                let start = channel * self.plane + self.first + gap.start;
                // SAFETY: the caller's promise.
                unsafe { planes.part(start, gap.len()) }.fill(0.0);
            }
        }
    }

    /// Splits the pixels into chunks of whole units, as many for each of so many threads.
    pub(super) fn chunks(&self, threads: usize, unit: Unit) -> Chunks {
        let units = self.pixels.div_ceil(unit.pixels);
        let count = units.div_ceil(threads * unit.most).max(1) * threads;
        Chunks { pixels: self.pixels, unit: unit.pixels, units, count: count.min(units) }
    }
}

/// Pixels that kernels work on at once, and how many of those make a chunk: what lies between the layers
/// of a block stays in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pixels: usize,
    most: usize,
}

impl Unit {
    pub(super) const FLOATS: Self = Self { pixels: LANES, most: 8 };
    pub(super) const BYTES: Self = Self { pixels: TILE, most: 4 };
}

/// Parts of a plane's pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunks {
    pixels: usize,
    unit: usize,
    units: usize,
    pub(super) count: usize,
}

impl Chunks {
    pub(super) fn pixels(&self, chunk: usize) -> Range<usize> {
        let start = |chunk: usize| self.pixels.min(self.unit * (self.units * chunk / self.count));
        start(chunk)..start(chunk + 1)
    }

    /// Pixels of the largest.
    pub(super) fn most(&self) -> usize {
        self.unit * self.units.div_ceil(self.count)
    }
}
