//! See [`super::super::Product`].

use super::add;
use super::finish::end;
use crate::backend::kernels::int8::{Finish, Output, Product, Rows, TILE};
use std::arch::x86_64::*;

/// Outputs that are summed up at once: with two vectors of pixels each, as many as there are
/// registers for.
const OUTPUTS: usize = 6;

/// Pixels that are summed up at once.
const PIXELS: usize = 16;

/// Bytes of a panel for each group of two rows: sixteen pixels of int16.
const GROUP: usize = 4 * PIXELS;

/// See [`Product::tile`].
///
/// # Safety
/// As there; each row must have `count` bytes from `at` on, and the processor these instructions.
#[target_feature(enable = "avx2")]
pub(in super::super) unsafe fn product(
    product: &Product,
    rows: &Rows<'_>,
    at: usize,
    count: usize,
    output: &Output<'_>,
    (out_at, stride): (usize, usize),
    panel: &mut [u8],
) {
    let groups = product.groups();
    interleave(rows, at, count, groups, panel);
    for first in (0..product.finish.len()).step_by(OUTPUTS) {
        for (chunk, start) in (0..count).step_by(PIXELS).enumerate() {
            let channels = (product.finish.len() - first).min(OUTPUTS);
            let run = Run {
                panel: &panel[chunk * groups * GROUP..][..groups * GROUP],
                weights: &product.weights[first * groups..][..channels * groups],
                finish: &product.finish[first..][..channels],
                groups,
                out_at: out_at + first * stride + start,
                stride,
                count: count - start,
            };
            // SAFETY: the panel and the weights have as many groups as are said; outputs are the
            // caller's promise.
            unsafe {
                match channels {
                    6 => outputs::<6>(&run, output),
                    5 => outputs::<5>(&run, output),
                    4 => outputs::<4>(&run, output),
                    3 => outputs::<3>(&run, output),
                    2 => outputs::<2>(&run, output),
                    _ => outputs::<1>(&run, output),
                }
            }
        }
    }
}

/// Brings the rows to int16 of uint8, and two of them beside each other.
#[target_feature(enable = "avx2")]
#[inline]
fn interleave(rows: &Rows<'_>, at: usize, count: usize, groups: usize, panel: &mut [u8]) {
    let flip = _mm_set1_epi8(rows.element.flip() as i8);
    for (group, offsets) in rows.offsets.chunks(2).enumerate() {
        // What weights of zero meet doesn't matter.
        let mut parts = [&[0; TILE][..count]; 2];
        for (part, offset) in parts.iter_mut().zip(offsets) {
            *part = &rows.bytes[offset + at..][..count];
        }
        for (chunk, start) in (0..count).step_by(PIXELS).enumerate() {
            let place = &mut panel[(chunk * groups + group) * GROUP..][..GROUP];
            let [a, b] = parts.map(|part| _mm_xor_si128(read(&part[start..]), flip));
            let (low, high) = (_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b));
            // SAFETY: there is room for two vectors.
            unsafe {
                _mm256_storeu_si256(place.as_mut_ptr().cast(), _mm256_cvtepu8_epi16(low));
                _mm256_storeu_si256(place[GROUP / 2..].as_mut_ptr().cast(), _mm256_cvtepu8_epi16(high));
            }
        }
    }
}

/// The first bytes of a row, zeros beyond its end.
#[target_feature(enable = "avx2")]
#[inline]
fn read(row: &[u8]) -> __m128i {
    let mut part = [0; PIXELS];
    let whole = row.first_chunk().unwrap_or_else(|| {
        part[..row.len()].copy_from_slice(row);
        &part
    });
    // SAFETY: there are sixteen.
    unsafe { _mm_loadu_si128(whole.as_ptr().cast()) }
}

/// Some outputs of sixteen pixels.
struct Run<'a> {
    panel: &'a [u8],
    weights: &'a [[i8; 4]],
    finish: &'a [Finish],
    groups: usize,
    out_at: usize,
    stride: usize,
    count: usize,
}

/// The sums of `N` outputs over a panel, finished.
///
/// # Safety
/// The panel has its bytes for each group, the weights `N` times `groups`; as [`product`].
#[target_feature(enable = "avx2")]
unsafe fn outputs<const N: usize>(run: &Run<'_>, output: &Output<'_>) {
    let mut sums = [[_mm256_setzero_si256(); 2]; N];
    for (sums, finish) in sums.iter_mut().zip(run.finish) {
        *sums = [_mm256_set1_epi32(finish.start); 2];
    }
    let (pixels, weights) = (run.panel.as_ptr(), run.weights.as_ptr());
    for group in 0..run.groups {
        // SAFETY: the panel has two vectors for each group, and each output has weights for it.
        unsafe {
            let low = _mm256_loadu_si256(pixels.add(group * GROUP).cast());
            let high = _mm256_loadu_si256(pixels.add(group * GROUP + GROUP / 2).cast());
            for (channel, sums) in sums.iter_mut().enumerate() {
                let pair = weights.add(channel * run.groups + group).cast::<i32>().read_unaligned();
                let pair = _mm256_set1_epi32(pair);
                *sums = [add(sums[0], low, pair), add(sums[1], high, pair)];
            }
        }
    }
    for (channel, (sums, finish)) in sums.into_iter().zip(run.finish).enumerate() {
        let at = run.out_at + channel * run.stride;
        // SAFETY: handed on.
        unsafe {
            end(output, sums[0], finish.multiplier, at, run.count);
            if let Some(left @ 1..) = run.count.checked_sub(PIXELS / 2) {
                end(output, sums[1], finish.multiplier, at + PIXELS / 2, left);
            }
        }
    }
}
