//! The 3×3 neighbourhood of every pixel as channels, on the CPU: a 3×3 convolution is then a
//! matrix product.

use super::depthwise::Planes;

/// `x` `[B, C, H, W]` as `[B, 9·C, H, W]`: channel 9·c + tap, zero beyond the borders.
pub(super) fn gather(x: &[f32], size: Planes) -> Vec<f32> {
    let plane = size.height * size.width;
    let mut out = vec![0.0; 9 * x.len()];
    for (plane_in, taps) in x.chunks_exact(plane).zip(out.chunks_exact_mut(9 * plane)) {
        for (tap, shifted) in taps.chunks_exact_mut(plane).enumerate() {
            each_row(size, tap, |from, to, count| {
                shifted[to..to + count].copy_from_slice(&plane_in[from..from + count]);
            });
        }
    }
    out
}

/// The gradient of [`gather`]: each pixel's nine copies added up.
pub(super) fn scatter(gradient: &[f32], size: Planes) -> Vec<f32> {
    let plane = size.height * size.width;
    let mut out = vec![0.0; gradient.len() / 9];
    for (taps, sum) in gradient.chunks_exact(9 * plane).zip(out.chunks_exact_mut(plane)) {
        for (tap, shifted) in taps.chunks_exact(plane).enumerate() {
            each_row(size, tap, |from, to, count| {
                let row = sum[from..from + count].iter_mut().zip(&shifted[to..to + count]);
                row.for_each(|(sum, gradient)| *sum += gradient);
            });
        }
    }
    out
}

/// For each row of a tap: where it starts in the plane and in the shifted plane, and its
/// length.
#[inline(always)]
fn each_row(size: Planes, tap: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let Planes { height, width, .. } = size;
    let (dy, dx) = (tap / 3, tap % 3);
    // Row y of the output is row y + dy − 1 of the input; columns alike.
    let (to_column, from_column) = (1_usize.saturating_sub(dx), dx.saturating_sub(1));
    let count = width - to_column.max(from_column).min(width);
    for y in 0..height {
        let row = y + dy;
        if (1..=height).contains(&row) && count > 0 {
            visit((row - 1) * width + from_column, y * width + to_column, count);
        }
    }
}
