//! See [`super::super::Gate`].

use super::finish::write_floats;
use super::{mask, straight};
use crate::backend::kernels::int8::gate::{B_FACTOR, Bytes, Floats, Gate};
use std::arch::x86_64::*;

/// A table of 256 bytes.
type Table = [__m512i; 4];

#[target_feature(enable = "avx512f")]
#[inline]
fn table(bytes: &[u8; 256]) -> Table {
    // SAFETY: there are four times 64 bytes.
    std::array::from_fn(|at| unsafe { _mm512_loadu_si512(bytes.as_ptr().add(64 * at).cast()) })
}

/// What the table has at each byte.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline]
fn look_up([a, b, c, d]: Table, at: __m512i) -> __m512i {
    let (low, high) = (_mm512_permutex2var_epi8(a, at, b), _mm512_permutex2var_epi8(c, at, d));
    _mm512_mask_blend_epi8(_mm512_movepi8_mask(at), low, high)
}

/// See [`Gate::row`].
///
/// # Safety
/// As there; the rows are of one length, and the processor has these instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(in super::super) unsafe fn gate_bytes(gate: &Gate, bytes: &Bytes, a: &[u8], b: &[u8], to: &mut [u8]) {
    let [low, high] = [table(&bytes.planes[0]), table(&bytes.planes[1])];
    // b and its zero are put beside each other. (The compiler must not know that all zeros are one:
    // it would find a longer way.)
    // SAFETY: there are 64.
    let b_zero = unsafe { _mm512_loadu_si512(gate.b_zero.as_ptr().cast()) };
    let factors = _mm512_set1_epi16((B_FACTOR | -B_FACTOR << 8) as i16);
    let zero = _mm512_set1_epi16(i16::from(bytes.zero));
    let shift = _mm512_set1_epi16(1i16.checked_shl(15 - bytes.bits).unwrap_or(0));
    for start in (0..to.len()).step_by(64) {
        let mask = mask(to.len() - start);
        // SAFETY: the mask has no more than the rows have.
        let [a, b] =
            [a, b].map(|row| unsafe { _mm512_maskz_loadu_epi8(mask, row.as_ptr().add(start).cast()) });
        let (low, high) = (look_up(low, a), look_up(high, a));
        let halves = [
            (_mm512_unpacklo_epi8(low, high), _mm512_unpacklo_epi8(b, b_zero)),
            (_mm512_unpackhi_epi8(low, high), _mm512_unpackhi_epi8(b, b_zero)),
        ];
        let [first, second] = halves.map(|(gelu, b)| {
            let product = _mm512_mulhrs_epi16(gelu, _mm512_maddubs_epi16(b, factors));
            let rounded = if bytes.bits > 0 { _mm512_mulhrs_epi16(product, shift) } else { product };
            _mm512_adds_epi16(rounded, zero)
        });
        let result = _mm512_packus_epi16(first, second);
        // SAFETY: as above.
        unsafe { _mm512_mask_storeu_epi8(to.as_mut_ptr().add(start).cast(), mask, result) };
    }
}

/// See [`Gate::row_f32`].
///
/// # Safety
/// As there; the rows are of one length, and the processor has these instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(in super::super) unsafe fn gate_floats(gate: &Gate, floats: &Floats, a: &[u8], b: &[u8], to: &mut [f32]) {
    let planes = [0, 1, 2, 3].map(|byte| table(&floats.planes[byte]));
    // These high bytes make 2^23 + b of b.
    const SHIFT: f32 = 8_388_608.0;
    let high = _mm512_set1_epi16((SHIFT.to_bits() >> 16) as i16);
    let zero = _mm512_set1_ps(SHIFT + f32::from(gate.b_zero[0]));
    for start in (0..to.len()).step_by(64) {
        let mask = mask(to.len() - start);
        // SAFETY: the mask has no more than the rows have.
        let [a, b] = [a, b]
            .map(|row| straight(unsafe { _mm512_maskz_loadu_epi8(mask, row.as_ptr().add(start).cast()) }));
        let [p, q, r, s] = planes.map(|plane| look_up(plane, a));
        let (pq, rs) = (_mm512_unpacklo_epi8(p, q), _mm512_unpacklo_epi8(r, s));
        let (pq_high, rs_high) = (_mm512_unpackhi_epi8(p, q), _mm512_unpackhi_epi8(r, s));
        let none = _mm512_setzero_si512();
        let (b, b_high) = (_mm512_unpacklo_epi8(b, none), _mm512_unpackhi_epi8(b, none));
        let pairs = [
            (_mm512_unpacklo_epi16(pq, rs), _mm512_unpacklo_epi16(b, high)),
            (_mm512_unpackhi_epi16(pq, rs), _mm512_unpackhi_epi16(b, high)),
            (_mm512_unpacklo_epi16(pq_high, rs_high), _mm512_unpacklo_epi16(b_high, high)),
            (_mm512_unpackhi_epi16(pq_high, rs_high), _mm512_unpackhi_epi16(b_high, high)),
        ];
        let products = pairs.map(|(gelu, b)| {
            _mm512_mul_ps(_mm512_castsi512_ps(gelu), _mm512_sub_ps(_mm512_castsi512_ps(b), zero))
        });
        // SAFETY: as above.
        unsafe { write_floats(to.as_mut_ptr().add(start), products, mask) };
    }
}
