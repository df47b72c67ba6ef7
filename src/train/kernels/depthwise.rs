//! Depthwise 3×3 convolution, zero-padded, on the CPU.
//!
//! A plane is copied into a frame of zeros and then read as one long line: each of the nine
//! taps is that line at another offset, so the loops vectorise whatever the picture's width.
//! The two columns of the frame that are computed along are thrown away.

use super::vectorised;

/// The nine weights of one channel, row by row.
const TAPS: usize = 9;

/// Extents of a batch of planes.
#[derive(Clone, Copy)]
pub(super) struct Planes {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl Planes {
    fn plane(&self) -> usize {
        self.height * self.width
    }

    fn stride(&self) -> usize {
        self.width + 2
    }

    /// Length of the line that is computed: every row with its two extra columns.
    fn line(&self) -> usize {
        self.height * self.stride()
    }

    fn offsets(&self) -> [usize; TAPS] {
        std::array::from_fn(|tap| tap / 3 * self.stride() + tap % 3)
    }

    /// A frame of zeros, long enough for the last tap of the line.
    fn frame(&self) -> Vec<f32> {
        vec![0.0; (self.height + 2) * self.stride() + 2]
    }

    /// Copies a plane into the frame, `skip` rows and columns from its corner.
    fn enframe(&self, plane: &[f32], frame: &mut [f32], skip: usize) {
        let rows = frame[skip * self.stride() + skip..].chunks_mut(self.stride());
        for (row, framed) in plane.chunks_exact(self.width).zip(rows) {
            framed[..self.width].copy_from_slice(row);
        }
    }
}

/// `x` `[B, C, H, W]` convolved with `weight` `[C, 1, 3, 3]`; with `flipped` weights, this is
/// the gradient with respect to the input.
pub(super) fn convolve(x: &[f32], weight: &[f32], size: Planes, flipped: bool) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    vectorised(
        #[inline(always)]
        || {
            let (mut frame, mut line) = (size.frame(), vec![0.0; size.line()]);
            let planes = x.chunks_exact(size.plane()).zip(out.chunks_exact_mut(size.plane()));
            for (index, (plane, out)) in planes.enumerate() {
                let at = index % size.channels * TAPS;
                let mut taps: [f32; TAPS] = std::array::from_fn(|tap| weight[at + tap]);
                if flipped {
                    taps.reverse();
                }
                size.enframe(plane, &mut frame, 1);
                nine_taps(&frame, &size.offsets(), &taps, &mut line);
                for (row, out) in line.chunks_exact(size.stride()).zip(out.chunks_exact_mut(size.width)) {
                    out.copy_from_slice(&row[..size.width]);
                }
            }
        },
    );
    out
}

/// The gradient `[C, 1, 3, 3]` with respect to the weight.
pub(super) fn weight_gradient(x: &[f32], gradient: &[f32], size: Planes) -> Vec<f32> {
    let mut out = vec![0.0; size.channels * TAPS];
    vectorised(
        #[inline(always)]
        || {
            let (mut frame, mut line) = (size.frame(), size.frame());
            let planes = x.chunks_exact(size.plane()).zip(gradient.chunks_exact(size.plane()));
            for (index, (plane, gradient)) in planes.enumerate() {
                size.enframe(plane, &mut frame, 1);
                size.enframe(gradient, &mut line, 0);
                let at = index % size.channels * TAPS;
                let line = &line[..size.line()];
                for (sum, offset) in out[at..at + TAPS].iter_mut().zip(size.offsets()) {
                    *sum += dot(line, &frame[offset..offset + line.len()]);
                }
            }
        },
    );
    out
}

#[inline(always)]
fn nine_taps(frame: &[f32], offsets: &[usize; TAPS], taps: &[f32; TAPS], line: &mut [f32]) {
    let count = line.len();
    let shifted: [&[f32]; TAPS] = std::array::from_fn(|tap| &frame[offsets[tap]..offsets[tap] + count]);
    let [a, b, c, d, e, f, g, h, i] = shifted;
    for at in 0..count {
        let upper = taps[0] * a[at] + taps[1] * b[at] + taps[2] * c[at];
        let middle = taps[3] * d[at] + taps[4] * e[at] + taps[5] * f[at];
        let lower = taps[6] * g[at] + taps[7] * h[at] + taps[8] * i[at];
        line[at] = upper + middle + lower;
    }
}

/// A sum in fixed lanes: it vectorises, and is the same on every machine.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 32;
    let mut lanes = [0.0f32; LANES];
    let (a_lanes, a_rest) = a.as_chunks::<LANES>();
    let (b_lanes, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}
