//! The kernels by AVX-512: `vpdpbusd` sums up four products of bytes in each of sixteen places.
#![allow(unsafe_code)]

use super::portable::lowered;
use super::{Finish, Output, Product, Rows};
use std::arch::x86_64::*;

/// Outputs that are summed up at once: with four vectors of pixels each, as many as there are
/// registers for.
const OUTPUTS: usize = 6;

/// Whether this processor has what the kernels take.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("avx512vbmi")
}

/// See [`Product::tile`].
///
/// # Safety
/// As there; each row must have `count` bytes from `at` on, and the processor these instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) unsafe fn product(
    product: &Product,
    rows: &Rows<'_>,
    at: usize,
    count: usize,
    output: &Output<'_>,
    out: &dyn Fn(usize) -> usize,
    panel: &mut Vec<u8>,
) {
    let groups = product.groups();
    panel.resize(groups * 256, 0);
    // SAFETY: the panel has 256 bytes for each group; the rows are the caller's promise.
    unsafe { interleave(rows, at, count, panel) };
    let mut first = 0;
    while first < product.finish.len() {
        let channels = (product.finish.len() - first).min(OUTPUTS);
        let weights = &product.weights[first * groups..][..channels * groups];
        let finish = &product.finish[first..][..channels];
        // SAFETY: the panel and the weights have as many groups as are said; outputs are the
        // caller's promise.
        unsafe {
            match channels {
                6 => outputs::<6>(panel, weights, groups, finish, count, output, |c| out(first + c)),
                5 => outputs::<5>(panel, weights, groups, finish, count, output, |c| out(first + c)),
                4 => outputs::<4>(panel, weights, groups, finish, count, output, |c| out(first + c)),
                3 => outputs::<3>(panel, weights, groups, finish, count, output, |c| out(first + c)),
                2 => outputs::<2>(panel, weights, groups, finish, count, output, |c| out(first + c)),
                _ => outputs::<1>(panel, weights, groups, finish, count, output, |c| out(first + c)),
            }
        }
        first += channels;
    }
}

/// Puts four rows' bytes of each pixel beside each other. Unpacking works in lanes of 16 bytes,
/// so vector r of a group has pixels 4r to 4r + 3 of each lane's sixteen; packing undoes it.
///
/// # Safety
/// As [`product`]; the panel has 256 bytes for each group of four rows.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
unsafe fn interleave(rows: &Rows<'_>, at: usize, count: usize, panel: &mut [u8]) {
    let mask = mask(count);
    let flip = _mm512_set1_epi8(i8::from_le_bytes([rows.element.flip()]));
    for (offsets, panel) in rows.offsets.chunks(4).zip(panel.as_chunks_mut::<256>().0) {
        let load = |row: usize| match offsets.get(row) {
            // SAFETY: `count` bytes can be read there, and the mask has no more.
            Some(offset) => unsafe {
                let start = rows.bytes.as_ptr().add(offset + at).cast::<i8>();
                _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, start), flip)
            },
            None => _mm512_setzero_si512(),
        };
        let (a, b, c, d) = (load(0), load(1), load(2), load(3));
        let (ab, cd) = (_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d));
        let (ab_high, cd_high) = (_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d));
        let vectors = [
            _mm512_unpacklo_epi16(ab, cd),
            _mm512_unpackhi_epi16(ab, cd),
            _mm512_unpacklo_epi16(ab_high, cd_high),
            _mm512_unpackhi_epi16(ab_high, cd_high),
        ];
        for (vector, place) in vectors.into_iter().zip(panel.as_chunks_mut::<64>().0) {
            // SAFETY: the place has 64 bytes.
            unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), vector) };
        }
    }
}

/// The sums of `N` outputs over a panel, finished.
///
/// # Safety
/// The panel has 256 bytes for each group, the weights `N` times `groups`; as [`product`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
unsafe fn outputs<const N: usize>(
    panel: &[u8],
    weights: &[[i8; 4]],
    groups: usize,
    finish: &[Finish],
    count: usize,
    output: &Output<'_>,
    out: impl Fn(usize) -> usize,
) {
    let mut sums: [[__m512i; 4]; N] =
        std::array::from_fn(|channel| [_mm512_set1_epi32(finish[channel].start); 4]);
    let (mut pixels, weights) = (panel.as_ptr(), weights.as_ptr());
    for group in 0..groups {
        // SAFETY: the panel has four vectors for each group.
        let vectors: [__m512i; 4] =
            std::array::from_fn(|at| unsafe { _mm512_loadu_si512(pixels.add(64 * at).cast()) });
        for (channel, sums) in sums.iter_mut().enumerate() {
            // SAFETY: each channel has weights for each group.
            let four = unsafe { weights.add(channel * groups + group).cast::<i32>().read_unaligned() };
            let four = _mm512_set1_epi32(four);
            for (sum, vector) in sums.iter_mut().zip(vectors) {
                *sum = _mm512_dpbusd_epi32(*sum, vector, four);
            }
        }
        // SAFETY: at most one past the last group.
        pixels = unsafe { pixels.add(256) };
    }
    for (channel, sums) in sums.into_iter().enumerate() {
        let scaled = scale(sums, finish[channel].multiplier);
        // SAFETY: handed on.
        unsafe {
            match output {
                Output::Bytes { values, element, zero } => {
                    let bytes = pack(scaled, lowered(*element, *zero), element.flip() ^ super::FLIP);
                    write_bytes(values.part(out(channel), count), bytes);
                }
                Output::Floats(values) => write_floats(values.part(out(channel), count), untangle(scaled)),
            }
        }
    }
}

/// See [`super::Depthwise::row`].
///
/// # Safety
/// As there; each row must have 128 bytes beyond `count`, and the processor these instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) unsafe fn depthwise(
    kernel: &[i8; 9],
    finish: Finish,
    rows: [&[u8]; 3],
    count: usize,
    output: &Output<'_>,
    out_at: usize,
) {
    let weights = [0, 3, 6].map(|at| {
        _mm512_set1_epi32(i32::from_le_bytes(
            [kernel[at], kernel[at + 1], kernel[at + 2], 0].map(|w| w as u8),
        ))
    });
    // Vector r takes pixels 4r to 4r + 3 of each lane's sixteen, as the panels of a product do, each
    // with its two neighbours to the right.
    let neighbours: [__m512i; 4] = std::array::from_fn(|vector| {
        let index: [u8; 64] = std::array::from_fn(|byte| {
            let (pixel, tap) = (byte / 4, byte % 4);
            (pixel / 4 * 16 + 4 * vector + pixel % 4 + tap.min(2)) as u8
        });
        // SAFETY: it has 64 bytes.
        unsafe { _mm512_loadu_si512(index.as_ptr().cast()) }
    });
    // The last pixel's neighbours are beyond a vector of bytes: so the tiles are of 62 pixels.
    const PIXELS: usize = 62;
    for start in (0..count).step_by(PIXELS) {
        let length = PIXELS.min(count - start);
        let mut sums = [_mm512_set1_epi32(finish.start); 4];
        for (row, weights) in rows.iter().zip(weights) {
            // SAFETY: the row has 128 bytes more than `count`.
            let bytes = unsafe { _mm512_loadu_si512(row.as_ptr().add(start).cast()) };
            for (sum, neighbours) in sums.iter_mut().zip(neighbours) {
                *sum = _mm512_dpbusd_epi32(*sum, _mm512_permutexvar_epi8(neighbours, bytes), weights);
            }
        }
        let scaled = scale(sums, finish.multiplier);
        // SAFETY: handed on.
        unsafe {
            match output {
                Output::Bytes { values, element, zero } => {
                    let bytes = pack(scaled, lowered(*element, *zero), element.flip() ^ super::FLIP);
                    write_bytes(values.part(out_at + start, length), bytes);
                }
                Output::Floats(values) => {
                    write_floats(values.part(out_at + start, length), untangle(scaled));
                }
            }
        }
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn scale(sums: [__m512i; 4], multiplier: f32) -> [__m512; 4] {
    let multiplier = _mm512_set1_ps(multiplier);
    sums.map(|sum| _mm512_mul_ps(_mm512_cvtepi32_ps(sum), multiplier))
}

/// Rounds and saturates; the bytes are in the pixels' order.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn pack(scaled: [__m512; 4], zero: i32, flip: u8) -> __m512i {
    let limit = _mm512_set1_ps(65536.0);
    let least = _mm512_set1_ps(-65536.0);
    let rounded = scaled.map(|value| _mm512_cvtps_epi32(_mm512_max_ps(_mm512_min_ps(value, limit), least)));
    let zero = _mm512_set1_epi16(zero as i16);
    let low = _mm512_adds_epi16(_mm512_packs_epi32(rounded[0], rounded[1]), zero);
    let high = _mm512_adds_epi16(_mm512_packs_epi32(rounded[2], rounded[3]), zero);
    _mm512_xor_si512(_mm512_packs_epi16(low, high), _mm512_set1_epi8(i8::from_le_bytes([flip])))
}

/// Lanes of four pixels in the pixels' order.
#[target_feature(enable = "avx512f")]
#[inline]
fn untangle(scaled: [__m512; 4]) -> [__m512; 4] {
    let [a, b, c, d] = scaled;
    let (ab, ab_high) = (_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xEE>(a, b));
    let (cd, cd_high) = (_mm512_shuffle_f32x4::<0x44>(c, d), _mm512_shuffle_f32x4::<0xEE>(c, d));
    [
        _mm512_shuffle_f32x4::<0x88>(ab, cd),
        _mm512_shuffle_f32x4::<0xDD>(ab, cd),
        _mm512_shuffle_f32x4::<0x88>(ab_high, cd_high),
        _mm512_shuffle_f32x4::<0xDD>(ab_high, cd_high),
    ]
}

#[inline]
fn mask(count: usize) -> __mmask64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn write_bytes(place: &mut [u8], bytes: __m512i) {
    // SAFETY: the mask has no more than the place's bytes.
    unsafe { _mm512_mask_storeu_epi8(place.as_mut_ptr().cast(), mask(place.len()), bytes) };
}

#[target_feature(enable = "avx512f")]
#[inline]
fn write_floats(place: &mut [f32], vectors: [__m512; 4]) {
    for (part, vector) in place.chunks_mut(16).zip(vectors) {
        let mask = ((1u32 << part.len()) - 1) as __mmask16;
        // SAFETY: the mask has no more than the part's floats.
        unsafe { _mm512_mask_storeu_ps(part.as_mut_ptr(), mask, vector) };
    }
}
