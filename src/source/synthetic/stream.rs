//! The drive, frame by frame.

use super::{RoadScene, SyntheticConfig, Weather};
use crate::Result;
use crate::frame::Planes;
use image::RgbImage;
use std::time::Duration;

/// One frame of a synthetic drive.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntheticFrame {
    /// What a perfect camera in clear air would have stored: `[3, H, W]`, sRGB in 0..=1, in
    /// steps of 1/255.
    pub clean: Planes,
    /// What the weather left of it, `W` x `H`.
    pub degraded: RgbImage,
    /// Since the start of the drive.
    pub time: Duration,
    /// Counts from 0.
    pub index: u64,
}

/// An endless source of synthetic frames.
#[derive(Debug, Clone)]
pub struct SyntheticSource {
    config: SyntheticConfig,
    scene: RoadScene,
    next: u64,
}

impl SyntheticSource {
    /// The drive of `config`, at its start.
    ///
    /// # Errors
    /// [`Error::Input`](crate::Error::Input) where a size or rate is out of its limits.
    pub fn new(config: SyntheticConfig) -> Result<Self> {
        let config = config.checked()?;
        Ok(Self { config, scene: RoadScene::new(config.seed).under(config.weather.daylight()), next: 0 })
    }

    /// What is rendered.
    pub fn config(&self) -> &SyntheticConfig {
        &self.config
    }

    /// Goes on in another weather from the next frame on; the drive itself goes on as it was.
    pub fn set_weather(&mut self, weather: Weather) {
        self.config.weather = weather;
        self.scene = self.scene.under(weather.daylight());
    }

    /// Renders the next frame.
    pub fn next_frame(&mut self) -> SyntheticFrame {
        let index = self.next;
        self.next += 1;
        let SyntheticConfig { weather, width, height, fps, seed, still } = self.config;
        let seconds = index as f64 / fps;
        let scene = self.scene.render(width as usize, height as usize, if still { 0.0 } else { seconds });
        let (clean, degraded) = weather.degrade(&scene, seconds, seed, index);
        SyntheticFrame { clean, degraded, time: Duration::from_secs_f64(seconds), index }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{from_rgb8, to_rgb8};

    fn source(weather: Weather, width: u32, height: u32) -> SyntheticSource {
        SyntheticSource::new(SyntheticConfig { weather, width, height, ..SyntheticConfig::default() })
            .unwrap()
    }

    fn psnr(frame: &SyntheticFrame) -> f32 {
        let error = (&from_rgb8(&frame.degraded) - &frame.clean).mapv(|d| d * d).mean().unwrap();
        -10.0 * error.log10()
    }

    #[test]
    fn every_weather_is_about_as_strong_as_the_public_test_sets() {
        for (weather, low, high) in [
            (Weather::Rain, 25.0, 31.0),
            (Weather::Fog, 13.0, 19.0),
            (Weather::Night, 5.5, 9.0),
            (Weather::Noise, 20.0, 21.5),
        ] {
            let psnr = psnr(&source(weather, 320, 180).next_frame());
            assert!((low..high).contains(&psnr), "{weather}: {psnr:.1} dB");
        }
    }

    #[test]
    fn clear_frames_are_their_own_clean_picture_in_8_bits() {
        let frame = source(Weather::Clear, 64, 36).next_frame();
        assert_eq!(from_rgb8(&frame.degraded), frame.clean);
        assert_eq!(to_rgb8(frame.clean.view()), frame.degraded);
    }

    #[test]
    fn the_same_drive_gives_the_same_frames_and_another_seed_another() {
        for weather in Weather::ALL {
            let (mut a, mut b) = (source(weather, 48, 32), source(weather, 48, 32));
            assert_eq!(a.next_frame(), b.next_frame());
            let second = a.next_frame();
            assert_eq!(second, b.next_frame());
            assert_eq!((second.index, second.time), (1, Duration::from_secs_f64(1.0 / 30.0)));
        }
        let other = SyntheticConfig { seed: 8, ..SyntheticConfig::default() };
        let frame = |config| SyntheticSource::new(config).unwrap().next_frame().clean;
        assert_ne!(frame(other), frame(SyntheticConfig::default()));
    }

    #[test]
    fn noise_is_new_in_each_frame() {
        let mut source = source(Weather::Noise, 48, 32);
        let mut noise = || {
            let frame = source.next_frame();
            from_rgb8(&frame.degraded) - frame.clean
        };
        let (first, second) = (noise(), noise());
        let (same, own) = ((&first * &second).sum().abs(), (&first * &first).sum());
        assert!(same < 0.1 * own, "correlation {}", same / own);
    }

    #[test]
    fn where_the_car_stands_the_weather_alone_moves() {
        for weather in [Weather::Rain, Weather::Noise] {
            let config =
                SyntheticConfig { weather, width: 96, height: 64, still: true, ..SyntheticConfig::default() };
            let mut source = SyntheticSource::new(config).unwrap();
            let (first, second) = (source.next_frame(), source.next_frame());
            assert_eq!(first.clean, second.clean);
            assert_ne!(first.degraded, second.degraded);
        }
    }

    #[test]
    fn settings_out_of_limits_are_refused() {
        for config in [
            SyntheticConfig { width: 0, ..SyntheticConfig::default() },
            SyntheticConfig { fps: f64::NAN, ..SyntheticConfig::default() },
        ] {
            assert!(SyntheticSource::new(config).is_err());
        }
    }
}
