//! PSNR and SSIM, as the field's papers compute them.

use ndarray::{Array2, ArrayView2, ArrayView3, Axis};

/// Side of SSIM's uniform window.
const WINDOW: usize = 7;

/// SSIM's stabilisers for values in 0..=1: K₁ = 0.01, K₂ = 0.03.
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// Peak signal-to-noise ratio in dB of two pictures `[3, H, W]` in 0..=1, over all channels;
/// infinite where they are equal.
///
/// # Panics
/// Where the shapes differ.
pub fn psnr(a: ArrayView3<'_, f32>, b: ArrayView3<'_, f32>) -> f64 {
    assert_eq!(a.dim(), b.dim(), "psnr compares pictures of one size");
    let squares: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from(a - b).powi(2)).sum();
    -10.0 * (squares / a.len().max(1) as f64).log10()
}

/// Structural similarity of two pictures `[3, H, W]` in 0..=1: 7×7 uniform window, sample
/// covariance, mean over channels and over all windows that lie within the picture (the
/// defaults of scikit-image, which the papers use). 1 for pictures smaller than a window that
/// are equal, NaN for others.
///
/// No crate computes this variant (they use Gaussian windows or other weights), and numbers
/// are only comparable in the same variant.
///
/// # Panics
/// Where the shapes differ.
pub fn ssim(a: ArrayView3<'_, f32>, b: ArrayView3<'_, f32>) -> f64 {
    assert_eq!(a.dim(), b.dim(), "ssim compares pictures of one size");
    let (channels, height, width) = a.dim();
    if height < WINDOW || width < WINDOW {
        return if a == b { 1.0 } else { f64::NAN };
    }
    let channel = |c| ssim_of_plane(a.index_axis(Axis(0), c), b.index_axis(Axis(0), c));
    (0..channels).map(channel).sum::<f64>() / channels as f64
}

fn ssim_of_plane(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> f64 {
    let (a, b) = (a.mapv(f64::from), b.mapv(f64::from));
    let [mean_a, mean_b] = [&a, &b].map(window_means);
    let [square_a, square_b, product] = [&a * &a, &b * &b, &a * &b].map(|plane| window_means(&plane));
    let count = (WINDOW * WINDOW) as f64;
    let unbiased = count / (count - 1.0);
    let mut total = 0.0;
    for (at, &ma) in mean_a.indexed_iter() {
        let mb = mean_b[at];
        let variance_a = unbiased * (square_a[at] - ma * ma);
        let variance_b = unbiased * (square_b[at] - mb * mb);
        let covariance = unbiased * (product[at] - ma * mb);
        total += (2.0 * ma * mb + C1) * (2.0 * covariance + C2)
            / ((ma * ma + mb * mb + C1) * (variance_a + variance_b + C2));
    }
    total / mean_a.len() as f64
}

/// Means over every 7×7 window within the plane.
fn window_means(plane: &Array2<f64>) -> Array2<f64> {
    let across = sliding_sums(plane, Axis(1));
    sliding_sums(&across, Axis(0)) / (WINDOW * WINDOW) as f64
}

/// Sums of [`WINDOW`] neighbours along an axis.
fn sliding_sums(plane: &Array2<f64>, axis: Axis) -> Array2<f64> {
    let windows = plane.len_of(axis) + 1 - WINDOW;
    let part = |start: usize| plane.slice_axis(axis, (start..start + windows).into());
    let mut sums = part(0).to_owned();
    for start in 1..WINDOW {
        sums += &part(start);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn equal_pictures_are_perfect_and_a_known_error_has_its_psnr() {
        let a = Array3::from_shape_fn((3, 20, 30), |(c, y, x)| ((c + 3 * y + 5 * x) % 11) as f32 / 11.0);
        assert_eq!(psnr(a.view(), a.view()), f64::INFINITY);
        assert!((ssim(a.view(), a.view()) - 1.0).abs() < 1e-12);
        let b = &a + 0.1;
        assert!((psnr(a.view(), b.view()) - 20.0).abs() < 1e-4);
        assert!(ssim(a.view(), b.view()) < 1.0);
    }

    #[test]
    fn a_picture_smaller_than_the_window_has_no_ssim() {
        let (a, b) = (Array3::zeros((3, 6, 9)), Array3::from_elem((3, 6, 9), 0.5));
        assert!(ssim(a.view(), b.view()).is_nan());
    }
}
