//! The dashcam: where it is, and which way the road bends before it.

use super::vector::{Vec3, vec3};

/// Height of the lens above the road, in metres.
pub const EYE: f32 = 1.35;
/// Right of the centre line drives the camera: the middle of its lane, in metres.
pub const LANE: f32 = 1.75;

/// Metres per second.
pub const SPEED: f64 = 14.0;

/// Half of the field of view, as a tangent: 65 degrees across a 16:9 picture.
const HALF_VIEW: f32 = 0.637;

/// Swing and length of the road's bends, in metres.
const BEND: f64 = 13.0;
const BEND_LENGTH: f64 = 115.0;

/// A pinhole camera on a moving car.
pub struct Camera {
    pub width: usize,
    pub height: usize,
    /// Focal length in pixels.
    pub focal: f32,
    /// Row of the horizon.
    pub horizon: f32,
    /// Way since the start, in metres along the road.
    pub way: f64,
    /// Heading, in radians to the right of the road's overall direction.
    pub heading: f32,
    /// Sideways place of the road here, in metres.
    pub sideways: f32,
    phase: f64,
}

impl Camera {
    pub fn new(width: usize, height: usize, time: f64, seed: u32) -> Self {
        let way = SPEED * time;
        let phase = f64::from(seed % 628) / 100.0;
        let focal = (width as f32).max(height as f32 * 16.0 / 9.0) / (2.0 * HALF_VIEW);
        // The car's suspension nods a little.
        let nod = 0.0012 * (time * 7.3).sin() + 0.0009 * (time * 11.9).sin();
        let bend = way / BEND_LENGTH + phase;
        Self {
            width,
            height,
            focal,
            horizon: height as f32 * 0.47 + focal * nod as f32,
            way,
            heading: (BEND / BEND_LENGTH * bend.cos()) as f32,
            sideways: (BEND * bend.sin()) as f32,
            phase,
        }
    }

    /// How far to the right of straight ahead the road is, `ahead` metres from here.
    pub fn bend(&self, ahead: f32) -> f32 {
        let there = (self.way + f64::from(ahead)) / BEND_LENGTH + self.phase;
        (BEND * there.sin()) as f32 - self.sideways - self.heading * ahead
    }

    /// The place `across` metres right of the centre line, `up` metres above the road and
    /// `ahead` metres along it.
    pub fn place(&self, across: f32, up: f32, ahead: f32) -> Vec3 {
        vec3(across - LANE + self.bend(ahead), up - EYE, ahead)
    }

    /// Column and row of a place before the camera.
    pub fn project(&self, place: Vec3) -> (f32, f32) {
        let scale = self.focal / place.z;
        (self.width as f32 / 2.0 + place.x * scale, self.horizon - place.y * scale)
    }

    /// The direction of a column and row, 1 m deep.
    pub fn ray(&self, column: f32, row: f32) -> Vec3 {
        vec3((column - self.width as f32 / 2.0) / self.focal, (self.horizon - row) / self.focal, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_on_its_own_ray() {
        let camera = Camera::new(640, 360, 3.0, 5);
        let place = camera.place(-4.0, 2.0, 30.0);
        let (column, row) = camera.project(place);
        let back = camera.ray(column, row) * 30.0;
        assert!((back - place).length() < 1e-3);
    }

    #[test]
    fn the_road_starts_straight_ahead() {
        let camera = Camera::new(640, 360, 12.0, 5);
        assert!(camera.bend(0.0).abs() < 1e-4 && camera.bend(1.0).abs() < 0.01);
        assert!(camera.bend(80.0).abs() > camera.bend(5.0).abs());
    }
}
