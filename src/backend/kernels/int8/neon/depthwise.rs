//! See [`super::super::Depthwise`].

use super::BYTES;
use super::dot::dot;
use super::finish::{Bytes, Order, end};
use crate::backend::kernels::int8::depthwise::{Channel, DEPTHWISE_ROWS, Strip};
use crate::backend::kernels::int8::{FLIP, Output};
use std::arch::aarch64::*;
use std::ops::Range;

/// Rows of one channel, see [`super::super::Depthwise::rows`]. `DOT`: by `sdot`.
///
/// # Safety
/// As there; from each input row's start, the pixels up to whole tiles and two more can be read,
/// and the processor has the instructions.
pub(in super::super) unsafe fn depthwise<const DOT: bool>(
    channel: Channel<'_>,
    strip: &Strip<'_>,
    output: &Output<'_>,
) {
    let whole = Bytes::of(output).map_or(0, |_| strip.pixels / BYTES * BYTES);
    // SAFETY: handed on; the rows are as many as there are.
    unsafe {
        if strip.count == DEPTHWISE_ROWS {
            rows::<DOT, DEPTHWISE_ROWS, true>(channel, strip, 0, 0..whole, output);
        } else {
            for first in 0..strip.count {
                rows::<DOT, 1, true>(channel, strip, first, 0..whole, output);
            }
        }
        for first in 0..strip.count {
            rows::<DOT, 1, false>(channel, strip, first, whole..strip.pixels, output);
        }
    }
}

/// These pixels of `N` rows from the first on. `WHOLE`: they are whole vectors, of bytes.
///
/// # Safety
/// As [`depthwise`]; there are as many.
#[inline(always)]
unsafe fn rows<const DOT: bool, const N: usize, const WHOLE: bool>(
    channel: Channel<'_>,
    strip: &Strip<'_>,
    first: usize,
    pixels: Range<usize>,
    output: &Output<'_>,
) {
    if pixels.is_empty() {
        return;
    }
    let run = Run { channel, strip, first, pixels, output };
    let sum = |row: &[i8; 4], taps: usize| -> i32 {
        row[..taps].iter().map(|&weight| i32::from(weight).abs()).sum()
    };
    // int16 has room for less than 256 times 128.
    let fit = |taps: usize| channel.kernel.iter().all(|row| sum(row, taps) < 256);
    // SAFETY: handed on; the sums fit.
    unsafe {
        if DOT {
            run.dots::<N, WHOLE>();
        } else if fit(3) {
            run.products::<N, WHOLE, 3>();
        } else if fit(2) {
            run.products::<N, WHOLE, 2>();
        } else {
            run.products::<N, WHOLE, 1>();
        }
    }
}

/// A block for each of the input rows that four output rows have. (A loop would not be unrolled, and
/// its sums would not be in registers.)
macro_rules! each_row {
    ($row:ident < $rows:expr, $body:block) => {
        each_row!($row, $rows, $body, 0 1 2 3 4 5)
    };
    ($row:ident, $rows:expr, $body:block, $($value:literal)*) => {
        $({
            const { assert!(DEPTHWISE_ROWS == 4) };
            let $row = $value;
            if $row < $rows $body
        })*
    };
}

/// See [`rows`].
struct Run<'a> {
    channel: Channel<'a>,
    strip: &'a Strip<'a>,
    first: usize,
    pixels: Range<usize>,
    output: &'a Output<'a>,
}

impl Run<'_> {
    /// Four bytes beside each other have the three pixels that make one output, twice: from the first
    /// on and from the second on. With those two further, that is all four.
    ///
    /// # Safety
    /// As [`rows`].
    #[target_feature(enable = "neon,dotprod")]
    unsafe fn dots<const N: usize, const WHOLE: bool>(&self) {
        let mut weights = [vdupq_n_s8(0); 3];
        for (weights, row) in weights.iter_mut().zip(self.channel.kernel) {
            let [a, b, c, _] = *row;
            let twice = [a, b, c, 0, 0, a, b, c, 0, 0, 0, 0, 0, 0, 0, 0];
            // SAFETY: there are sixteen.
            *weights = unsafe { vld1q_s8(twice.as_ptr()) };
        }
        let bytes = Bytes::of(self.output);
        for start in self.pixels.clone().step_by(BYTES) {
            let mut sums = [[vdupq_n_s32(self.channel.finish.start); 4]; N];
            each_row!(row < N + 2, {
                for half in [0, 2] {
                    // SAFETY: up to two bytes beyond sixteen.
                    let pixels = unsafe { self.read(row, start + half) };
                    for (out_row, sums) in sums.iter_mut().enumerate() {
                        if out_row <= row && row <= out_row + 2 {
                            let weights = weights[row - out_row];
                            sums[half] = dot::<0>(sums[half], pixels, weights);
                            sums[half + 1] = dot::<1>(sums[half + 1], pixels, weights);
                        }
                    }
                }
                // The first rows are finished while the next are summed up.
                if row >= 2 {
                    // SAFETY: handed on.
                    unsafe { self.end::<WHOLE>(&bytes, sums[row - 2], Order::Phases, row - 2, start) };
                }
            });
        }
    }

    /// Products as int16, `TAPS` of which are added up before they go to int32.
    ///
    /// # Safety
    /// As [`rows`]; so many have room.
    #[inline(never)]
    unsafe fn products<const N: usize, const WHOLE: bool, const TAPS: usize>(&self) {
        let bytes = Bytes::of(self.output);
        // SAFETY: the rows are the caller's promise; every processor of this kind has the rest.
        unsafe {
            let weights = self.channel.kernel.map(|row| row.map(|weight| vdupq_n_s8(weight)));
            for start in self.pixels.clone().step_by(BYTES) {
                let mut sums = [[vdupq_n_s32(self.channel.finish.start); 4]; N];
                each_row!(row < N + 2, {
                    let pixels = [0, 1, 2].map(|tap| self.read(row, start + tap));
                    for (out_row, sums) in sums.iter_mut().enumerate() {
                        if out_row <= row && row <= out_row + 2 {
                            add::<TAPS>(sums, pixels, &weights[row - out_row]);
                        }
                    }
                    if row >= 2 {
                        self.end::<WHOLE>(&bytes, sums[row - 2], Order::Straight, row - 2, start);
                    }
                });
            }
        }
    }

    /// Pixels of an input row as int8.
    ///
    /// # Safety
    /// There are sixteen from this place on.
    #[inline(always)]
    unsafe fn read(&self, row: usize, at: usize) -> int8x16_t {
        // SAFETY: the caller's promise; every processor of this kind has the rest.
        unsafe {
            let bytes = vld1q_u8(self.strip.rows[self.first + row].as_ptr().add(at));
            vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(FLIP)))
        }
    }

    /// Finishes sixteen sums of an output row.
    ///
    /// # Safety
    /// As [`rows`].
    #[inline(always)]
    unsafe fn end<const WHOLE: bool>(
        &self,
        bytes: &Option<Bytes>,
        sums: [int32x4_t; 4],
        order: Order,
        row: usize,
        start: usize,
    ) {
        let at = self.strip.out_at + (self.first + row) * self.strip.out_row + start;
        let multiplier = self.channel.finish.multiplier;
        // SAFETY: handed on.
        unsafe {
            match bytes {
                Some(bytes) if WHOLE => bytes.end(sums, order, multiplier, at),
                _ if WHOLE => {}
                _ => end(self.output, sums, order, multiplier, at, self.pixels.end - start),
            }
        }
    }
}

/// Adds three taps.
#[inline(always)]
fn add<const TAPS: usize>(sums: &mut [int32x4_t; 4], pixels: [int8x16_t; 3], weights: &[int8x16_t; 4]) {
    // SAFETY: every processor of this kind has these.
    unsafe {
        for taps in [0..TAPS, TAPS..(2 * TAPS).min(3), 2 * TAPS..3] {
            let Some((tap, more)) = taps.clone().next().zip(taps.start.checked_add(1)) else { continue };
            let (by, of) = (weights[tap], pixels[tap]);
            let mut low = vmull_s8(vget_low_s8(of), vget_low_s8(by));
            let mut high = vmull_high_s8(of, by);
            for tap in more..taps.end {
                let (by, of) = (weights[tap], pixels[tap]);
                low = vmlal_s8(low, vget_low_s8(of), vget_low_s8(by));
                high = vmlal_high_s8(high, of, by);
            }
            sums[0] = vaddw_s16(sums[0], vget_low_s16(low));
            sums[1] = vaddw_high_s16(sums[1], low);
            sums[2] = vaddw_s16(sums[2], vget_low_s16(high));
            sums[3] = vaddw_high_s16(sums[3], high);
        }
    }
}
