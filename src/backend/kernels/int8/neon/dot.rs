//! Sums of four products of bytes each, which the standard library has no stable name for.

use std::arch::aarch64::*;
use std::arch::asm;

/// Adds to each place its four bytes times the four of place `LANE` of the weights.
#[target_feature(enable = "neon,dotprod")]
#[inline]
pub(super) fn dot<const LANE: i32>(mut sums: int32x4_t, values: int8x16_t, weights: int8x16_t) -> int32x4_t {
    // SAFETY: it changes these registers alone; the processor has the instruction by this
    // function's contract.
    unsafe {
        asm!(
            "sdot {sums:v}.4s, {values:v}.16b, {weights:v}.4b[{lane}]",
            sums = inout(vreg) sums,
            values = in(vreg) values,
            weights = in(vreg) weights,
            lane = const LANE,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

/// Adds to each place the products of its four bytes of both sides.
#[target_feature(enable = "neon,dotprod")]
#[inline]
pub(super) fn dot_u8(mut sums: uint32x4_t, a: uint8x16_t, b: uint8x16_t) -> uint32x4_t {
    // SAFETY: as above.
    unsafe {
        asm!(
            "udot {sums:v}.4s, {a:v}.16b, {b:v}.16b",
            sums = inout(vreg) sums,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}
