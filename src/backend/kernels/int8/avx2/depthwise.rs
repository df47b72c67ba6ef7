//! See [`super::super::Depthwise`].

use super::finish::end;
use super::{add, pairs};
use crate::backend::kernels::int8::Output;
use crate::backend::kernels::int8::depthwise::{Channel, Strip};
use std::arch::x86_64::*;

/// Pixels that are summed up at once.
const PIXELS: usize = 8;

/// Rows of one channel, see [`super::super::Depthwise::rows`].
///
/// # Safety
/// As there; from each input row's start, the pixels up to whole tiles and two more can be read,
/// and the processor has these instructions.
#[target_feature(enable = "avx2")]
pub(in super::super) unsafe fn depthwise(channel: Channel<'_>, strip: &Strip<'_>, output: &Output<'_>) {
    // SAFETY: handed on.
    unsafe {
        match strip.count {
            4 => rows::<4>(channel, strip, output),
            3 => rows::<3>(channel, strip, output),
            2 => rows::<2>(channel, strip, output),
            _ => rows::<1>(channel, strip, output),
        }
    }
}

/// # Safety
/// As [`depthwise`]; there are `N` output rows.
#[target_feature(enable = "avx2")]
unsafe fn rows<const N: usize>(channel: Channel<'_>, strip: &Strip<'_>, output: &Output<'_>) {
    let Channel { kernel, finish } = channel;
    let mut weights = [[_mm256_setzero_si256(); 2]; 3];
    for (weights, row) in weights.iter_mut().zip(kernel) {
        let [a, b, c, _] = row.map(i16::from);
        *weights = [pairs([a, b]), pairs([c, 0])];
    }
    for start in (0..strip.pixels).step_by(PIXELS) {
        let mut sums = [_mm256_set1_epi32(finish.start); N];
        for row in 0..N + 2 {
            // SAFETY: the caller's promise: two bytes beyond eight.
            let taps = unsafe {
                let from = strip.rows[row].as_ptr().add(start);
                let first = _mm_loadl_epi64(from.cast());
                let second = _mm_loadl_epi64(from.add(1).cast());
                let third = _mm_loadl_epi64(from.add(2).cast());
                [_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(first, second)), _mm256_cvtepu8_epi32(third)]
            };
            for (out_row, sum) in sums.iter_mut().enumerate() {
                if out_row <= row && row <= out_row + 2 {
                    let [two, one] = weights[row - out_row];
                    *sum = add(add(*sum, taps[0], two), taps[1], one);
                }
            }
        }
        for (out_row, sum) in sums.into_iter().enumerate() {
            let at = strip.out_at + out_row * strip.out_row + start;
            // SAFETY: handed on.
            unsafe { end(output, sum, finish.multiplier, at, strip.pixels - start) };
        }
    }
}
