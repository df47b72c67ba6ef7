//! Noise of benchmarks (Gaussian, on 8-bit values) and of real sensors (photons and electronics).

use super::srgb;
use crate::frame::Planes;
use image::RgbImage;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Poisson, StandardNormal};

/// Adds white Gaussian noise of standard deviation `sigma` (in 8-bit units, 0..=255) as the
/// VLU-Net paper's test sets do: `clip(x + sigma * N(0, 1), 0, 255)`, truncated to 8 bits.
///
/// Truncation, not rounding, is the protocol of the published figures: it costs half a grey
/// level of mean brightness.
pub fn gaussian_noise_8bit(rgb: &RgbImage, sigma: f32, seed: u64) -> RgbImage {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut noisy = rgb.clone();
    for value in noisy.iter_mut() {
        let normal: f32 = StandardNormal.sample(&mut rng);
        *value = (f32::from(*value) + sigma * normal).clamp(0.0, 255.0) as u8;
    }
    noisy
}

/// Poisson-Gaussian noise of an image sensor: the photons' own, and the read-out's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SensorNoise {
    /// Photons (electrons) that a white pixel collects; fewer give more noise. Above 0.
    pub photons: f32,
    /// Standard deviation of the read-out noise, as a share of white in linear light.
    pub read_noise: f32,
}

/// From this many photons on, a normal distribution is as good as Poisson's, and faster.
const MANY_PHOTONS: f32 = 24.0;

impl SensorNoise {
    /// The noisy picture `[3, H, W]` of `planes` (sRGB in 0..=1). The noise arises in linear
    /// light, as on a sensor, so shadows show more of it.
    pub fn apply(&self, planes: &Planes, seed: u64) -> Planes {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        planes.map(|&encoded| {
            let noisy = self.expose(srgb::to_linear(encoded.clamp(0.0, 1.0)), &mut rng);
            srgb::from_linear(noisy.clamp(0.0, 1.0))
        })
    }

    /// What the sensor reads where this share of white, in linear light, falls on it.
    pub(super) fn expose(&self, linear: f32, rng: &mut ChaCha8Rng) -> f32 {
        let photons = self.photons.max(1.0);
        let expected = linear * photons;
        let normal: f32 = StandardNormal.sample(rng);
        let counted = match Poisson::new(expected) {
            Ok(poisson) if expected < MANY_PHOTONS => poisson.sample(rng),
            // Poisson refuses a mean of 0: no light, no photons.
            Err(_) => 0.0,
            Ok(_) => {
                let shot: f32 = StandardNormal.sample(rng);
                (expected + expected.sqrt() * shot).max(0.0)
            }
        };
        counted / photons + self.read_noise * normal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_and_std(values: impl Iterator<Item = f32> + Clone) -> (f32, f32) {
        let count = values.clone().count() as f32;
        let mean = values.clone().sum::<f32>() / count;
        (mean, (values.map(|v| (v - mean).powi(2)).sum::<f32>() / count).sqrt())
    }

    #[test]
    fn gaussian_noise_on_mid_grey_has_the_asked_sigma_and_is_truncated() {
        let grey = RgbImage::from_pixel(200, 200, image::Rgb([128; 3]));
        let noisy = gaussian_noise_8bit(&grey, 25.0, 1);
        let (mean, std) = mean_and_std(noisy.iter().map(|&v| f32::from(v)));
        assert!((std - 25.0).abs() < 0.3, "std {std}");
        assert!((mean - 127.5).abs() < 0.3, "mean {mean}: rounded instead of truncated?");
    }

    #[test]
    fn the_seed_alone_decides_the_noise() {
        let grey = RgbImage::from_pixel(9, 7, image::Rgb([128; 3]));
        assert_eq!(gaussian_noise_8bit(&grey, 25.0, 3), gaussian_noise_8bit(&grey, 25.0, 3));
        assert_ne!(gaussian_noise_8bit(&grey, 25.0, 3), gaussian_noise_8bit(&grey, 25.0, 4));
        let planes = Planes::from_elem((3, 7, 9), 0.5);
        let sensor = SensorNoise { photons: 100.0, read_noise: 0.01 };
        assert_eq!(sensor.apply(&planes, 3), sensor.apply(&planes, 3));
        assert_ne!(sensor.apply(&planes, 3), sensor.apply(&planes, 4));
    }

    #[test]
    fn sensor_noise_has_the_variance_of_photons_and_read_out_together() {
        // 0.05 of 200 photons takes the exact branch, 0.5 the normal one.
        for linear in [0.05f32, 0.5] {
            let planes = Planes::from_elem((3, 120, 120), srgb::from_linear(linear));
            let sensor = SensorNoise { photons: 200.0, read_noise: 0.002 };
            let noisy = sensor.apply(&planes, 5);
            let (mean, std) = mean_and_std(noisy.iter().map(|&v| srgb::to_linear(v)));
            let expected = (linear / 200.0 + 0.002f32.powi(2)).sqrt();
            assert!((mean - linear).abs() < 0.002, "mean {mean} of {linear}");
            assert!((std / expected - 1.0).abs() < 0.03, "std {std}, expected {expected}");
        }
    }

    #[test]
    fn black_without_read_noise_stays_black_and_a_single_pixel_is_fine() {
        let noisy = SensorNoise { photons: 10.0, read_noise: 0.0 }.apply(&Planes::zeros((3, 1, 1)), 1);
        assert_eq!(noisy, Planes::zeros((3, 1, 1)));
    }
}
