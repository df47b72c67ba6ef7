//! Pictures taken with too little light.

use super::{SensorNoise, srgb};
use crate::frame::Planes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// A scene with too little light for the camera: dark, off-colour, noisy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LowLight {
    /// Share of the light that is left, 0..=1.
    pub exposure: f32,
    /// Exponent on what is left, in linear light; above 1 crushes the shadows.
    pub gamma: f32,
    /// Gain of red, green and blue: the cast of street lamps or of a lost white balance.
    pub cast: [f32; 3],
    /// The sensor's noise, after the darkening: `photons` are still those of full white.
    pub noise: Option<SensorNoise>,
}

impl Default for LowLight {
    /// Street-lit night: a tenth of the light, slightly blue, with the noise of a small sensor.
    fn default() -> Self {
        Self {
            exposure: 0.1,
            gamma: 1.0,
            cast: [0.9, 0.97, 1.1],
            noise: Some(SensorNoise { photons: 6000.0, read_noise: 0.000_7 }),
        }
    }
}

impl LowLight {
    /// The dark picture `[3, H, W]` of `planes` (sRGB in 0..=1):
    /// `cast * (exposure * linear) ^ gamma`, then noise.
    pub fn apply(&self, planes: &Planes, seed: u64) -> Planes {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut dark = planes.clone();
        for (mut plane, gain) in dark.outer_iter_mut().zip(self.cast) {
            plane.mapv_inplace(|encoded| {
                let light = self.exposure * srgb::to_linear(encoded.clamp(0.0, 1.0));
                let light = if self.gamma == 1.0 { light } else { light.powf(self.gamma) };
                let light = (gain * light).clamp(0.0, 1.0);
                let seen = self.noise.map_or(light, |noise| noise.expose(light, &mut rng));
                srgb::from_linear(seen.clamp(0.0, 1.0))
            });
        }
        dark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_light_falls_to_exposure_times_cast_even_with_noise() {
        let planes = Planes::from_elem((3, 101, 99), 0.7);
        let settings = LowLight { exposure: 0.1, gamma: 1.0, cast: [0.8, 1.0, 1.2], ..LowLight::default() };
        let dark = settings.apply(&planes, 3);
        for (plane, gain) in dark.outer_iter().zip(settings.cast) {
            let mean = plane.iter().map(|&v| srgb::to_linear(v)).sum::<f32>() / plane.len() as f32;
            let expected = 0.1 * gain * srgb::to_linear(0.7);
            assert!((mean / expected - 1.0).abs() < 0.02, "mean {mean}, expected {expected}");
        }
    }

    #[test]
    fn full_light_without_cast_or_noise_changes_nothing() {
        let planes = Planes::from_shape_fn((3, 1, 9), |(c, _, x)| (c * 9 + x) as f32 / 27.0);
        let same = LowLight { exposure: 1.0, gamma: 1.0, cast: [1.0; 3], noise: None }.apply(&planes, 0);
        assert!(same.iter().zip(&planes).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn noise_follows_the_seed_and_comes_after_the_darkening() {
        let planes = Planes::from_elem((3, 16, 16), 0.5);
        let settings = LowLight::default();
        assert_eq!(settings.apply(&planes, 1), settings.apply(&planes, 1));
        assert_ne!(settings.apply(&planes, 1), settings.apply(&planes, 2));
        // Noise added before would vanish with the light that an exposure of 0 takes away.
        let black = LowLight { exposure: 0.0, ..settings }.apply(&planes, 1);
        assert!(black.iter().any(|&v| v > 0.0));
    }
}
