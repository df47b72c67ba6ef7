//! The sums over pixels that attention maps are made of: q·kᵀ, |q|² and |k|².

use super::{Form, LANES, load, mul_add, store};
use pulp::{Simd, WithSimd};

/// Rows of q and of k whose products are summed up at once.
const Q: usize = 6;
const K: usize = 4;

/// Channels of one side of a product, so far from each other, and where rows of their pixels begin.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) floats: &'a [f32],
    pub(crate) stride: usize,
    pub(crate) rows: &'a [usize],
}

/// Adds q·kᵀ over rows of so many pixels (a multiple of [`LANES`]) to the sums of one head,
/// `[channels, channels, LANES]`: a vector of partial sums each.
///
/// # Panics
/// Where a row is not within q or k, or the sums are too few.
pub(crate) fn gram(form: Form, sums: &mut [f32], channels: usize, q: Side<'_>, k: Side<'_>, pixels: usize) {
    assert!(pixels.is_multiple_of(LANES) && channels > 0 && q.rows.len() == k.rows.len());
    assert!(sums.len() >= channels * channels * LANES);
    for side in [q, k] {
        let furthest = side.rows.iter().max().unwrap_or(&0);
        assert!(furthest + (channels - 1) * side.stride + pixels <= side.floats.len());
    }
    form.run(Products { channels, sums: sums.as_mut_ptr(), q, k, pixels });
}

/// Adds the squares of each channel's pixels to `[channels, LANES]` sums.
///
/// # Panics
/// Where a channel is not within the rows.
pub(crate) fn squares(form: Form, sums: &mut [f32], rows: &[f32], stride: usize, pixels: usize) {
    let channels = sums.len() / LANES;
    assert!(pixels.is_multiple_of(LANES) && channels > 0);
    assert!((channels - 1) * stride + pixels <= rows.len());
    form.run(Squares { sums, rows: rows.as_ptr(), stride, pixels });
}

struct Products<'a> {
    channels: usize,
    sums: *mut f32,
    q: Side<'a>,
    k: Side<'a>,
    pixels: usize,
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut q = 0;
        while q < self.channels {
            let rows = (self.channels - q).min(Q);
            let mut k = 0;
            while k < self.channels {
                let columns = (self.channels - k).min(K);
                // SAFETY: the rows are within the channels, which were checked.
                unsafe {
                    match (rows, columns) {
                        (6, 4) => products::<S, 6, 4>(simd, &self, q, k),
                        (6, 2) => products::<S, 6, 2>(simd, &self, q, k),
                        (4, 4) => products::<S, 4, 4>(simd, &self, q, k),
                        (3, 3) => products::<S, 3, 3>(simd, &self, q, k),
                        _ => {
                            for row in q..q + rows {
                                for column in k..k + columns {
                                    products::<S, 1, 1>(simd, &self, row, column);
                                }
                            }
                        }
                    }
                }
                k += columns;
            }
            q += rows;
        }
    }
}

/// # Safety
/// `M` rows from the `q`th on and `N` rows from the `k`th on are within the channels.
#[inline(always)]
unsafe fn products<S: Simd, const M: usize, const N: usize>(simd: S, run: &Products<'_>, q: usize, k: usize) {
    // SAFETY: the channels were checked.
    let place = |m: usize, n: usize| unsafe { run.sums.add(((q + m) * run.channels + k + n) * LANES) };
    let mut sums = [[simd.splat_f32s(0.0); N]; M];
    for (m, sums) in sums.iter_mut().enumerate() {
        for (n, sum) in sums.iter_mut().enumerate() {
            // SAFETY: there are `LANES` floats, no vector has more.
            *sum = unsafe { load(simd, place(m, n)) };
        }
    }
    for (&q_row, &k_row) in run.q.rows.iter().zip(run.k.rows) {
        // SAFETY: the rows were checked.
        unsafe {
            let q_row = run.q.floats.as_ptr().add(q_row + q * run.q.stride);
            let k_row = run.k.floats.as_ptr().add(k_row + k * run.k.stride);
            for pixel in (0..run.pixels).step_by(S::F32_LANES) {
                let mut q_pixels = [simd.splat_f32s(0.0); M];
                for (m, q_pixels) in q_pixels.iter_mut().enumerate() {
                    *q_pixels = load(simd, q_row.add(m * run.q.stride + pixel));
                }
                for n in 0..N {
                    let k_pixels = load(simd, k_row.add(n * run.k.stride + pixel));
                    for (sums, q_pixels) in sums.iter_mut().zip(q_pixels) {
                        sums[n] = mul_add(simd, q_pixels, k_pixels, sums[n]);
                    }
                }
            }
        }
    }
    for (m, sums) in sums.iter().enumerate() {
        for (n, sum) in sums.iter().enumerate() {
            // SAFETY: as above.
            unsafe { store(simd, place(m, n), *sum) };
        }
    }
}

struct Squares<'a> {
    sums: &'a mut [f32],
    rows: *const f32,
    stride: usize,
    pixels: usize,
}

impl WithSimd for Squares<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (channel, place) in self.sums.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            // SAFETY: there are `LANES` floats, no vector has more.
            let mut sum = unsafe { load(simd, place.as_ptr()) };
            for pixel in (0..self.pixels).step_by(S::F32_LANES) {
                // SAFETY: the channels were checked.
                let pixels = unsafe { load(simd, self.rows.add(channel * self.stride + pixel)) };
                sum = mul_add(simd, pixels, pixels, sum);
            }
            // SAFETY: as above.
            unsafe { store(simd, place.as_mut_ptr(), sum) };
        }
    }
}
