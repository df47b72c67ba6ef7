//! See [`super::super::Gram`].

use super::mask;
use crate::backend::kernels::int8::FLIP;
use crate::backend::kernels::int8::cosines::{Lanes, Side};
use std::arch::x86_64::*;

/// Adds to the sums of one head of so many channels, in the order that `Gram` has them.
///
/// # Safety
/// All channels' rows have so many pixels, and the processor has these instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(in super::super) unsafe fn gram(
    sums: &mut [Lanes],
    channels: usize,
    q: Side<'_>,
    k: Side<'_>,
    pixels: usize,
) {
    let (products, ends) = sums.split_at_mut(channels * channels);
    let mut run = Run { sums: products, channels, q, k, pixels };
    // SAFETY: there are as many channels; the rest is handed on.
    unsafe {
        let mut row = 0;
        while row < channels {
            match channels - row {
                6.. => {
                    run.columns::<6>(row);
                    row += 6;
                }
                2.. => {
                    run.columns::<2>(row);
                    row += 2;
                }
                _ => {
                    run.columns::<1>(row);
                    row += 1;
                }
            }
        }
        for (side, ends) in [q, k].into_iter().zip(ends.chunks_exact_mut((2 * channels).max(1))) {
            let (own, plain) = ends.split_at_mut(channels);
            for channel in (0..channels).step_by(4) {
                let (own, plain) = (&mut own[channel..], &mut plain[channel..]);
                if own.len() >= 4 {
                    squares::<4>(own, plain, side, channel, pixels);
                } else {
                    for at in 0..own.len() {
                        squares::<1>(&mut own[at..], &mut plain[at..], side, channel + at, pixels);
                    }
                }
            }
        }
    }
}

struct Run<'a> {
    sums: &'a mut [Lanes],
    channels: usize,
    q: Side<'a>,
    k: Side<'a>,
    pixels: usize,
}

impl Run<'_> {
    /// The products of `M` rows of q with all of k.
    ///
    /// # Safety
    /// As [`gram`]; the rows are within the channels.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    #[inline]
    unsafe fn columns<const M: usize>(&mut self, row: usize) {
        let mut column = 0;
        while column < self.channels {
            // SAFETY: the columns are within the channels.
            unsafe {
                match self.channels - column {
                    4.. => {
                        self.block::<M, 4>(row, column);
                        column += 4;
                    }
                    2.. => {
                        self.block::<M, 2>(row, column);
                        column += 2;
                    }
                    _ => {
                        self.block::<M, 1>(row, column);
                        column += 1;
                    }
                }
            }
        }
    }

    /// The products of `M` rows of q with `N` of k.
    ///
    /// # Safety
    /// As [`gram`]; the rows are within the channels.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn block<const M: usize, const N: usize>(&mut self, row: usize, column: usize) {
        let flip = _mm512_set1_epi8(FLIP as i8);
        let mut sums: [[__m512i; N]; M] = std::array::from_fn(|m| {
            std::array::from_fn(|n| load(&self.sums[(row + m) * self.channels + column + n]))
        });
        for (&q_row, &k_row) in self.q.rows.iter().zip(self.k.rows) {
            // SAFETY: the rows have so many pixels; the mask has no more.
            let mut step = |at: usize, mask: Option<__mmask64>| unsafe {
                let q = self.q.bytes.as_ptr().add(q_row + row * self.q.stride + at);
                let k = self.k.bytes.as_ptr().add(k_row + column * self.k.stride + at);
                let k: [__m512i; N] =
                    std::array::from_fn(|n| _mm512_xor_si512(bytes(k.add(n * self.k.stride), mask), flip));
                for (m, sums) in sums.iter_mut().enumerate() {
                    // Beyond the mask it is zero, so it doesn't matter what k is there.
                    let q = bytes(q.add(m * self.q.stride), mask);
                    for (sum, k) in sums.iter_mut().zip(k) {
                        *sum = _mm512_dpbusd_epi32(*sum, q, k);
                    }
                }
            };
            let whole = self.pixels / 64 * 64;
            for at in (0..whole).step_by(64) {
                step(at, None);
            }
            if whole < self.pixels {
                step(whole, Some(mask(self.pixels - whole)));
            }
        }
        for (m, sums) in sums.into_iter().enumerate() {
            for (n, sum) in sums.into_iter().enumerate() {
                store(&mut self.sums[(row + m) * self.channels + column + n], sum);
            }
        }
    }
}

/// The sums of `N` channels, and of their products with themselves.
///
/// # Safety
/// As [`gram`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn squares<const N: usize>(
    own: &mut [Lanes],
    plain: &mut [Lanes],
    side: Side<'_>,
    channel: usize,
    pixels: usize,
) {
    let (flip, one) = (_mm512_set1_epi8(FLIP as i8), _mm512_set1_epi8(1));
    let mut sums: [[__m512i; 2]; N] = std::array::from_fn(|at| [load(&own[at]), load(&plain[at])]);
    for row in side.rows {
        for at in (0..pixels).step_by(64) {
            let mask = mask(pixels - at);
            for (index, [own, plain]) in sums.iter_mut().enumerate() {
                // SAFETY: the rows have so many pixels; the mask has no more.
                let bytes = unsafe {
                    bytes(side.bytes.as_ptr().add(row + (channel + index) * side.stride + at), Some(mask))
                };
                *own = _mm512_dpbusd_epi32(*own, bytes, _mm512_xor_si512(bytes, flip));
                *plain = _mm512_dpbusd_epi32(*plain, bytes, one);
            }
        }
    }
    for (at, [a, b]) in sums.into_iter().enumerate() {
        store(&mut own[at], a);
        store(&mut plain[at], b);
    }
}

/// # Safety
/// 64 bytes, or as many as the mask has, can be read there.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
unsafe fn bytes(from: *const u8, mask: Option<__mmask64>) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe {
        match mask {
            Some(mask) => _mm512_maskz_loadu_epi8(mask, from.cast()),
            None => _mm512_loadu_si512(from.cast()),
        }
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(lanes: &Lanes) -> __m512i {
    // SAFETY: there are sixteen, and so aligned.
    unsafe { _mm512_load_si512(lanes.0.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store(lanes: &mut Lanes, sum: __m512i) {
    // SAFETY: there are sixteen, and so aligned.
    unsafe { _mm512_store_si512(lanes.0.as_mut_ptr().cast(), sum) };
}
