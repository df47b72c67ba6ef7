//! Degradations drawn at random, as a training set or a test of robustness needs them.
//!
//! ```
//! use vlunet::eval::degrade::draw::{Degrade, Kind};
//! let clean = image::RgbImage::from_pixel(64, 48, image::Rgb([90, 120, 60]));
//! let drawn = Degrade::of(Kind::Haze).draw(&clean, 7);
//! assert_eq!(drawn.picture.dimensions(), (64, 48));
//! ```

mod settings;
#[cfg(test)]
mod tests;

use crate::{Error, Result};
use image::RgbImage;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use settings::Settings;
use std::fmt;

/// What kind of degradation; named in kebab case in recipes (`rain-light`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// White Gaussian noise on 8-bit values, as the paper tests it.
    Noise,
    /// Poisson-Gaussian noise of a sensor, grainy.
    SensorNoise,
    /// Thin bright streaks of one direction, as in Rain100L.
    RainLight,
    /// Dense streaks and a veil, as in Rain800.
    RainHeavy,
    /// Short faint streaks in a veil, as real photographs of rain mostly show it.
    RainFine,
    /// Haze over a plausible depth, as in RESIDE's outdoor sets.
    Haze,
    /// A camera that moved, straight or on a curve.
    MotionBlur,
    /// A camera that moved ahead.
    ForwardMotion,
    /// A lens out of focus.
    Defocus,
    /// Far too little light, as in LOL, with the sensor's noise.
    LowLight,
    /// JPEG artefacts.
    Jpeg,
    /// Next to nothing: a good photo as cameras and web sites give it.
    Clear,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::Noise,
        Self::SensorNoise,
        Self::RainLight,
        Self::RainHeavy,
        Self::RainFine,
        Self::Haze,
        Self::MotionBlur,
        Self::ForwardMotion,
        Self::Defocus,
        Self::LowLight,
        Self::Jpeg,
        Self::Clear,
    ];

    /// PSNR in dB at which this kind hardly shows, and at which it is as bad as it gets.
    fn span(self) -> (f64, f64) {
        match self {
            Self::Noise | Self::SensorNoise => (36.0, 14.0),
            Self::RainLight | Self::RainHeavy | Self::RainFine => (36.0, 17.0),
            Self::Haze => (24.0, 10.0),
            Self::MotionBlur | Self::ForwardMotion | Self::Defocus => (36.0, 18.0),
            Self::LowLight => (16.0, 5.0),
            Self::Jpeg => (38.0, 22.0),
            Self::Clear => (42.0, 14.0),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A degradation to draw: its kind, and how strong it may get.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Degrade {
    /// What kind.
    pub kind: Kind,
    /// For [`Kind::Noise`] alone, the least and greatest standard deviation in 8-bit units,
    /// instead of 5 to 55.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma: Option<[f32; 2]>,
    /// The part of the kind's whole range to draw from, within 0 (mild) to 1 (strong).
    #[serde(default = "whole")]
    pub strength: [f32; 2],
}

fn whole() -> [f32; 2] {
    [0.0, 1.0]
}

/// A degraded picture.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The picture.
    pub picture: RgbImage,
    /// How bad it is, from 0, which nobody sees, to 1, as bad as this kind gets; measured on
    /// the picture, not on the parameters.
    pub severity: f32,
    /// For noise, its standard deviation in 8-bit units.
    pub sigma: Option<f32>,
}

impl Degrade {
    /// A kind over its whole range.
    pub fn of(kind: Kind) -> Self {
        Self { kind, sigma: None, strength: whole() }
    }

    /// A kind as it comes on top of another: from hardly visible to moderate.
    pub fn mild(kind: Kind) -> Self {
        Self { kind, sigma: None, strength: [0.0, 0.35] }
    }

    /// # Errors
    /// [`Error::Input`] where a range is upside down or beyond its limits, or `sigma` is given
    /// for another kind than noise.
    pub fn check(&self) -> Result<()> {
        let kind = self.kind;
        let ordered = |[low, high]: [f32; 2], most: f32| 0.0 <= low && low <= high && high <= most;
        if !ordered(self.strength, 1.0) {
            return Err(Error::Input(format!(
                "degradation {kind}: strength is [from, to] within 0 to 1, not {:?}",
                self.strength
            )));
        }
        match self.sigma {
            Some(_) if kind != Kind::Noise => Err(Error::Input(format!(
                "degradation {kind}: sigma is for kind = \"noise\"; use strength = [from, to]"
            ))),
            Some(sigma) if !ordered(sigma, 255.0) => Err(Error::Input(format!(
                "degradation {kind}: sigma is [from, to] within 0 to 255, not {sigma:?}"
            ))),
            _ => Ok(()),
        }
    }

    /// The degraded picture; the same `seed` gives the same one.
    pub fn draw(&self, clean: &RgbImage, seed: u64) -> Drawn {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let settings = self.settings(&mut rng);
        self.drawn(clean, settings.apply(clean, rng.random()), &settings)
    }

    /// This degradation together with a `second`, in the order in which they arise: haze, rain,
    /// blur, darkness, noise, JPEG. Severity and sigma are those of the first.
    pub fn draw_with(&self, second: &Self, clean: &RgbImage, seed: u64) -> Drawn {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (first, other) = (self.settings(&mut rng), second.settings(&mut rng));
        let (before, after) = if other.rank() < first.rank() { (&other, &first) } else { (&first, &other) };
        let picture = before.apply(clean, rng.random());
        self.drawn(clean, after.apply(&picture, rng.random()), &first)
    }

    fn settings(&self, rng: &mut ChaCha8Rng) -> Settings {
        let [low, high] = self.strength;
        let strength = low + (high - low) * rng.random::<f32>();
        let [least, greatest] = self.sigma.unwrap_or([5.0, 55.0]);
        Settings::draw(self.kind, strength, [least, greatest], rng)
    }

    fn drawn(&self, clean: &RgbImage, picture: RgbImage, settings: &Settings) -> Drawn {
        let severity = severity(self.kind, &picture, clean);
        let sigma = match settings {
            Settings::Noise { sigma } => Some(*sigma),
            Settings::Sensor { .. } => Some(255.0 * 10f64.powf(-psnr_8bit(&picture, clean) / 20.0) as f32),
            _ => None,
        };
        Drawn { picture, severity, sigma }
    }
}

/// How bad a degraded picture is as its `kind` goes, on the scale of [`Drawn::severity`].
pub fn severity(kind: Kind, degraded: &RgbImage, clean: &RgbImage) -> f32 {
    let (unseen, worst) = kind.span();
    ((unseen - psnr_8bit(degraded, clean)) / (unseen - worst)).clamp(0.0, 1.0) as f32
}

/// PSNR in dB of two 8-bit pictures of one size; infinite where they are equal.
fn psnr_8bit(a: &RgbImage, b: &RgbImage) -> f64 {
    let squares: u64 =
        a.iter().zip(b.iter()).map(|(&a, &b)| u64::from(u32::from(a.abs_diff(b)).pow(2))).sum();
    -10.0 * (squares as f64 / (a.len().max(1) as f64 * 255.0 * 255.0)).log10()
}
