//! The weathers of the demo, and how strong each is.

use super::road::{Daylight, SceneFrame};
use crate::eval::degrade::{Haze, LowLight, Rain, SensorNoise, gaussian_noise_8bit};
use crate::frame::{Planes, to_rgb8};
use crate::{Error, Result};
use image::RgbImage;
use ndarray::Array2;
use std::fmt;
use std::str::FromStr;

/// What is between the scene and a good picture of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Weather {
    /// Nothing: sun, and a good camera.
    #[default]
    Clear,
    /// A shower under a grey sky.
    Rain,
    /// Fog of some hundred metres' sight.
    Fog,
    /// Far too little light, and the camera's noise.
    Night,
    /// Gaussian noise of the paper's middle strength, sigma 25 of 255.
    Noise,
}

/// Standard deviation of [`Weather::Noise`] in 8-bit units.
const NOISE_SIGMA: f32 = 25.0;

const RAIN: Rain = Rain {
    density: 1.9,
    wind: 9.0,
    exposure: 1.0 / 40.0,
    brightness: 0.70,
    sky: [0.88, 0.90, 0.92],
    veil: 0.000_45,
    // Slower than the car drives, so that the rain still falls rather than flies at us.
    approach: 3.0,
};

const FOG: Haze = Haze { beta: 0.024, airlight: [0.80, 0.815, 0.83], patchiness: 0.22 };

const NIGHT: LowLight = LowLight {
    exposure: 0.06,
    gamma: 1.0,
    cast: [0.92, 0.96, 1.10],
    noise: Some(SensorNoise { photons: 2200.0, read_noise: 0.000_8 }),
};

impl Weather {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 5] = [Self::Clear, Self::Rain, Self::Fog, Self::Night, Self::Noise];

    /// The light in which this weather's clean picture is taken.
    pub(super) fn daylight(self) -> Daylight {
        match self {
            Self::Rain | Self::Fog => Daylight::Overcast,
            Self::Clear | Self::Night | Self::Noise => Daylight::Sunny,
        }
    }

    /// The clean picture of `scene` as a camera would store it, and what this weather makes of
    /// it `time` seconds into the drive. `seed` is the drive's, `index` the frame's.
    pub(super) fn degrade(self, scene: &SceneFrame, time: f64, seed: u64, index: u64) -> (Planes, RgbImage) {
        let clean_rgb = to_rgb8(scene.planes.view());
        let clean = crate::frame::from_rgb8(&clean_rgb);
        // Rain and fog go on from frame to frame; noise is new in each.
        let frame_seed = seed ^ index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let depth: &Array2<f32> = &scene.depth;
        let degraded = match self {
            Self::Clear => clean_rgb,
            Self::Rain => to_rgb8(RAIN.apply(&clean, depth, time, seed).view()),
            Self::Fog => to_rgb8(FOG.apply(&clean, depth, seed).view()),
            Self::Night => to_rgb8(NIGHT.apply(&clean, frame_seed).view()),
            Self::Noise => gaussian_noise_8bit(&clean_rgb, NOISE_SIGMA, frame_seed),
        };
        (clean, degraded)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Rain => "rain",
            Self::Fog => "fog",
            Self::Night => "night",
            Self::Noise => "noise",
        }
    }
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Weather {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|weather| weather.name() == text).ok_or_else(|| {
            let allowed = Self::ALL.map(Self::name).join(", ");
            Error::Input(format!("weather {text:?} is unknown; allowed are {allowed}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weather_reads_back_from_its_name() {
        for weather in Weather::ALL {
            assert_eq!(weather.to_string().parse::<Weather>().unwrap(), weather);
        }
    }

    #[test]
    fn an_unknown_weather_is_one_line_that_lists_the_known() {
        let message = "hail".parse::<Weather>().unwrap_err().to_string();
        assert_eq!(message, r#"weather "hail" is unknown; allowed are clear, rain, fog, night, noise"#);
    }
}
