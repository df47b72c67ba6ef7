//! Convolutions and resampling on `[B, C, H, W]`.

use crate::train::kernels;
use burn::tensor::{Device, Tensor, TensorData};

/// 1×1 convolution with `weight` `[O, C, 1, 1]`: a matrix product over each pixel's channels.
pub fn pointwise(x: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
    let ([batch, channels, height, width], [output, ..]) = (x.dims(), weight.dims());
    let rows = x.reshape([batch, channels, height * width]);
    weight.reshape([1, output, channels]).matmul(rows).reshape([batch, output, height, width])
}

/// 3×3 convolution with `weight` `[O, C, 3, 3]`, zero-padded.
pub fn convolution(x: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
    let [output, channels, ..] = weight.dims();
    pointwise(kernels::neighbours(x), weight.reshape([output, 9 * channels, 1, 1]))
}

/// `[B, C, H, W]` to `[B, C·s², H/s, W/s]`, channels in PyTorch's order.
pub fn pixel_unshuffle(x: Tensor<4>, scale: usize) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let (height, width) = (height / scale, width / scale);
    x.reshape([batch, channels, height, scale, width, scale]).permute([0, 1, 3, 5, 2, 4]).reshape([
        batch,
        channels * scale * scale,
        height,
        width,
    ])
}

/// The inverse of [`pixel_unshuffle`].
pub fn pixel_shuffle(x: Tensor<4>, scale: usize) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let channels = channels / (scale * scale);
    x.reshape([batch, channels, scale, scale, height, width]).permute([0, 1, 4, 2, 5, 3]).reshape([
        batch,
        channels,
        height * scale,
        width * scale,
    ])
}

/// `x` `[B, C, H, W]` resized bilinearly: half-pixel centres, no antialias. Two matrix
/// products, because not every backend of burn has a gradient for its own.
pub fn resize_bilinear(x: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    let [_, _, from_height, from_width] = x.dims();
    if [from_height, from_width] == [height, width] {
        return x;
    }
    let device = x.device();
    let rows = interpolation(height, from_height, &device).unsqueeze::<4>();
    let columns = interpolation(width, from_width, &device).unsqueeze::<4>();
    rows.matmul(x).matmul(columns.swap_dims(2, 3))
}

/// The matrix `[to, from]` that interpolates a line of `from` values to `to`.
fn interpolation(to: usize, from: usize, device: &Device) -> Tensor<2> {
    let mut matrix = vec![0.0f32; to * from];
    let scale = from as f32 / to as f32;
    for (row, weights) in matrix.chunks_exact_mut(from).enumerate() {
        let centre = ((row as f32 + 0.5) * scale - 0.5).max(0.0);
        let left = (centre as usize).min(from - 1);
        let share = centre - left as f32;
        weights[left] += 1.0 - share;
        weights[(left + 1).min(from - 1)] += share;
    }
    Tensor::from_data(TensorData::new(matrix, [to, from]), device)
}
