//! The kernels as plain loops.
#![allow(unsafe_code)]

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
    out: &dyn Fn(usize) -> usize,
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
                unsafe { end(*finish, &sums[..count], output, out(channel)) };
            }
        },
    );
}

/// See [`super::Depthwise::row`].
///
/// # Safety
/// As there.
pub(super) unsafe fn depthwise(
    kernel: &[i8; 9],
    finish: Finish,
    rows: [&[u8]; 3],
    count: usize,
    output: &Output<'_>,
    out_at: usize,
) {
    vectorised(
        #[inline(always)]
        || {
            for start in (0..count).step_by(TILE) {
                let length = TILE.min(count - start);
                let mut sums = [finish.start; TILE];
                for (at, &weight) in kernel.iter().enumerate() {
                    let row = &rows[at / 3][start + at % 3..][..length];
                    for (sum, &value) in sums.iter_mut().zip(row) {
                        *sum = sum.wrapping_add(i32::from(weight) * i32::from(value));
                    }
                }
                // SAFETY: handed on.
                unsafe { end(finish, &sums[..length], output, out_at + start) };
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
    }
}

/// A zero point as that of int8.
pub(super) fn lowered(element: super::Byte, zero: i32) -> i32 {
    element.raised(zero) - 128
}
