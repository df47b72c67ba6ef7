//! See [`super::super::Depthwise`].

use super::finish::{Sink, in_way, way};
use super::mask;
use crate::backend::kernels::int8::depthwise::{Channel, Strip};
use crate::backend::kernels::int8::{Output, TILE};
use std::arch::x86_64::*;

/// Rows of one channel, see [`super::super::Depthwise::rows`].
///
/// # Safety
/// As there; from each input row's start, the pixels up to whole tiles and two more can be read,
/// and the processor has these instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(in super::super) unsafe fn depthwise(channel: Channel<'_>, strip: &Strip<'_>, output: &Output<'_>) {
    let sink = Sink::new(output, channel.finish.bounded);
    // SAFETY: handed on.
    unsafe {
        match strip.count {
            4 => in_way!(sink, rows::<4>(channel, strip, &sink)),
            3 => in_way!(sink, rows::<3>(channel, strip, &sink)),
            2 => in_way!(sink, rows::<2>(channel, strip, &sink)),
            _ => in_way!(sink, rows::<1>(channel, strip, &sink)),
        }
    }
}

/// Four bytes beside each other have the three pixels that make one output, twice: from the first
/// on and from the second on. With those two further, that is all four.
///
/// # Safety
/// As [`depthwise`]; there are `N` output rows.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
#[inline]
unsafe fn rows<const N: usize, const WAY: u8>(channel: Channel<'_>, strip: &Strip<'_>, sink: &Sink) {
    let Channel { kernel, finish } = channel;
    let weights = [weights(kernel[0]), weights(kernel[1]), weights(kernel[2])];
    for start in (0..strip.pixels).step_by(TILE) {
        let mask = mask(strip.pixels - start);
        let mut sums = [[_mm512_set1_epi32(finish.start); 4]; N];
        for row in 0..N + 2 {
            // SAFETY: the caller's promise.
            let pixels = unsafe { strip.rows[row].as_ptr().add(start) };
            for half in [0, 2] {
                // SAFETY: up to two bytes beyond the tile.
                let bytes = unsafe { _mm512_loadu_si512(pixels.add(half).cast()) };
                for (out_row, sums) in sums.iter_mut().enumerate() {
                    if out_row <= row && row <= out_row + 2 {
                        let [first, second] = weights[row - out_row];
                        sums[half] = _mm512_dpbusd_epi32(sums[half], bytes, first);
                        sums[half + 1] = _mm512_dpbusd_epi32(sums[half + 1], bytes, second);
                    }
                }
            }
            // The first rows are finished while the next are summed up.
            if let Some(out_row) = row.checked_sub(2) {
                let at = strip.out_at + out_row * strip.out_row + start;
                // SAFETY: handed on.
                unsafe { sink.end::<WAY, true>(sums[out_row], finish, at, mask) };
            }
        }
    }
}

/// A row of weights, to be multiplied with four bytes from the first on and from the second on.
#[target_feature(enable = "avx512f")]
#[inline]
fn weights(row: [i8; 4]) -> [__m512i; 2] {
    let three = u32::from_le_bytes(row.map(|weight| weight as u8));
    [_mm512_set1_epi32(three as i32), _mm512_set1_epi32((three << 8) as i32)]
}
