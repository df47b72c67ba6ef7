//! The picture in the making: light and depth per pixel, painted from far to near with flat
//! facets in space.

use super::camera::Camera;
use super::light::Light;
use super::texture::covered;
use super::vector::{Colour, Vec3};

/// A flat parallelogram in space.
pub struct Facet {
    /// The corner where `u` and `v` are 0, seen from the camera in metres.
    pub origin: Vec3,
    /// Unit vectors along its sides.
    pub u: Vec3,
    pub v: Vec3,
    /// Lengths of its sides in metres.
    pub size: (f32, f32),
}

impl Facet {
    /// The facet with these corners: origin, end of `u`, end of `v`.
    pub fn spanned(origin: Vec3, along_u: Vec3, along_v: Vec3) -> Self {
        let (u, v) = (along_u - origin, along_v - origin);
        Self { origin, u: u.unit(), v: v.unit(), size: (u.length(), v.length()) }
    }

    /// Upright, facing the camera, with its lower edge centred on `foot`.
    pub fn upright(foot: Vec3, width: f32, height: f32) -> Self {
        let (u, v) = (super::vector::vec3(1.0, 0.0, 0.0), super::vector::vec3(0.0, 1.0, 0.0));
        Self { origin: foot - u * (width / 2.0), u, v, size: (width, height) }
    }
}

/// One pixel on a facet.
pub struct Spot {
    /// Place on the facet in metres.
    pub u: f32,
    pub v: f32,
    /// Size of the pixel there in metres.
    pub du: f32,
    pub dv: f32,
}

impl Spot {
    /// The coarser side of the pixel.
    pub fn footprint(&self) -> f32 {
        self.du.max(self.dv)
    }
}

/// From this share of a pixel on, a thing gives the pixel its depth. Below half, because weather
/// would swallow wires and twigs that are finer than a pixel.
const SEEN: f32 = 0.25;

/// Nothing nearer than this is painted, in metres.
const NEAREST: f32 = 0.3;

/// Light `[H * W]` and depth along the ray in metres.
pub struct Canvas<'a> {
    pub camera: &'a Camera,
    pub light: &'a Light,
    pub pixels: Vec<Colour>,
    pub depth: Vec<f32>,
}

impl<'a> Canvas<'a> {
    pub fn new(camera: &'a Camera, light: &'a Light) -> Self {
        let count = camera.width * camera.height;
        Self {
            camera,
            light,
            pixels: vec![super::vector::grey(0.0); count],
            depth: vec![f32::INFINITY; count],
        }
    }

    /// Paints a facet with what `shade` returns: lit colour and opacity.
    pub fn facet(&mut self, facet: &Facet, shade: impl Fn(&Spot) -> (Colour, f32)) {
        let light = self.light;
        self.trace(facet, |pixel, depth, spot, coverage, distance| {
            let (colour, opacity) = shade(spot);
            let opacity = opacity * coverage;
            if opacity > 0.0 {
                *pixel = pixel.mix(light.through_air(colour, distance), opacity);
                if opacity > SEEN {
                    *depth = distance;
                }
            }
        });
    }

    /// Multiplies what is under a facet by `tint` where `strength` is 1: shadows.
    pub fn tint(&mut self, facet: &Facet, tint: Colour, strength: impl Fn(&Spot) -> f32) {
        self.trace(facet, |pixel, _, spot, coverage, _| {
            let strength = strength(spot) * coverage;
            if strength > 0.0 {
                *pixel = pixel.times(super::vector::grey(1.0).mix(tint, strength));
            }
        });
    }

    /// Adds light to what is behind a facet: the glow of lamps.
    pub fn glow(&mut self, facet: &Facet, colour: Colour, strength: impl Fn(&Spot) -> f32) {
        self.trace(facet, |pixel, _, spot, coverage, _| {
            *pixel = *pixel + colour * (strength(spot) * coverage)
        });
    }

    /// Calls `visit` with pixel, depth, spot, coverage and distance for each pixel that a facet
    /// covers at least in part.
    fn trace(&mut self, facet: &Facet, mut visit: impl FnMut(&mut Colour, &mut f32, &Spot, f32, f32)) {
        let camera = self.camera;
        let Some((columns, rows)) = bounds(facet, camera) else { return };
        // With s the depth, `s ray = origin + u U + v V` has three triple products as solution.
        let normal = facet.u.cross(facet.v);
        let to_u = facet.v.cross(facet.origin);
        let to_v = facet.origin.cross(facet.u);
        let distance = facet.origin.dot(normal);
        let step = 1.0 / camera.focal;
        for row in rows {
            for column in columns.clone() {
                let ray = camera.ray(column as f32 + 0.5, row as f32 + 0.5);
                let inverse = 1.0 / ray.dot(normal);
                let z = distance * inverse;
                if !(NEAREST..1e5).contains(&z) {
                    continue;
                }
                let (u, v) = (ray.dot(to_u) * inverse, ray.dot(to_v) * inverse);
                let slope = |axis: Vec3, at: f32| {
                    let right = (axis.x - at * normal.x) * inverse * step;
                    let up = (axis.y - at * normal.y) * inverse * step;
                    (right * right + up * up).sqrt().max(1e-6)
                };
                let spot = Spot { u, v, du: slope(to_u, u), dv: slope(to_v, v) };
                let coverage =
                    covered(u, spot.du, 0.0, facet.size.0) * covered(v, spot.dv, 0.0, facet.size.1);
                if coverage > 0.0 {
                    let i = row * camera.width + column;
                    visit(&mut self.pixels[i], &mut self.depth[i], &spot, coverage, z * ray.length());
                }
            }
        }
    }
}

type Span = std::ops::Range<usize>;

/// The columns and rows that a facet can touch.
fn bounds(facet: &Facet, camera: &Camera) -> Option<(Span, Span)> {
    let (u, v) = (facet.u * facet.size.0, facet.v * facet.size.1);
    let corners = [facet.origin, facet.origin + u, facet.origin + u + v, facet.origin + v];
    let (mut left, mut right) = (f32::INFINITY, f32::NEG_INFINITY);
    let (mut top, mut bottom) = (f32::INFINITY, f32::NEG_INFINITY);
    let mut reach = |place: Vec3| {
        let (x, y) = camera.project(place);
        (left, right) = (left.min(x), right.max(x));
        (top, bottom) = (top.min(y), bottom.max(y));
    };
    for (i, &corner) in corners.iter().enumerate() {
        if corner.z >= NEAREST {
            reach(corner);
        }
        let next = corners[(i + 1) % 4];
        if (corner.z < NEAREST) != (next.z < NEAREST) {
            reach(corner.mix(next, (NEAREST - corner.z) / (next.z - corner.z)));
        }
    }
    let span = |from: f32, to: f32, size: usize| {
        ((from - 1.0).max(0.0) as usize).min(size)..((to + 2.0).max(0.0) as usize).min(size)
    };
    let (columns, rows) = (span(left, right, camera.width), span(top, bottom, camera.height));
    (!columns.is_empty() && !rows.is_empty()).then_some((columns, rows))
}

#[cfg(test)]
mod tests {
    use super::super::light::Daylight;
    use super::super::vector::{grey, vec3};
    use super::*;

    #[test]
    fn a_facet_lands_where_it_projects_at_its_depth_and_measures_in_metres() {
        let (camera, light) = (Camera::new(64, 36, 0.0, 1), Light::new(Daylight::Sunny));
        let mut canvas = Canvas::new(&camera, &light);
        let facet = Facet::upright(vec3(0.0, -1.0, 10.0), 4.0, 2.0);
        canvas.facet(&facet, |spot| {
            assert!((-0.3..4.3).contains(&spot.u) && (-0.3..2.3).contains(&spot.v));
            assert!((spot.du - 10.0 / camera.focal).abs() < 1e-3);
            (grey(1.0), 1.0)
        });
        let area: usize = canvas.depth.iter().filter(|d| (9.9..10.4).contains(*d)).count();
        let expected = 8.0 * (camera.focal / 10.0).powi(2);
        assert!((area as f32 / expected - 1.0).abs() < 0.25, "{area} pixels, expected {expected}");
    }

    #[test]
    fn a_facet_through_the_camera_does_not_wrap_around() {
        let (camera, light) = (Camera::new(64, 36, 0.0, 1), Light::new(Daylight::Sunny));
        let mut canvas = Canvas::new(&camera, &light);
        let wall = Facet::spanned(vec3(2.0, -1.0, -20.0), vec3(2.0, -1.0, 20.0), vec3(2.0, 1.0, -20.0));
        canvas.facet(&wall, |_| (grey(1.0), 1.0));
        let hit = |x: usize| canvas.depth[18 * 64 + x].is_finite();
        assert!(hit(63) && !hit(0) && !hit(30));
    }
}
