//! What training makes small.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The loss and its terms' weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Loss {
    /// Of the mean absolute error, the paper's loss.
    pub l1: f32,
    /// Of the mean over pictures of the logarithm of their absolute errors: what PSNR measures.
    /// A picture counts by how much smaller its error gets, not by how large it was, so haze
    /// and darkness do not drown out noise and rain.
    pub log_l1: f32,
    /// Of the mean absolute error of the patches' spectra, which weighs texture higher.
    pub frequency: f32,
    /// Of 1 − SSIM over windows of 7×7 pixels.
    pub ssim: f32,
}

impl Default for Loss {
    fn default() -> Self {
        Self { l1: 1.0, log_l1: 0.0, frequency: 0.0, ssim: 0.0 }
    }
}

impl Loss {
    /// The loss `[1]` of pictures `[B, 3, H, W]` against their targets, a mean over all.
    pub fn of(&self, restored: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
        let [batch, channels, height, width] = restored.dims();
        let errors = (restored.clone() - target.clone()).abs();
        let errors = errors.reshape([batch, channels * height * width]).mean_dim(1);
        let mut loss = errors.clone().mean() * self.l1;
        if self.log_l1 > 0.0 {
            loss = loss + (errors + SMALL_ERROR).log().mean() * self.log_l1;
        }
        if self.frequency > 0.0 {
            loss = loss + spectral(restored.clone() - target.clone()) * self.frequency;
        }
        if self.ssim > 0.0 {
            loss = loss + dissimilarity(restored, target) * self.ssim;
        }
        loss
    }
}

/// Errors below this count by their size, those above by their ratio.
const SMALL_ERROR: f32 = 0.04;

/// Mean absolute value of the real and imaginary parts of the pictures' orthonormal Fourier
/// transform, taken as matrix products along rows and columns.
fn spectral(error: Tensor<4>) -> Tensor<1> {
    let [_, _, height, width] = error.dims();
    let device = error.device();
    let [row_cos, row_sin] = fourier(height, &device);
    let [column_cos, column_sin] = fourier(width, &device);
    let (cos, sin) = (row_cos.matmul(error.clone()), row_sin.matmul(error));
    let real = cos.clone().matmul(column_cos.clone()) - sin.clone().matmul(column_sin.clone());
    let imaginary = cos.matmul(column_sin) + sin.matmul(column_cos);
    (real.abs().mean() + imaginary.abs().mean()) * 0.5
}

/// Cosines and sines of the orthonormal discrete Fourier transform, `[1, 1, N, N]` each.
fn fourier(length: usize, device: &burn::tensor::Device) -> [Tensor<4>; 2] {
    let table = |function: fn(f64) -> f64| {
        let values: Vec<f32> = (0..length * length)
            .map(|at| {
                // Whole turns are taken off before the multiplication, where it is exact.
                let turn = (at / length) * (at % length) % length;
                let angle = std::f64::consts::TAU * turn as f64 / length as f64;
                (function(angle) / (length as f64).sqrt()) as f32
            })
            .collect();
        Tensor::from_data(burn::tensor::TensorData::new(values, [1, 1, length, length]), device)
    };
    [table(f64::cos), table(f64::sin)]
}

/// Side of SSIM's windows.
const WINDOW: usize = 7;

/// 1 − SSIM, with uniform windows, for values in 0..=1 (Wang et al. 2004).
fn dissimilarity(a: Tensor<4>, b: Tensor<4>) -> Tensor<1> {
    const C1: f32 = 0.01 * 0.01;
    const C2: f32 = 0.03 * 0.03;
    let (mean_a, mean_b) = (windows(a.clone()), windows(b.clone()));
    let of_a = windows(a.clone().square()) - mean_a.clone().square();
    let of_b = windows(b.clone().square()) - mean_b.clone().square();
    let of_both = windows(a * b) - mean_a.clone() * mean_b.clone();
    let above = ((mean_a.clone() * mean_b.clone()) * 2.0 + C1) * (of_both * 2.0 + C2);
    let below = (mean_a.square() + mean_b.square() + C1) * (of_a + of_b + C2);
    (above / below).mean().neg() + 1.0
}

/// Means over all whole windows, as matrix products along columns and rows.
fn windows(x: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let device = x.device();
    let band = |length: usize| {
        let count = length.saturating_sub(WINDOW - 1).max(1);
        let size = WINDOW.min(length);
        let values: Vec<f32> = (0..count * length)
            .map(|at| {
                if (at / length..at / length + size).contains(&(at % length)) {
                    1.0 / size as f32
                } else {
                    0.0
                }
            })
            .collect();
        Tensor::<4>::from_data(burn::tensor::TensorData::new(values, [1, 1, count, length]), &device)
    };
    band(height).matmul(x).matmul(band(width).swap_dims(2, 3))
}
