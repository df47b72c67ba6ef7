//! The parameters of one drawn degradation: how each kind spreads between mild and strong.

use super::Kind;
use crate::eval::degrade::{
    CameraShake, Defocus, ForwardMotion, Haze, Jpeg, LowLight, MotionBlur, RainSheet, SensorNoise, depth,
    gaussian_noise_8bit, sensor,
};
use crate::frame::{Planes, from_rgb8, to_rgb8};
use image::RgbImage;
use ndarray::Array3;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// One degradation, ready to be applied.
#[derive(Clone, Copy, Debug)]
pub(super) enum Settings {
    Noise {
        sigma: f32,
    },
    Sensor {
        noise: SensorNoise,
        grain: f32,
    },
    Rain(RainSheet),
    /// Mean optical depth, and the colour of the air.
    Haze {
        thickness: f32,
        airlight: [f32; 3],
    },
    Straight(MotionBlur),
    Shake(CameraShake),
    Forward(ForwardMotion),
    Defocus(Defocus),
    LowLight {
        light: LowLight,
        grain: f32,
    },
    Jpeg(Jpeg),
    Nothing,
}

impl Settings {
    /// The settings of `kind` at `strength` in 0..=1; what strength leaves open is random.
    /// `sigma` is the range of [`Kind::Noise`].
    pub(super) fn draw(kind: Kind, strength: f32, sigma: [f32; 2], rng: &mut ChaCha8Rng) -> Self {
        let mut within = |low: f32, high: f32| rng.random_range(low..=high);
        let by = |mild: f32, strong: f32| mild + (strong - mild) * strength;
        // In equal ratios rather than equal steps.
        let by_ratio = |mild: f32, strong: f32| mild * (strong / mild).powf(strength);
        match kind {
            Kind::Noise => Self::Noise { sigma: by(sigma[0], sigma[1]) },
            Kind::SensorNoise => Self::Sensor {
                noise: SensorNoise {
                    photons: by_ratio(700.0, 12.0),
                    read_noise: by_ratio(0.003, 0.04) * within(0.3, 1.0),
                },
                grain: within(0.0, 1.0),
            },
            Kind::RainLight => Self::Rain(light_rain(strength, rng)),
            Kind::RainHeavy => Self::Rain(heavy_rain(strength, rng)),
            Kind::RainFine => Self::Rain(fine_rain(strength, rng)),
            Kind::Haze => {
                let grey = within(0.74, 1.0);
                let tint = [within(-0.02, 0.02), 0.0, within(-0.02, 0.03)];
                Self::Haze {
                    thickness: by(0.12, 0.82),
                    airlight: tint.map(|shift| (grey + shift).clamp(0.0, 1.0)),
                }
            }
            Kind::MotionBlur if within(0.0, 1.0) < 0.25 => {
                Self::Straight(MotionBlur { length: by(3.0, 17.0), angle: within(0.0, 180.0) })
            }
            Kind::MotionBlur => Self::Shake(CameraShake {
                length: by(4.0, 26.0),
                bend: within(0.0, 1.5),
                parallax: within(-0.6, 1.0).max(0.0),
            }),
            Kind::ForwardMotion => Self::Forward(ForwardMotion {
                length: by(8.0, 50.0),
                heading: [within(0.1, 0.9), within(0.25, 0.75)],
            }),
            Kind::Defocus => Self::Defocus(Defocus { radius: by(0.8, 4.5) }),
            Kind::LowLight => low_light(strength, rng),
            Kind::Jpeg => Self::Jpeg(Jpeg { quality: by_ratio(75.0, 8.0).round() as u8 }),
            Kind::Clear => match rng.random_range(0..3u8) {
                0 => Self::Nothing,
                1 => Self::Noise { sigma: rng.random_range(0.2..=1.0) },
                _ => Self::Jpeg(Jpeg { quality: rng.random_range(92..=98) }),
            },
        }
    }

    /// The place in the order in which degradations arise, from the scene to the file.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Haze { .. } => 0,
            Self::Rain(_) => 1,
            Self::Straight(_) | Self::Shake(_) | Self::Forward(_) | Self::Defocus(_) => 2,
            Self::LowLight { .. } => 3,
            Self::Noise { .. } | Self::Sensor { .. } => 4,
            Self::Jpeg(_) => 5,
            Self::Nothing => 6,
        }
    }

    /// The degraded picture.
    pub(super) fn apply(&self, clean: &RgbImage, seed: u64) -> RgbImage {
        match *self {
            Self::Noise { sigma } => gaussian_noise_8bit(clean, sigma, seed),
            Self::Sensor { noise, grain } => noise.apply_8bit(clean, grain, seed),
            Self::Rain(rain) => to_rgb8(rain.apply(&from_rgb8(clean), seed).view()),
            Self::Haze { thickness, airlight } => {
                let planes = from_rgb8(clean);
                let depth = depth::plausible(&planes, seed);
                let mean = depth.mean().unwrap_or(1.0).max(1.0);
                let haze = Haze { beta: thickness / mean, airlight, patchiness: 0.0 };
                to_rgb8(haze.apply(&planes, &depth, seed).view())
            }
            Self::Straight(blur) => in_linear_light(clean, |light| blur.apply(light)),
            Self::Shake(shake) => in_linear_light(clean, |light| shake.apply(light, seed)),
            Self::Forward(motion) => in_linear_light(clean, |light| motion.apply(light)),
            Self::Defocus(defocus) => in_linear_light(clean, |light| defocus.apply(light)),
            Self::LowLight { light, grain } => light.apply_8bit(clean, grain, seed),
            Self::Jpeg(jpeg) => jpeg.apply(clean),
            Self::Nothing => clean.clone(),
        }
    }
}

/// Light adds up on the sensor, not in the file.
fn in_linear_light(rgb: &RgbImage, change: impl FnOnce(&Planes) -> Planes) -> RgbImage {
    let (width, height) = rgb.dimensions();
    let mut light = Array3::zeros((3, height as usize, width as usize));
    for (channel, mut plane) in light.outer_iter_mut().enumerate() {
        let values = rgb.iter().skip(channel).step_by(3);
        plane.iter_mut().zip(values).for_each(|(light, &v)| *light = sensor::LINEAR[usize::from(v)]);
    }
    let light = change(&light);
    let mut changed = rgb.clone();
    for (channel, plane) in light.outer_iter().enumerate() {
        let values = changed.iter_mut().skip(channel).step_by(3);
        values.zip(plane).for_each(|(v, &light)| *v = sensor::encode(sensor::encoded(), light));
    }
    changed
}

fn normal(rng: &mut ChaCha8Rng) -> f32 {
    StandardNormal.sample(rng)
}

fn light_rain(strength: f32, rng: &mut ChaCha8Rng) -> RainSheet {
    let mut within = |low: f32, high: f32| rng.random_range(low..=high);
    let length = within(26.0, 100.0);
    // Long streaks cover more: as many of them would be heavy rain.
    let cover = (1.1 + 2.2 * strength * strength) * within(0.7, 1.3);
    RainSheet {
        density: cover * 28.0 / length,
        tuft: within(1.0, 6.9) as u32,
        lean: within(-38.0, 38.0),
        spread: within(0.0, 2.0),
        length: [0.45 * length, 1.9 * length],
        width: [1.0, within(1.8, 3.8)],
        brightness: [0.02, 0.18 + 0.22 * strength * within(0.6, 1.2)],
        beads: within(-0.15, 0.15).max(0.0),
        veil: 0.0,
        screen: 0.0,
    }
}

fn heavy_rain(strength: f32, rng: &mut ChaCha8Rng) -> RainSheet {
    let mut within = |low: f32, high: f32| rng.random_range(low..=high);
    let length = within(10.0, 50.0);
    RainSheet {
        density: (7.0 + 20.0 * strength) * 18.0 / length * within(0.7, 1.3),
        tuft: 1,
        lean: within(-35.0, 35.0),
        spread: within(0.0, 4.0),
        length: [0.5 * length, 1.8 * length],
        width: [0.9, within(1.5, 3.5)],
        brightness: [0.02, 0.25 + 0.35 * strength * within(0.5, 1.2)],
        beads: 0.0,
        veil: within(0.0, 0.03 + 0.09 * strength),
        screen: within(0.5, 1.0),
    }
}

fn fine_rain(strength: f32, rng: &mut ChaCha8Rng) -> RainSheet {
    let mut within = |low: f32, high: f32| rng.random_range(low..=high);
    let length = within(7.0, 26.0);
    RainSheet {
        density: (3.0 + 10.0 * strength) * 18.0 / length * within(0.7, 1.3),
        tuft: 1,
        lean: within(-28.0, 28.0),
        spread: within(0.0, 6.0),
        length: [0.4 * length, 2.0 * length],
        width: [0.6, within(1.0, 2.0)],
        brightness: [0.02, 0.12 + 0.24 * strength * within(0.5, 1.2)],
        beads: within(-0.2, 0.1).max(0.0),
        veil: within(0.0, 0.04 + 0.12 * strength),
        screen: 1.0,
    }
}

/// The ranges are those of the LOL set: linear light that is left between a tenth and some
/// thousandths, shadows crushed a little, the white balance lost.
fn low_light(strength: f32, rng: &mut ChaCha8Rng) -> Settings {
    let gamma = (1.08 + 0.16 * normal(rng)).clamp(0.85, 1.6);
    let left: f32 = 0.13 * (0.0045f32 / 0.13).powf(strength);
    let mut cast = [0.0f32; 3];
    for (gain, spread) in cast.iter_mut().zip([0.18, 0.03, 0.22]) {
        *gain = (spread * normal(rng)).exp().clamp(0.45, 1.6);
    }
    let noise = SensorNoise {
        photons: 10f32.powf(rng.random_range(3.6..=4.6)),
        read_noise: rng.random_range(0.000_1..=0.000_7),
    };
    let light = LowLight { exposure: left.powf(1.0 / gamma), gamma, cast, noise: Some(noise) };
    Settings::LowLight { light, grain: rng.random_range(0.2..=1.0) }
}
