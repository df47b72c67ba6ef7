//! Sun, sky light and air, and how the camera turns light into values.

use super::vector::{Colour, Vec3, vec3};
use crate::eval::degrade::srgb;

/// The light of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Daylight {
    /// Afternoon sun with some clouds.
    #[default]
    Sunny,
    /// A closed cover of clouds: no shadows, grey light.
    Overcast,
}

/// The light at one time: all colours linear.
pub struct Light {
    pub daylight: Daylight,
    /// Direction to the sun.
    pub to_sun: Vec3,
    pub sun: Colour,
    /// Light of the sky from above.
    pub ambient: Colour,
    /// Colours of the sky overhead and at the horizon.
    pub zenith: Colour,
    pub horizon: Colour,
    /// Distance in metres at which half of what one sees is the air between.
    pub visibility: f32,
}

impl Light {
    pub fn new(daylight: Daylight) -> Self {
        // From behind on the left, so that what faces the camera is lit and shadows cross the road.
        let to_sun = vec3(-0.56, 0.62, -0.55).unit();
        match daylight {
            Daylight::Sunny => Self {
                daylight,
                to_sun,
                sun: vec3(1.55, 1.38, 1.12),
                ambient: vec3(0.34, 0.41, 0.52),
                zenith: vec3(0.13, 0.27, 0.58),
                horizon: vec3(0.60, 0.70, 0.80),
                visibility: 2600.0,
            },
            Daylight::Overcast => Self {
                daylight,
                to_sun,
                sun: vec3(0.10, 0.10, 0.10),
                ambient: vec3(0.74, 0.77, 0.81),
                zenith: vec3(0.42, 0.45, 0.49),
                horizon: vec3(0.60, 0.63, 0.66),
                visibility: 1500.0,
            },
        }
    }

    /// Light on a surface of this unit normal.
    pub fn on(&self, normal: Vec3) -> Colour {
        self.ambient * (0.62 + 0.38 * normal.y) + self.sun * normal.dot(self.to_sun).max(0.0)
    }

    /// What is left of the light of level ground in the shade of something.
    pub fn shade(&self) -> Colour {
        let full = self.on(vec3(0.0, 1.0, 0.0));
        let shaded = self.ambient * 0.85;
        vec3(shaded.x / full.x, shaded.y / full.y, shaded.z / full.z)
    }

    /// A colour as seen through `distance` metres of air.
    pub fn through_air(&self, colour: Colour, distance: f32) -> Colour {
        colour.mix(self.horizon * 0.9, distance / (distance + self.visibility))
    }
}

/// The camera's answer to light: a film-like shoulder and the sRGB curve, as a table.
pub struct Film {
    table: Vec<f32>,
}

impl Film {
    const STEPS: usize = 2048;

    pub fn new() -> Self {
        let value = |i: usize| {
            let share = i as f32 / Self::STEPS as f32;
            // The table's index is `light / (light + 1)`: even steps for dark and bright.
            let light = (share / (1.0 - share).max(1e-4)).min(1e4);
            srgb::from_linear(shoulder(light).clamp(0.0, 1.0))
        };
        Self { table: (0..=Self::STEPS).map(value).collect() }
    }

    /// The sRGB value in 0..=1 of this much light.
    pub fn develop(&self, light: f32) -> f32 {
        let light = light.max(0.0);
        let position = light / (light + 1.0) * Self::STEPS as f32;
        let step = (position as usize).min(Self::STEPS - 1);
        let (low, high) = (self.table[step], self.table[step + 1]);
        low + (high - low) * (position - step as f32)
    }
}

/// Contrast in the shadows and a soft roll-off into white.
fn shoulder(light: f32) -> f32 {
    let x = light * 1.02;
    x * (2.2 * x + 0.06) / (x * (2.2 * x + 0.62) + 0.16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_light_is_never_darker() {
        let film = Film::new();
        let values: Vec<f32> = (0..400).map(|i| film.develop(i as f32 * 0.02)).collect();
        assert!(values.windows(2).all(|pair| pair[1] >= pair[0]));
        assert!(values[0] < 0.01 && values[399] > 0.9);
    }

    #[test]
    fn shade_is_deep_in_the_sun_and_faint_under_clouds() {
        assert!(Light::new(Daylight::Sunny).shade().y < 0.4);
        assert!(Light::new(Daylight::Overcast).shade().y > 0.7);
    }
}
