//! Noise and darkness on 8-bit pictures by tables, fast enough to train on.
//!
//! The same models as [`SensorNoise::apply`] and [`LowLight::apply`], except that the photons'
//! own noise is normal at any count, and that it can be grainy: demosaicing and scaling spread
//! a real sensor's noise over neighbouring pixels.

use super::{LowLight, SensorNoise, srgb};
use image::RgbImage;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, StandardNormal};
use std::sync::LazyLock;

/// Linear light of each 8-bit sRGB value.
pub(super) static LINEAR: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|value| srgb::to_linear(value as f32 / 255.0)));

/// 8-bit sRGB values of evenly spaced linear light; the darkest step spans five entries.
static ENCODED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..=STEPS).map(|i| (255.0 * srgb::from_linear(i as f32 / STEPS as f32)).round() as u8).collect()
});

const STEPS: usize = 1 << 14;

/// The 8-bit sRGB value of linear light, clamped to 0..=1.
pub(super) fn encode(table: &[u8], linear: f32) -> u8 {
    let index = (linear * STEPS as f32 + 0.5) as usize;
    table.get(index).or(table.last()).copied().unwrap_or(0)
}

pub(super) fn encoded() -> &'static [u8] {
    &ENCODED
}

impl SensorNoise {
    /// The noisy picture; `grain` 0 leaves pixels independent, 1 makes grains of several.
    pub fn apply_8bit(&self, rgb: &RgbImage, grain: f32, seed: u64) -> RgbImage {
        exposed(rgb, &[*LINEAR; 3], Some(*self), grain, seed)
    }
}

impl LowLight {
    /// The dark picture; `grain` 0 leaves the noise of pixels independent, 1 makes grains of
    /// several.
    pub fn apply_8bit(&self, rgb: &RgbImage, grain: f32, seed: u64) -> RgbImage {
        let seen = self.cast.map(|gain| {
            LINEAR.map(|light| (gain * (self.exposure * light).powf(self.gamma)).clamp(0.0, 1.0))
        });
        exposed(rgb, &seen, self.noise, grain, seed)
    }
}

/// What a sensor makes of the light that `seen` gives for each value of each channel.
fn exposed(
    rgb: &RgbImage,
    seen: &[[f32; 256]; 3],
    noise: Option<SensorNoise>,
    grain: f32,
    seed: u64,
) -> RgbImage {
    let table = encoded();
    let SensorNoise { photons, read_noise } =
        noise.unwrap_or(SensorNoise { photons: f32::INFINITY, read_noise: 0.0 });
    let photons = photons.max(1.0);
    let sigma = seen.map(|channel| channel.map(|light| (light / photons + read_noise * read_noise).sqrt()));
    let mut rng = SmallRng::seed_from_u64(seed);
    // A pixel's own noise, and that of its neighbours to the left and above, of variance 1.
    let grain = 0.8 * grain.clamp(0.0, 1.0);
    let own = 1.0 / (1.0 + 2.0 * grain * grain).sqrt();
    let mut above = vec![0.0f32; 3 * rgb.width() as usize];
    let mut dark = rgb.clone();
    if above.is_empty() {
        return dark;
    }
    for row in dark.chunks_exact_mut(above.len()) {
        let mut left = [0.0f32; 3];
        for (pixel, above) in row.chunks_exact_mut(3).zip(above.chunks_exact_mut(3)) {
            for channel in 0..3 {
                let normal: f32 = StandardNormal.sample(&mut rng);
                let grainy = own * (normal + grain * (left[channel] + above[channel]));
                (left[channel], above[channel]) = (normal, normal);
                let value = usize::from(pixel[channel]);
                pixel[channel] = encode(table, seen[channel][value] + sigma[channel][value] * grainy);
            }
        }
    }
    dark
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::metrics::psnr;
    use crate::frame::from_rgb8;

    fn ramp() -> RgbImage {
        RgbImage::from_fn(160, 120, |x, y| image::Rgb([(x + 40) as u8, (y + 60) as u8, (x / 2 + y) as u8]))
    }

    #[test]
    fn the_tables_are_exact_to_8_bits() {
        for value in 0..=255u8 {
            assert_eq!(encode(encoded(), LINEAR[usize::from(value)]), value);
        }
        assert_eq!(
            (encode(encoded(), -1.0), encode(encoded(), 9.0), encode(encoded(), f32::NAN)),
            (0, 255, 0)
        );
    }

    #[test]
    fn the_fast_way_does_what_the_exact_way_does() {
        let (noise, low) = (SensorNoise { photons: 300.0, read_noise: 0.005 }, LowLight::default());
        let clean = from_rgb8(&ramp());
        let near = |fast: RgbImage, exact: crate::frame::Planes| {
            let error = |planes: &crate::frame::Planes| psnr(planes.view(), clean.view());
            let (fast, exact) = (error(&from_rgb8(&fast)), error(&exact));
            assert!((fast - exact).abs() < 0.1, "{fast} dB, exactly {exact}");
        };
        near(noise.apply_8bit(&ramp(), 0.0, 1), noise.apply(&clean, 1));
        near(noise.apply_8bit(&ramp(), 1.0, 1), noise.apply(&clean, 1));
        near(low.apply_8bit(&ramp(), 0.0, 1), low.apply(&clean, 1));
    }

    #[test]
    fn grain_spreads_over_neighbours_and_the_seed_decides() {
        let grey = RgbImage::from_pixel(200, 200, image::Rgb([128; 3]));
        let noise = SensorNoise { photons: 200.0, read_noise: 0.0 };
        let alike = |grain| {
            let noisy = noise.apply_8bit(&grey, grain, 1);
            let at = |x, y| f32::from(noisy.get_pixel(x, y)[1]) - 128.0;
            let (mut product, mut square) = (0.0, 0.0);
            for y in 0..200 {
                for x in 1..200 {
                    product += at(x, y) * at(x - 1, y);
                    square += at(x, y) * at(x, y);
                }
            }
            product / square
        };
        assert!(alike(0.0).abs() < 0.03 && alike(1.0) > 0.25);
        assert_eq!(noise.apply_8bit(&grey, 0.5, 1), noise.apply_8bit(&grey, 0.5, 1));
        assert_ne!(noise.apply_8bit(&grey, 0.5, 1), noise.apply_8bit(&grey, 0.5, 2));
    }
}
