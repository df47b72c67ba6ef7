//! The kernels as plain loops.
#![allow(unsafe_code)]

use super::depthwise::{Channel, Strip};
use super::{Finish, Output, Product, Rows, TILE, round};
use crate::backend::kernels::vectorised;

/// See [`Product::tile`].
///
/// # Safety
/// As there.
pub(super) unsafe fn product(
    product: &Product,
    rows: &Rows<'_>,
    at: usize,
    count: usize,
    output: &Output<'_>,
    (out_at, stride): (usize, usize),
) {
    let flip = rows.element.flip();
    vectorised(
        #[inline(always)]
        || {
            for (channel, finish) in product.finish.iter().enumerate() {
                let mut sums = [finish.start; TILE];
                let groups = &product.weights[channel * product.groups()..][..product.groups()];
                for (group, offsets) in groups.iter().zip(rows.offsets.chunks(4)) {
                    for (weight, offset) in group.iter().zip(offsets) {
                        let row = &rows.bytes[offset + at..][..count];
                        for (sum, &value) in sums.iter_mut().zip(row) {
                            // The graph pass has seen to it that no sum overflows.
                            *sum = sum.wrapping_add(i32::from(*weight) * i32::from(value ^ flip));
                        }
                    }
                }
                // SAFETY: handed on.
                unsafe { end(*finish, &sums[..count], output, out_at + channel * stride) };
            }
        },
    );
}

/// See [`super::Depthwise::rows`].
///
/// # Safety
/// As there.
pub(super) unsafe fn depthwise(channel: Channel<'_>, strip: &Strip<'_>, output: &Output<'_>) {
    let Channel { kernel, finish } = channel;
    vectorised(
        #[inline(always)]
        || {
            for row in 0..strip.count {
                for start in (0..strip.pixels).step_by(TILE) {
                    let length = TILE.min(strip.pixels - start);
                    let mut sums = [finish.start; TILE];
                    for at in 0..9 {
                        let weight = kernel[at / 3][at % 3];
                        let input = &strip.rows[row + at / 3][start + at % 3..][..length];
                        for (sum, &value) in sums.iter_mut().zip(input) {
                            *sum = sum.wrapping_add(i32::from(weight) * i32::from(value));
                        }
                    }
                    let place = strip.out_at + row * strip.out_row + start;
                    // SAFETY: handed on.
                    unsafe { end(finish, &sums[..length], output, place) };
                }
            }
        },
    );
}

/// # Safety
/// Nobody else may have these pixels of the output in hands.
#[inline(always)]
unsafe fn end(finish: Finish, sums: &[i32], output: &Output<'_>, out_at: usize) {
    match output {
        Output::Bytes { values, element, zero } => {
            // SAFETY: the caller's.
            let values = unsafe { values.part(out_at, sums.len()) };
            // Saturating as int8 of a lowered zero is saturating as uint8.
            let (flip, zero) = (element.flip() ^ super::FLIP, lowered(*element, *zero));
            for (value, &sum) in values.iter_mut().zip(sums) {
                let rounded = round(sum as f32 * finish.multiplier) + zero;
                *value = (rounded.clamp(-128, 127) as i8).to_le_bytes()[0] ^ flip;
            }
        }
        Output::Floats(values) => {
            // SAFETY: the caller's.
            let values = unsafe { values.part(out_at, sums.len()) };
            for (value, &sum) in values.iter_mut().zip(sums) {
                *value = sum as f32 * finish.multiplier;
            }
        }
        Output::Added { values, add } => {
            // SAFETY: the caller's.
            let values = unsafe { values.part(out_at, sums.len()) };
            let add = &add[out_at..][..values.len()];
            for ((value, &sum), add) in values.iter_mut().zip(sums).zip(add) {
                *value = sum as f32 * finish.multiplier + add;
            }
        }
    }
}

/// A zero point as that of int8.
pub(super) fn lowered(element: super::Byte, zero: i32) -> i32 {
    element.raised(zero) - 128
}
