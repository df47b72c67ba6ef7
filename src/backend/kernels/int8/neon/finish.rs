//! From sums to the next layer's numbers.

use super::{BYTES, array};
use crate::backend::kernels::int8::Output;
use std::arch::aarch64::*;

/// The order in which four vectors have the pixels of a whole one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Four neighbours each.
    Straight,
    /// Every fourth each.
    Phases,
}

/// Bytes that whole vectors are written to.
pub(super) struct Bytes {
    to: *mut u8,
    zero: i16,
    flip: u8,
}

impl Bytes {
    /// Where the output is bytes.
    #[inline(always)]
    pub(super) fn of(output: &Output<'_>) -> Option<Self> {
        let Output::Bytes { values, element, zero } = output else { return None };
        Some(Self { to: values.start(), zero: element.raised(*zero) as i16, flip: element.flip() })
    }

    /// Finishes sixteen sums, and writes them to this place.
    ///
    /// # Safety
    /// It is within the output, and nobody else's.
    #[inline(always)]
    pub(super) unsafe fn end(&self, sums: [int32x4_t; 4], order: Order, multiplier: f32, at: usize) {
        // SAFETY: the caller's promise; every processor of this kind has the rest.
        unsafe {
            let bytes = self.pack(scale(sums, multiplier), order);
            vst1q_u8(self.to.add(at), bytes);
        }
    }

    #[inline(always)]
    fn pack(&self, scaled: [float32x4_t; 4], order: Order) -> uint8x16_t {
        // SAFETY: every processor of this kind has these.
        unsafe {
            let mut bytes = veorq_u8(pack(scaled, self.zero), vdupq_n_u8(self.flip));
            if order == Order::Phases {
                bytes = vqtbl1q_u8(bytes, vld1q_u8(TURN.as_ptr()));
            }
            bytes
        }
    }
}

/// Finishes up to sixteen sums, and writes the first `count` to this place of any output. (A
/// function of its own, so that kernels have registers for what they do mostly.)
///
/// # Safety
/// As many from this place on are within the output and nobody else's.
#[cold]
#[inline(never)]
pub(super) unsafe fn end(
    output: &Output<'_>,
    sums: [int32x4_t; 4],
    order: Order,
    multiplier: f32,
    at: usize,
    count: usize,
) {
    let (scaled, count) = (scale(sums, multiplier), count.min(BYTES));
    match Bytes::of(output) {
        // SAFETY: the caller's promise.
        Some(bytes) => unsafe { write_part(bytes.to.add(at), bytes.pack(scaled, order), count) },
        // SAFETY: as above.
        None => unsafe { floats(output, straight(scaled, order), at, count) },
    }
}

/// What brings four vectors of every fourth pixel, packed, in the pixels' order.
static TURN: [u8; BYTES] = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];

#[inline(always)]
fn scale(sums: [int32x4_t; 4], multiplier: f32) -> [float32x4_t; 4] {
    // SAFETY: every processor of this kind has these.
    sums.map(|sum| unsafe { vmulq_n_f32(vcvtq_f32_s32(sum), multiplier) })
}

/// Writes the first bytes of a vector.
///
/// # Safety
/// So many can be written there.
pub(super) unsafe fn write_part(to: *mut u8, bytes: uint8x16_t, count: usize) {
    let bytes = array(bytes);
    // SAFETY: the caller's promise; there are sixteen.
    unsafe { bytes.as_ptr().copy_to_nonoverlapping(to, count.min(BYTES)) };
}

/// Writes floats, with what is added to them.
///
/// # Safety
/// As [`end`].
unsafe fn floats(output: &Output<'_>, mut scaled: [float32x4_t; 4], at: usize, count: usize) {
    let values = match output {
        Output::Floats(values) => values,
        Output::Added { values, add } => {
            let mut more = [0.0; BYTES];
            more[..count].copy_from_slice(&add[at..][..count]);
            for (vector, more) in scaled.iter_mut().zip(more.as_chunks::<4>().0) {
                // SAFETY: there are four.
                *vector = unsafe { vaddq_f32(*vector, vld1q_f32(more.as_ptr())) };
            }
            values
        }
        Output::Bytes { .. } => return,
    };
    let mut floats = [0.0; BYTES];
    for (vector, place) in scaled.into_iter().zip(floats.as_chunks_mut::<4>().0) {
        // SAFETY: there is room for four.
        unsafe { vst1q_f32(place.as_mut_ptr(), vector) };
    }
    // SAFETY: the caller's promise.
    unsafe { floats.as_ptr().copy_to_nonoverlapping(values.start().add(at), count) };
}

/// Rounds, ties to even, and saturates to uint8 of this zero; every step saturates, so that no
/// number is too large.
#[inline(always)]
pub(super) fn pack([a, b, c, d]: [float32x4_t; 4], zero: i16) -> uint8x16_t {
    // SAFETY: every processor of this kind has these.
    unsafe {
        let pair = |a: float32x4_t, b: float32x4_t| {
            let low = vqmovn_s32(vcvtnq_s32_f32(a));
            vqaddq_s16(vqmovn_high_s32(low, vcvtnq_s32_f32(b)), vdupq_n_s16(zero))
        };
        vqmovun_high_s16(vqmovun_s16(pair(a, b)), pair(c, d))
    }
}

/// Vectors of neighbours.
#[inline(always)]
fn straight(vectors: [float32x4_t; 4], order: Order) -> [float32x4_t; 4] {
    let [a, b, c, d] = vectors;
    if order == Order::Straight {
        return vectors;
    }
    // SAFETY: every processor of this kind has these.
    unsafe {
        let [even, odd] = [vzipq_f32(a, c), vzipq_f32(b, d)];
        let [low, high] = [vzipq_f32(even.0, odd.0), vzipq_f32(even.1, odd.1)];
        [low.0, low.1, high.0, high.1]
    }
}
