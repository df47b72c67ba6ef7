//! See [`super::super::Product`].

use super::finish::{Sink, in_way, way};
use super::{mask, straight};
use crate::backend::kernels::int8::{Finish, Output, Product, Rows};
use std::arch::x86_64::*;

/// Outputs that are summed up at once: with four vectors of pixels each, as many as there are
/// registers for.
const OUTPUTS: usize = 6;

/// See [`Product::tile`].
///
/// # Safety
/// As there; each row must have `count` bytes from `at` on, and the processor these instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
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
    // Vectors that lie across two lines of the cache take twice as long.
    let start = panel.as_ptr().align_offset(64).min(63);
    let panel = &mut panel[start..][..groups * 256];
    let sink = Sink::new(output, product.bounded);
    let floats = matches!(sink.way, way::FLOATS | way::ADDED);
    // SAFETY: the panel has 256 bytes for each group; the rows are the caller's promise.
    unsafe { interleave(rows, at, count, floats, panel) };
    let mut first = 0;
    while first < product.finish.len() {
        let channels = (product.finish.len() - first).min(OUTPUTS);
        let run = Run {
            panel,
            weights: &product.weights[first * groups..][..channels * groups],
            groups,
            finish: &product.finish[first..][..channels],
            mask: mask(count),
            sink: &sink,
            out_at: out_at + first * stride,
            stride,
        };
        // SAFETY: the panel and the weights have as many groups as are said; outputs are the
        // caller's promise.
        unsafe {
            match channels {
                6 => in_way!(sink, outputs::<6>(&run)),
                5 => in_way!(sink, outputs::<5>(&run)),
                4 => in_way!(sink, outputs::<4>(&run)),
                3 => in_way!(sink, outputs::<3>(&run)),
                2 => in_way!(sink, outputs::<2>(&run)),
                _ => in_way!(sink, outputs::<1>(&run)),
            }
        }
        first += channels;
    }
}

/// Puts four rows' bytes of each pixel beside each other.
///
/// # Safety
/// As [`product`]; the panel has 256 bytes for each group of four rows.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
unsafe fn interleave(rows: &Rows<'_>, at: usize, count: usize, floats: bool, panel: &mut [u8]) {
    let (groups, rest) = rows.offsets.as_chunks::<4>();
    let (panels, _) = panel.as_chunks_mut::<256>();
    let mask = mask(count);
    let flip = _mm512_set1_epi8(rows.element.flip() as i8);
    let load = |offset: usize| {
        // SAFETY: `count` bytes can be read there, and the mask has no more.
        let bytes = unsafe { _mm512_maskz_loadu_epi8(mask, rows.bytes.as_ptr().add(offset + at).cast()) };
        let bytes = _mm512_xor_si512(bytes, flip);
        if floats { straight(bytes) } else { bytes }
    };
    for (group, panel) in groups.iter().zip(&mut *panels) {
        let [a, b, c, d] = *group;
        four([load(a), load(b), load(c), load(d)], panel);
    }
    if let (false, Some(panel)) = (rest.is_empty(), panels.last_mut()) {
        let row = |index: usize| rest.get(index).map_or(_mm512_setzero_si512(), |&offset| load(offset));
        four([row(0), row(1), row(2), row(3)], panel);
    }
}

/// Four rows' bytes beside each other.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn four([a, b, c, d]: [__m512i; 4], panel: &mut [u8; 256]) {
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

/// Some outputs of a tile.
struct Run<'a> {
    panel: &'a [u8],
    weights: &'a [[i8; 4]],
    groups: usize,
    finish: &'a [Finish],
    mask: __mmask64,
    sink: &'a Sink,
    out_at: usize,
    stride: usize,
}

/// The sums of `N` outputs over a panel, finished.
///
/// # Safety
/// The panel has 256 bytes for each group, the weights `N` times `groups`; as [`product`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
unsafe fn outputs<const N: usize, const WAY: u8>(run: &Run<'_>) {
    let mut sums: [[__m512i; 4]; N] =
        std::array::from_fn(|channel| [_mm512_set1_epi32(run.finish[channel].start); 4]);
    let (mut pixels, weights) = (run.panel.as_ptr(), run.weights.as_ptr());
    for group in 0..run.groups {
        // SAFETY: the panel has four vectors for each group.
        let vectors: [__m512i; 4] =
            std::array::from_fn(|at| unsafe { _mm512_loadu_si512(pixels.add(64 * at).cast()) });
        for (channel, sums) in sums.iter_mut().enumerate() {
            // SAFETY: each channel has weights for each group.
            let four = unsafe { weights.add(channel * run.groups + group).cast::<i32>().read_unaligned() };
            let four = _mm512_set1_epi32(four);
            for (sum, vector) in sums.iter_mut().zip(vectors) {
                *sum = _mm512_dpbusd_epi32(*sum, vector, four);
            }
        }
        // SAFETY: at most one past the last group.
        pixels = unsafe { pixels.add(256) };
    }
    for (channel, sums) in sums.into_iter().enumerate() {
        let at = run.out_at + channel * run.stride;
        // SAFETY: handed on.
        unsafe { run.sink.end::<WAY, false>(sums, run.finish[channel], at, run.mask) };
    }
}
