//! The way through a picture: strips of rows, in tiles of columns, a few rows at a time.
//!
//! What lies between a convolution of 1×1 and one of 3×3 is kept for six rows only, which the
//! second reads while they are in the cache: the four that are new, and two from before.

use super::memory::Layout;
use crate::backend::kernels::float::{LANES, ROWS};
use std::ops::Range;

/// Rows that are kept.
pub(super) const KEPT: usize = ROWS + 2;

/// Columns that are worked on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    /// Of the output.
    pub(super) first: usize,
    pub(super) end: usize,
    /// Of what the output's 3×3 convolution reads, within the picture.
    pub(super) read_first: usize,
    pub(super) read_end: usize,
    /// Of the whole picture.
    pub(super) width: usize,
}

impl Tile {
    /// Splits columns into tiles, from the left to the right. Inner ones read whole vectors, as many as
    /// `most` pixels and a neighbour on each side need, or two where `most` is less.
    pub(super) fn split(width: usize, most: usize) -> Tiles {
        Tiles { width, first: 0, left: width.div_ceil(most.max(2 * LANES)) }
    }

    /// Pixels of the output, to whole vectors.
    pub(super) fn pixels(&self) -> usize {
        (self.end - self.first).next_multiple_of(LANES)
    }

    /// Pixels that are read, to whole vectors.
    pub(super) fn read_pixels(&self) -> usize {
        (self.read_end - self.read_first).next_multiple_of(LANES)
    }

    /// From one kept row to the next: a vector before its pixels and one behind.
    pub(super) fn kept_row(&self) -> usize {
        self.read_pixels().max(self.pixels()) + 2 * LANES
    }

    /// Where a kept row's first pixel lies in it.
    pub(super) const KEPT_FIRST: usize = LANES;

    /// Where the rows lie that are made next, after these, which are numbered from 1.
    pub(super) fn ahead(
        &self,
        made: &Range<usize>,
        layout: Layout,
    ) -> impl Iterator<Item = Range<usize>> + use<> {
        let (first, end) = (self.read_first, self.read_end);
        let rows = made.end - 1..layout.height.min(made.end - 1 + ROWS);
        rows.map(move |row| row * layout.row + first..row * layout.row + end)
    }

    /// Where the left neighbour of the output's first pixel lies in a kept row.
    pub(super) fn neighbour(&self) -> usize {
        Self::KEPT_FIRST + self.first - self.read_first - 1
    }

    /// Which places of a kept row are beyond the picture, and read: they must be zero.
    pub(super) fn beyond(&self) -> impl Iterator<Item = usize> + use<> {
        let left = (self.first == 0).then_some(Self::KEPT_FIRST - 1);
        let right = (self.read_end == self.width).then_some(Self::KEPT_FIRST + self.width - self.read_first);
        left.into_iter().chain(right)
    }

    /// Puts zeros there, in all channels, which are `plane` from each other, of the kept row that
    /// starts so far in each.
    pub(super) fn frame<T: Copy>(&self, kept: &mut [T], plane: usize, start: usize, zero: T) {
        for beyond in self.beyond() {
            kept.chunks_exact_mut(plane).for_each(|kept| kept[start + beyond] = zero);
        }
    }
}

/// Tiles that are yet to come.
#[derive(Clone, Debug)]
pub(super) struct Tiles {
    width: usize,
    /// The first column of the next.
    first: usize,
    /// As many as they are at most.
    left: usize,
}

impl Iterator for Tiles {
    type Item = Tile;

    fn next(&mut self) -> Option<Tile> {
        let Self { width, first, left } = *self;
        if first >= width {
            return None;
        }
        let share = (width - first).div_ceil(left.max(1));
        let read_first = first.saturating_sub(1);
        let read_end = (read_first + (first + share + 1 - read_first).next_multiple_of(LANES)).min(width);
        // The last column that is read is the neighbour of the last that is written.
        let end = if read_end == width { width } else { read_end - 1 };
        *self = Self { first: end, left: left.saturating_sub(1), ..*self };
        Some(Tile { first, end, read_first, read_end, width })
    }
}

/// Fills a kept row that lies beyond the picture in all channels, which are `plane` from each other.
pub(super) fn fill_row<T: Copy>(kept: &mut [T], plane: usize, row: Range<usize>, zero: T) {
    kept.chunks_exact_mut(plane).for_each(|kept| kept[row.clone()].fill(zero));
}

/// What goes down the rows of a picture.
pub(super) trait Roll {
    /// Makes rows to keep, at most [`ROWS`]; numbered from 1, so that 0 and height + 1 are beyond the
    /// picture. They come in order.
    fn make(&mut self, rows: Range<usize>);

    /// Makes rows of the output, at most [`ROWS`], out of the kept rows from the one above them to
    /// the one below, which lie in these slots.
    fn take(&mut self, rows: Range<usize>, slots: [usize; KEPT]);

    /// Goes down these rows.
    fn roll(&mut self, rows: Range<usize>) {
        let mut made = rows.start;
        for first in rows.clone().step_by(ROWS) {
            let last = rows.end.min(first + ROWS);
            while made < last + 2 {
                // The first two, then four at a time.
                let until = if made < first + 2 { first + 2 } else { last + 2 };
                self.make(made..until);
                made = until;
            }
            self.take(first..last, std::array::from_fn(|row| slot(first + row)));
        }
    }
}

/// Where a kept row, numbered from 1, lies among [`KEPT`].
pub(super) fn slot(row: usize) -> usize {
    row % KEPT
}
