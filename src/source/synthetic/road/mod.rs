//! A road through woods, fields and villages, as a dashcam sees it: painted in software, with
//! the true depth of every pixel.
//!
//! The picture is built from far to near: [`sky`], [`ground`], then the things of the
//! [`roadside`], each made of flat facets in space ([`canvas`]) with textures that leave out
//! what is finer than a pixel ([`texture`]).

mod bonnet;
mod camera;
mod canvas;
mod car;
mod furniture;
mod ground;
mod house;
mod light;
mod roadside;
mod sky;
mod texture;
mod tree;
mod vector;

pub use light::Daylight;

use crate::frame::Planes;
use camera::Camera;
use canvas::Canvas;
use light::{Film, Light};
use ndarray::{Array2, Array3};
use vector::grey;

/// One frame of the scene.
#[derive(Debug, Clone, PartialEq)]
pub struct SceneFrame {
    /// The picture `[3, H, W]`, sRGB in 0..=1.
    pub planes: Planes,
    /// Metres along the view ray `[H, W]`; [`f32::INFINITY`] in the sky.
    pub depth: Array2<f32>,
}

/// An endless drive along a country road.
///
/// ```
/// use vlunet::source::synthetic::RoadScene;
/// let frame = RoadScene::new(7).render(64, 36, 1.5);
/// assert_eq!(frame.planes.dim(), (3, 36, 64));
/// assert!(frame.depth[[35, 32]] < 10.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoadScene {
    seed: u32,
    daylight: Daylight,
}

impl RoadScene {
    /// The drive of this seed, in the sun.
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds are to give different drives, also where only the high half differs.
        let mixed = (seed ^ (seed >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self { seed: (mixed >> 32) as u32, daylight: Daylight::Sunny }
    }

    /// The same drive in another light.
    pub fn under(self, daylight: Daylight) -> Self {
        Self { daylight, ..self }
    }

    /// The view at `time` seconds after the start, `width` x `height` pixels.
    pub fn render(&self, width: usize, height: usize, time: f64) -> SceneFrame {
        let camera = Camera::new(width, height, time, self.seed);
        let light = Light::new(self.daylight);
        let mut canvas = Canvas::new(&camera, &light);
        sky::sky(&mut canvas, time, self.seed);
        sky::hills(&mut canvas, self.seed);
        ground::ground(&mut canvas, self.seed);
        roadside::roadside(&mut canvas, time, self.seed);
        bonnet::bonnet(&mut canvas);
        develop(canvas)
    }
}

/// Values from light: the lens darkens the corners, the film does the rest.
fn develop(canvas: Canvas) -> SceneFrame {
    let (width, height) = (canvas.camera.width, canvas.camera.height);
    let film = Film::new();
    let mut planes = Array3::zeros((3, height, width));
    let centre = (width as f32 / 2.0, height as f32 / 2.0);
    for y in 0..height {
        for x in 0..width {
            let (dx, dy) = ((x as f32 + 0.5) / centre.0 - 1.0, (y as f32 + 0.5) / centre.1 - 1.0);
            let light = canvas.pixels[y * width + x] * (1.0 - 0.10 * (dx * dx + dy * dy));
            // Cheap lenses and small sensors see less colour than the scene has.
            let light = light.mix(grey(0.25 * light.x + 0.65 * light.y + 0.10 * light.z), 0.10);
            for (c, value) in [light.x, light.y, light.z].into_iter().enumerate() {
                planes[[c, y, x]] = film.develop(value);
            }
        }
    }
    let depth = Array2::from_shape_fn((height, width), |(y, x)| canvas.depth[y * width + x]);
    SceneFrame { planes, depth }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_size_is_a_picture_within_range_with_a_depth_everywhere() {
        for (width, height) in [(16, 16), (17, 301), (301, 17), (160, 90)] {
            for time in [0.0, 4.4, 100_000.0] {
                let frame = RoadScene::new(3).render(width, height, time);
                assert!(frame.planes.iter().all(|v| (0.0..=1.0).contains(v)), "{width}x{height} at {time}");
                assert!(frame.depth.iter().all(|d| *d > 0.0), "{width}x{height} at {time}");
            }
        }
    }

    #[test]
    fn the_road_is_near_below_and_the_sky_is_endless_above() {
        let frame = RoadScene::new(7).under(Daylight::Overcast).render(320, 180, 2.0);
        assert!(frame.depth[[160, 160]] < 8.0);
        assert_eq!(frame.depth[[0, 160]], f32::INFINITY);
        let (near, far) = (frame.depth[[165, 60]], frame.depth[[110, 60]]);
        assert!(near < far);
    }

    #[test]
    fn a_still_moment_later_little_has_changed_and_a_second_later_much() {
        let scene = RoadScene::new(7);
        let now = scene.render(320, 180, 1.0).planes;
        let change = |time| (&scene.render(320, 180, time).planes - &now).mapv(f32::abs).mean().unwrap();
        let (soon, later) = (change(1.002), change(2.0));
        assert!(soon > 0.0 && soon < 0.02 && later > 2.0 * soon, "{soon} {later}");
    }

    #[test]
    fn the_picture_has_detail_in_light_and_dark() {
        let planes = RoadScene::new(7).render(320, 180, 0.0).planes;
        let share =
            |keep: fn(&f32) -> bool| planes.iter().filter(|v| keep(v)).count() as f32 / planes.len() as f32;
        let (dark, bright) = (share(|v| *v < 0.25), share(|v| *v > 0.7));
        assert!(dark > 0.03 && bright > 0.05, "dark {dark}, bright {bright}");
        assert!(share(|v| *v > 0.995) < 0.05 && share(|v| *v < 0.01) < 0.05);
    }
}
