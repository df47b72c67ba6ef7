//! From sums to the next layer's numbers.

use super::{quarter, straight};
use crate::backend::kernels::int8::{FLIP, Finish, Output};
use std::arch::x86_64::*;

/// Calls a function that is compiled for each [`way`] with the one of a sink; the other of its
/// parameters comes first.
macro_rules! in_way {
    ($sink:expr, $function:ident::<$first:tt>($($argument:expr),*)) => {
        match $sink.way {
            way::PLAIN => $function::<$first, { way::PLAIN }>($($argument),*),
            way::ZERO => $function::<$first, { way::ZERO }>($($argument),*),
            way::ANY => $function::<$first, { way::ANY }>($($argument),*),
            way::FLOATS => $function::<$first, { way::FLOATS }>($($argument),*),
            _ => $function::<$first, { way::ADDED }>($($argument),*),
        }
    };
}
pub(super) use in_way;

/// Ways to finish, each of which kernels are compiled for.
pub(super) mod way {
    /// Bytes that saturate as int8 does, without a zero.
    pub(in super::super) const PLAIN: u8 = 0;
    /// uint8 of any zero.
    pub(in super::super) const ZERO: u8 = 1;
    /// Bytes of any kind and zero, of products that may be beyond int32.
    pub(in super::super) const ANY: u8 = 2;
    pub(in super::super) const FLOATS: u8 = 3;
    pub(in super::super) const ADDED: u8 = 4;
}

/// An output as the kernels take it.
pub(super) struct Sink {
    /// See [`way`].
    pub(super) way: u8,
    bytes: *mut u8,
    floats: *mut f32,
    add: *const f32,
    zero: i16,
    flip: u8,
}

impl Sink {
    /// `bounded`: no product comes near the ends of int32.
    pub(super) fn new(output: &Output<'_>, bounded: bool) -> Self {
        let nowhere = Self {
            way: way::FLOATS,
            bytes: std::ptr::null_mut(),
            floats: std::ptr::null_mut(),
            add: std::ptr::null(),
            zero: 0,
            flip: 0,
        };
        match output {
            Output::Bytes { values, element, zero } => {
                // Saturating as int8 is saturating as uint8 of a zero that is 128 higher.
                let (zero, flip) = (element.raised(*zero), element.flip());
                let (way, flip) = match (bounded, zero == i32::from(FLIP), flip) {
                    (true, true, _) => (way::PLAIN, flip ^ FLIP),
                    (true, false, 0) => (way::ZERO, 0),
                    _ => (way::ANY, flip),
                };
                Self { way, bytes: values.start(), zero: zero as i16, flip, ..nowhere }
            }
            Output::Floats(values) => Self { floats: values.start(), ..nowhere },
            Output::Added { values, add } => {
                Self { way: way::ADDED, floats: values.start(), add: add.as_ptr(), ..nowhere }
            }
        }
    }

    /// Finishes the mask's part of 64 sums and writes them to this place. Vector r has the pixels from 4r
    /// to 4r + 3 of each sixteen for bytes and those from 16r on for floats, or, of `PHASES`, every
    /// fourth from r on.
    ///
    /// # Safety
    /// The place is within the output and nobody else's; `WAY` is the sink's.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    pub(super) unsafe fn end<const WAY: u8, const PHASES: bool>(
        &self,
        sums: [__m512i; 4],
        finish: Finish,
        at: usize,
        mask: __mmask64,
    ) {
        let scaled = scale(sums, finish.multiplier);
        // SAFETY: as the contract says; masks have no more than the place.
        unsafe {
            if WAY == way::FLOATS || WAY == way::ADDED {
                let mut vectors = if PHASES { untangle(transpose(scaled)) } else { scaled };
                if WAY == way::ADDED {
                    vectors = added(vectors, self.add.add(at), mask);
                }
                write_floats(self.floats.add(at), vectors, mask);
            } else {
                let mut bytes = pack::<WAY>(scaled, self.zero, self.flip);
                if PHASES {
                    bytes = in_turn(bytes);
                }
                _mm512_mask_storeu_epi8(self.bytes.add(at).cast(), mask, bytes);
            }
        }
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn scale([a, b, c, d]: [__m512i; 4], multiplier: f32) -> [__m512; 4] {
    let multiplier = _mm512_set1_ps(multiplier);
    [
        _mm512_mul_ps(_mm512_cvtepi32_ps(a), multiplier),
        _mm512_mul_ps(_mm512_cvtepi32_ps(b), multiplier),
        _mm512_mul_ps(_mm512_cvtepi32_ps(c), multiplier),
        _mm512_mul_ps(_mm512_cvtepi32_ps(d), multiplier),
    ]
}

/// Rounds and saturates; the bytes of each four vectors' lanes are beside each other.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn pack<const WAY: u8>([a, b, c, d]: [__m512; 4], zero: i16, flip: u8) -> __m512i {
    let (low, high) = (pair::<WAY>(a, b), pair::<WAY>(c, d));
    let bytes = if WAY == way::PLAIN {
        _mm512_packs_epi16(low, high)
    } else {
        let zero = _mm512_set1_epi16(zero);
        _mm512_packus_epi16(_mm512_adds_epi16(low, zero), _mm512_adds_epi16(high, zero))
    };
    if WAY == way::ZERO { bytes } else { _mm512_xor_si512(bytes, _mm512_set1_epi8(flip as i8)) }
}

/// Integers, those beyond int16 saturated.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn pair<const WAY: u8>(mut a: __m512, mut b: __m512) -> __m512i {
    // What is beyond int32 would come out as its least.
    if WAY == way::ANY {
        let (limit, least) = (_mm512_set1_ps(65536.0), _mm512_set1_ps(-65536.0));
        a = _mm512_max_ps(_mm512_min_ps(a, limit), least);
        b = _mm512_max_ps(_mm512_min_ps(b, limit), least);
    }
    _mm512_packs_epi32(_mm512_cvtps_epi32(a), _mm512_cvtps_epi32(b))
}

/// What [`pack`] makes of vectors of every fourth pixel, in the pixels' order.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn in_turn(packed: __m512i) -> __m512i {
    let turn = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_shuffle_epi8(packed, _mm512_broadcast_i32x4(turn))
}

/// From vectors of four pixels of each sixteen to such of sixteen.
#[target_feature(enable = "avx512f")]
#[inline]
fn untangle([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
    let (ab, ab_high) = (_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xEE>(a, b));
    let (cd, cd_high) = (_mm512_shuffle_f32x4::<0x44>(c, d), _mm512_shuffle_f32x4::<0xEE>(c, d));
    [
        _mm512_shuffle_f32x4::<0x88>(ab, cd),
        _mm512_shuffle_f32x4::<0xDD>(ab, cd),
        _mm512_shuffle_f32x4::<0x88>(ab_high, cd_high),
        _mm512_shuffle_f32x4::<0xDD>(ab_high, cd_high),
    ]
}

/// From vectors of every fourth pixel to such of four of each sixteen.
#[target_feature(enable = "avx512f")]
#[inline]
fn transpose([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
    let (ab, ab_high) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    let (cd, cd_high) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    [
        _mm512_shuffle_ps::<0x44>(ab, cd),
        _mm512_shuffle_ps::<0xEE>(ab, cd),
        _mm512_shuffle_ps::<0x44>(ab_high, cd_high),
        _mm512_shuffle_ps::<0xEE>(ab_high, cd_high),
    ]
}

/// # Safety
/// The mask's floats can be read there.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn added([a, b, c, d]: [__m512; 4], add: *const f32, mask: __mmask64) -> [__m512; 4] {
    let plus = |index: usize, vector: __m512| {
        // SAFETY: the caller's promise.
        let add = unsafe { _mm512_maskz_loadu_ps(quarter(mask, index), add.wrapping_add(16 * index)) };
        _mm512_add_ps(vector, add)
    };
    [plus(0, a), plus(1, b), plus(2, c), plus(3, d)]
}

/// # Safety
/// The mask's floats can be written there.
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) unsafe fn write_floats(to: *mut f32, vectors: [__m512; 4], mask: __mmask64) {
    for (index, vector) in vectors.into_iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { _mm512_mask_storeu_ps(to.wrapping_add(16 * index), quarter(mask, index), vector) };
    }
}

/// Rounds and saturates to uint8 what comes in the pixels' order.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
pub(super) fn pack_straight<const WAY: u8>(values: [__m512; 4], zero: i16) -> __m512i {
    straight(pack::<WAY>(values, zero, 0))
}
