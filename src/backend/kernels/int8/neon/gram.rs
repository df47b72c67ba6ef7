//! See [`super::super::Gram`].

use super::dot::dot_u8;
use super::{BYTES, read};
use crate::backend::kernels::int8::cosines::Side;
use std::arch::aarch64::*;

/// Channels of a side that are worked on at once: their products with as many of the other side
/// take half of the registers.
const BLOCK: usize = 4;

/// Pixels that a sum has room for: each of its four places of uint32 adds up every fourth.
const ROOM: usize = 4 * (u32::MAX as usize / (255 * 255) / 4);

/// Adds to the sums of one head of so many channels, in the order that `Gram` has them, products of
/// the bytes as they are. `DOT`: by `udot`.
///
/// # Safety
/// All channels' rows have so many pixels, and the processor has the instructions.
pub(in super::super) unsafe fn gram<const DOT: bool>(
    sums: &mut [i64],
    channels: usize,
    sides: [Side<'_>; 2],
    pixels: usize,
) {
    // As many rows as there is room for, or parts of one.
    let count = (ROOM / pixels.max(1)).max(1);
    for first in (0..sides[0].rows.len()).step_by(count) {
        for start in (0..pixels).step_by(ROOM) {
            let sides = sides.map(|side| Side {
                bytes: side.bytes.get(start..).unwrap_or(&[]),
                rows: &side.rows[first..(first + count).min(side.rows.len())],
                ..side
            });
            let pixels = ROOM.min(pixels - start);
            // SAFETY: handed on.
            unsafe {
                if DOT {
                    dots(sums, channels, sides, pixels);
                } else {
                    products(sums, channels, sides, pixels);
                }
            }
        }
    }
}

/// # Safety
/// As [`gram`]; the sums have room.
#[target_feature(enable = "neon,dotprod")]
unsafe fn dots(sums: &mut [i64], channels: usize, sides: [Side<'_>; 2], pixels: usize) {
    // SAFETY: handed on.
    unsafe {
        add(sums, channels, sides, pixels, |sum, a, b| dot_u8(sum, a, b));
    }
}

/// # Safety
/// As [`gram`]; the sums have room.
unsafe fn products(sums: &mut [i64], channels: usize, sides: [Side<'_>; 2], pixels: usize) {
    // SAFETY: handed on; every processor of this kind has the instructions.
    unsafe {
        add(sums, channels, sides, pixels, |sum, a, b| {
            let low = vmull_u8(vget_low_u8(a), vget_low_u8(b));
            vpadalq_u16(vpadalq_u16(sum, low), vmull_high_u8(a, b))
        });
    }
}

/// # Safety
/// As [`gram`]; the sums have room. `product` adds the products of two vectors' bytes to a sum.
#[inline(always)]
unsafe fn add(
    sums: &mut [i64],
    channels: usize,
    sides: [Side<'_>; 2],
    pixels: usize,
    product: impl Fn(uint32x4_t, uint8x16_t, uint8x16_t) -> uint32x4_t,
) {
    let (products, ends) = sums.split_at_mut(channels * channels);
    // Where there is less than a block left, its last channel is taken again.
    let block = |first: usize| [0, 1, 2, 3].map(|at| (first + at).min(channels - 1));
    // SAFETY: the channels are within those there are.
    unsafe {
        for row in (0..channels).step_by(BLOCK) {
            for column in (0..channels).step_by(BLOCK) {
                let mut sums = [[vdupq_n_u32(0); BLOCK]; BLOCK];
                each(sides, [block(row), block(column)], pixels, |[q, k]| {
                    for (sums, q) in sums.iter_mut().zip(q) {
                        for (sum, k) in sums.iter_mut().zip(k) {
                            *sum = product(*sum, q, k);
                        }
                    }
                });
                for (sums, row) in sums.into_iter().zip(row..channels) {
                    let to = &mut products[row * channels + column..(row + 1) * channels];
                    to.iter_mut().zip(sums).for_each(|(to, sum)| *to += vaddlvq_u32(sum) as i64);
                }
            }
        }
        for (side, ends) in sides.into_iter().zip(ends.chunks_exact_mut((2 * channels).max(1))) {
            let (own, plain) = ends.split_at_mut(channels);
            for first in (0..channels).step_by(BLOCK) {
                let mut sums = [[vdupq_n_u32(0); 2]; BLOCK];
                each([side], [block(first)], pixels, |[bytes]| {
                    for ([own, plain], bytes) in sums.iter_mut().zip(bytes) {
                        *own = product(*own, bytes, bytes);
                        *plain = product(*plain, bytes, vdupq_n_u8(1));
                    }
                });
                let to = own[first..].iter_mut().zip(&mut plain[first..]);
                for ((own, plain), sums) in to.zip(sums) {
                    *own += vaddlvq_u32(sums[0]) as i64;
                    *plain += vaddlvq_u32(sums[1]) as i64;
                }
            }
        }
    }
}

/// Hands these channels' bytes, of `N` sides, to `step`: sixteen pixels at a time, with zeros beyond
/// the last.
///
/// # Safety
/// As [`gram`]; the sides have these channels.
#[inline(always)]
unsafe fn each<const N: usize>(
    sides: [Side<'_>; N],
    channels: [[usize; BLOCK]; N],
    pixels: usize,
    mut step: impl FnMut([[uint8x16_t; BLOCK]; N]),
) {
    let whole = pixels / BYTES * BYTES;
    // SAFETY: every processor of this kind has it.
    let mut bytes = [[unsafe { vdupq_n_u8(0) }; BLOCK]; N];
    // In loops, as what `map` is handed isn't compiled into functions of other instructions.
    let mut starts = [[std::ptr::null::<u8>(); BLOCK]; N];
    for ((starts, side), channels) in starts.iter_mut().zip(&sides).zip(&channels) {
        for (start, channel) in starts.iter_mut().zip(channels) {
            *start = side.bytes.as_ptr().wrapping_add(channel * side.stride);
        }
    }
    for row in 0..sides[0].rows.len() {
        let mut rows = starts;
        for (rows, side) in rows.iter_mut().zip(&sides) {
            rows.iter_mut().for_each(|start| *start = start.wrapping_add(side.rows[row]));
        }
        for at in (0..whole).step_by(BYTES) {
            for (bytes, row) in bytes.as_flattened_mut().iter_mut().zip(rows.as_flattened()) {
                // SAFETY: there are sixteen more.
                *bytes = unsafe { vld1q_u8(row.add(at)) };
            }
            step(bytes);
        }
        if whole < pixels {
            for (bytes, row) in bytes.as_flattened_mut().iter_mut().zip(rows.as_flattened()) {
                // SAFETY: there are so many.
                *bytes = unsafe { rest(row.add(whole), pixels - whole) };
            }
            step(bytes);
        }
    }
}

/// The last pixels of a row.
///
/// # Safety
/// There are so many from that place on.
#[cold]
#[inline(never)]
unsafe fn rest(from: *const u8, count: usize) -> uint8x16_t {
    // SAFETY: the caller's promise.
    read(unsafe { std::slice::from_raw_parts(from, count) })
}
