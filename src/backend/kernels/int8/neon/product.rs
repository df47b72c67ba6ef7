//! See [`super::super::Product`].

use super::dot::dot;
use super::finish::{Bytes, Order, end};
use super::{BYTES, read};
use crate::backend::kernels::int8::{Byte, FLIP, Finish, Output, Product, Rows, TILE};
use std::arch::aarch64::*;

/// Outputs that are summed up at once, whose weights lie beside each other: with four vectors of
/// sums each, half of the registers.
pub(in super::super) const OUTPUTS: usize = 4;

/// Bytes of a panel for each group of four rows: sixteen pixels.
const GROUP: usize = 4 * BYTES;

/// See [`Product::tile`]. `DOT`: by `sdot`.
///
/// # Safety
/// As there; each row must have `count` bytes from `at` on, and the processor the instructions.
pub(in super::super) unsafe fn product<const DOT: bool>(
    product: &Product,
    rows: &Rows<'_>,
    at: usize,
    count: usize,
    output: &Output<'_>,
    (out_at, stride): (usize, usize),
    panel: &mut [u8],
) {
    let groups = product.groups();
    // Of two products of bytes, int16 has no room for 2 * 128 * 128 only.
    let weights = if DOT { &[] } else { product.weights.as_flattened() };
    let fit = weights.iter().fold(0, |least, &weight| weight.min(least)) > i8::MIN;
    interleave::<DOT>(rows, at, count, groups, panel);
    for (block, finish) in product.finish.chunks(OUTPUTS).enumerate() {
        let first = block * OUTPUTS;
        for (chunk, start) in (0..count).step_by(BYTES).enumerate() {
            let run = Run {
                panel: panel[chunk * groups * GROUP..][..groups * GROUP].as_chunks().0,
                weights: product.weights[first * groups..][..OUTPUTS * groups].as_chunks().0,
                finish,
                out_at: out_at + first * stride + start,
                stride,
                count: count - start,
            };
            // SAFETY: the outputs are the caller's promise, and so is the processor.
            unsafe {
                match (DOT, fit) {
                    (true, _) => dots(&run, output),
                    (_, true) => products::<true>(&run, output),
                    (_, false) => products::<false>(&run, output),
                }
            }
        }
    }
}

/// Brings the rows to int8 and four of them beside each other: all four bytes of each pixel where
/// `DOT` is, else those of the first two rows and then those of the others.
#[inline(always)]
fn interleave<const DOT: bool>(rows: &Rows<'_>, at: usize, count: usize, groups: usize, panel: &mut [u8]) {
    assert!(panel.len() >= groups * count.div_ceil(BYTES) * GROUP);
    for (group, offsets) in rows.offsets.chunks(4).enumerate() {
        // What weights of zero meet doesn't matter.
        let mut parts = [&[0; TILE][..count]; 4];
        for (part, offset) in parts.iter_mut().zip(offsets) {
            *part = &rows.bytes[offset + at..][..count];
        }
        for (chunk, start) in (0..count).step_by(BYTES).enumerate() {
            // SAFETY: the parts have `count` bytes, and the panel was checked.
            unsafe {
                let to = panel.as_mut_ptr().add((chunk * groups + group) * GROUP);
                if count - start >= BYTES {
                    four::<DOT>(parts.map(|part| vld1q_u8(part.as_ptr().add(start))), rows.element, to);
                } else {
                    four::<DOT>(parts.map(|part| read(&part[start..])), rows.element, to);
                }
            }
        }
    }
}

/// Four rows' pixels beside each other.
///
/// # Safety
/// There is room for four vectors.
#[inline(always)]
unsafe fn four<const DOT: bool>(rows: [uint8x16_t; 4], element: Byte, to: *mut u8) {
    // SAFETY: the caller's promise; every processor of this kind has the rest.
    unsafe {
        let flip = vdupq_n_u8(element.flip() ^ FLIP);
        let [a, b, c, d] = rows.map(|row| veorq_u8(row, flip));
        let [ab, cd] = [vzipq_u8(a, b), vzipq_u8(c, d)];
        let mut vectors = [ab.0, ab.1, cd.0, cd.1];
        if DOT {
            let [low, high] = [(ab.0, cd.0), (ab.1, cd.1)]
                .map(|(ab, cd)| vzipq_u16(vreinterpretq_u16_u8(ab), vreinterpretq_u16_u8(cd)));
            vectors = [low.0, low.1, high.0, high.1].map(|vector| vreinterpretq_u8_u16(vector));
        }
        for (index, vector) in vectors.into_iter().enumerate() {
            vst1q_u8(to.add(BYTES * index), vector);
        }
    }
}

/// Some outputs of sixteen pixels.
struct Run<'a> {
    panel: &'a [[u8; GROUP]],
    weights: &'a [[[i8; 4]; OUTPUTS]],
    /// Of no more outputs than there are weights for.
    finish: &'a [Finish],
    out_at: usize,
    stride: usize,
    count: usize,
}

impl Run<'_> {
    /// What the sums start from.
    #[inline(always)]
    fn starts(&self) -> [[int32x4_t; 4]; OUTPUTS] {
        // SAFETY: every processor of this kind has it.
        std::array::from_fn(|at| unsafe { [vdupq_n_s32(self.finish.get(at).map_or(0, |it| it.start)); 4] })
    }

    /// # Safety
    /// As [`product`].
    #[inline(always)]
    unsafe fn end(&self, sums: [[int32x4_t; 4]; OUTPUTS], output: &Output<'_>) {
        let whole = Bytes::of(output).filter(|_| self.count >= BYTES);
        for (at, (sums, finish)) in sums.into_iter().zip(self.finish).enumerate() {
            let at = self.out_at + at * self.stride;
            // SAFETY: handed on.
            unsafe {
                match &whole {
                    Some(bytes) => bytes.end(sums, Order::Straight, finish.multiplier, at),
                    None => end(output, sums, Order::Straight, finish.multiplier, at, self.count),
                }
            }
        }
    }
}

/// # Safety
/// As [`product`].
#[target_feature(enable = "neon,dotprod")]
unsafe fn dots(run: &Run<'_>, output: &Output<'_>) {
    let mut sums = run.starts();
    for (pixels, weights) in run.panel.iter().zip(run.weights) {
        // SAFETY: there are sixteen bytes of weights and four times as many of pixels.
        let (weights, pixels) =
            unsafe { (vld1q_s8(weights.as_ptr().cast()), vld1q_s8_x4(pixels.as_ptr().cast())) };
        let pixels = [pixels.0, pixels.1, pixels.2, pixels.3];
        for (at, pixels) in pixels.into_iter().enumerate() {
            sums[0][at] = dot::<0>(sums[0][at], pixels, weights);
            sums[1][at] = dot::<1>(sums[1][at], pixels, weights);
            sums[2][at] = dot::<2>(sums[2][at], pixels, weights);
            sums[3][at] = dot::<3>(sums[3][at], pixels, weights);
        }
    }
    // SAFETY: handed on.
    unsafe { run.end(sums, output) };
}

/// As int16, `PAIRED` are the products of the first two rows and of the others added up before
/// they go to int32.
///
/// # Safety
/// As [`product`].
#[inline(never)]
unsafe fn products<const PAIRED: bool>(run: &Run<'_>, output: &Output<'_>) {
    let mut sums = run.starts();
    for (pixels, weights) in run.panel.iter().zip(run.weights) {
        // SAFETY: there are sixteen bytes of weights and four times as many of pixels.
        unsafe {
            let pixels: [int8x16_t; 4] =
                std::array::from_fn(|at| vld1q_s8(pixels.as_ptr().add(BYTES * at).cast()));
            let weights = vld1q_s16(weights.as_ptr().cast());
            add::<PAIRED>(
                &mut sums[0],
                pixels,
                [vdupq_laneq_s16::<0>(weights), vdupq_laneq_s16::<1>(weights)],
            );
            add::<PAIRED>(
                &mut sums[1],
                pixels,
                [vdupq_laneq_s16::<2>(weights), vdupq_laneq_s16::<3>(weights)],
            );
            add::<PAIRED>(
                &mut sums[2],
                pixels,
                [vdupq_laneq_s16::<4>(weights), vdupq_laneq_s16::<5>(weights)],
            );
            add::<PAIRED>(
                &mut sums[3],
                pixels,
                [vdupq_laneq_s16::<6>(weights), vdupq_laneq_s16::<7>(weights)],
            );
        }
    }
    // SAFETY: handed on.
    unsafe { run.end(sums, output) };
}

/// Adds one output's products: of the first two rows, which the first two vectors have, and of the
/// others.
#[inline(always)]
fn add<const PAIRED: bool>(sums: &mut [int32x4_t; 4], pixels: [int8x16_t; 4], weights: [int16x8_t; 2]) {
    // SAFETY: every processor of this kind has these.
    unsafe {
        let [first, second] = weights.map(|pair| vreinterpretq_s8_s16(pair));
        for half in 0..2 {
            let (ab, cd) = (pixels[half], pixels[2 + half]);
            let low = vmull_s8(vget_low_s8(ab), vget_low_s8(first));
            let high = vmull_high_s8(ab, first);
            let (at, next) = (2 * half, 2 * half + 1);
            if PAIRED {
                sums[at] = vpadalq_s16(sums[at], vmlal_s8(low, vget_low_s8(cd), vget_low_s8(second)));
                sums[next] = vpadalq_s16(sums[next], vmlal_high_s8(high, cd, second));
            } else {
                let other = vmull_s8(vget_low_s8(cd), vget_low_s8(second));
                sums[at] = vpadalq_s16(vpadalq_s16(sums[at], low), other);
                sums[next] = vpadalq_s16(vpadalq_s16(sums[next], high), vmull_high_s8(cd, second));
            }
        }
    }
}
