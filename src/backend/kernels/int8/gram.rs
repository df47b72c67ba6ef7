//! Products of rows with each other: what attention over channels is made of.

use super::Byte;
use crate::backend::kernels::vectorised;

/// Pixels whose rows are kept in the nearest cache; their sums stay far below int32's end.
pub(crate) const PART: usize = 512;

/// Rows of one tensor, `pixels` apart.
#[derive(Clone, Copy)]
pub(crate) struct Planes<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) element: Byte,
    pub(crate) zero: i32,
}

impl Planes<'_> {
    /// `count` rows from `first` on, of the pixels from `at` on, less their zero.
    fn read(&self, first: usize, count: usize, pixels: usize, at: usize, length: usize, to: &mut Vec<i16>) {
        let (flip, zero) = (self.element.flip(), self.element.raised(self.zero) as i16);
        to.clear();
        for row in first..first + count {
            let bytes = &self.bytes[row * pixels + at..][..length];
            to.extend(bytes.iter().map(|&byte| i16::from(byte ^ flip) - zero));
        }
    }
}

/// Adds to `sums`, `rows * rows` products of q's rows with k's and then the squares of each, the
/// part of the pixels from `at` on.
pub(crate) fn gram(
    [q, k]: [(Planes<'_>, usize); 2],
    rows: usize,
    pixels: usize,
    at: usize,
    scratch: &mut [Vec<i16>; 2],
    sums: &mut [i64],
) {
    let length = PART.min(pixels - at);
    let [q_rows, k_rows] = scratch;
    q.0.read(q.1, rows, pixels, at, length, q_rows);
    k.0.read(k.1, rows, pixels, at, length, k_rows);
    vectorised(
        #[inline(always)]
        || {
            let (products, squares) = sums.split_at_mut(rows * rows);
            for (row, a) in q_rows.chunks_exact(length).enumerate() {
                for (column, b) in k_rows.chunks_exact(length).enumerate() {
                    products[row * rows + column] += i64::from(dot(a, b));
                }
                squares[row] += i64::from(dot(a, a));
            }
            for (row, b) in k_rows.chunks_exact(length).enumerate() {
                squares[rows + row] += i64::from(dot(b, b));
            }
        },
    );
}

#[inline(always)]
fn dot(a: &[i16], b: &[i16]) -> i32 {
    // At most 512 products of ±255: no sum comes near the end.
    a.iter().zip(b).fold(0, |sum: i32, (&a, &b)| sum.wrapping_add(i32::from(a) * i32::from(b)))
}
