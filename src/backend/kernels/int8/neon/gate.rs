//! See [`super::super::Gate`].

use crate::backend::kernels::int8::TILE;
use crate::backend::kernels::int8::gate::{B_FACTOR, Bytes};
use std::arch::aarch64::*;

/// See [`super::super::Gate::row`]. A table of 256 is more than the registers have room for: it is
/// read by the bytes, and vectors do the rest.
pub(in super::super) fn gate_bytes(bytes: &Bytes, b_zero: u8, a: &[u8], b: &[u8], to: &mut [u8]) {
    let (mut gelus, mut last) = ([0; TILE], [0; TILE]);
    for ((a, b), to) in a.chunks(TILE).zip(b.chunks(TILE)).zip(to.chunks_mut(TILE)) {
        for (gelu, &a) in gelus.iter_mut().zip(a) {
            *gelu = bytes.table[usize::from(a)];
        }
        match (b.as_array(), to.as_mut_array()) {
            (Some(b), Some(to)) => tile(bytes, b_zero, &gelus, b, to),
            _ => {
                let mut rest = [0; TILE];
                rest[..b.len()].copy_from_slice(b);
                tile(bytes, b_zero, &gelus, &rest, &mut last);
                to.copy_from_slice(&last[..to.len()]);
            }
        }
    }
}

#[inline(always)]
fn tile(bytes: &Bytes, b_zero: u8, gelus: &[i16; TILE], b: &[u8; TILE], to: &mut [u8; TILE]) {
    let places = to.as_chunks_mut::<8>().0.iter_mut();
    for ((gelus, b), to) in gelus.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0).zip(places) {
        // SAFETY: there are eight of each.
        unsafe {
            let b = vreinterpretq_s16_u16(vsubl_u8(vld1_u8(b.as_ptr()), vdup_n_u8(b_zero)));
            // Twice a product, of which the upper half stays, rounded: its 15 lower bits go.
            let product = vqrdmulhq_s16(vld1q_s16(gelus.as_ptr()), vmulq_n_s16(b, B_FACTOR as i16));
            let rounded = vrshlq_s16(product, vdupq_n_s16(-(bytes.bits as i16)));
            let raised = vqaddq_s16(rounded, vdupq_n_s16(i16::from(bytes.zero)));
            vst1_u8(to.as_mut_ptr(), vqmovun_s16(raised));
        }
    }
}
