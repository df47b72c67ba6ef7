//! Trees and bushes: flat pictures that face the camera, shaded as if round.

use super::canvas::{Canvas, Facet, Spot};
use super::texture::{Dice, fractal, inside, smoothstep, speckle};
use super::vector::{Colour, Vec3, grey, paint, vec3};

const BLOBS: usize = 15;

enum Crown {
    /// Rounded masses of leaves: place and radius in metres.
    Leaves([(f32, f32, f32); BLOBS]),
    /// A cone of drooping branches.
    Needles,
}

/// One tree, or one bush where it has no trunk.
pub struct Tree {
    height: f32,
    /// Widest radius of the crown in metres.
    radius: f32,
    /// Where the crown begins above the ground.
    bare: f32,
    crown: Crown,
    colour: Colour,
    seed: u32,
}

impl Tree {
    pub fn broadleaf(dice: &mut Dice) -> Self {
        let height = dice.range(6.5, 12.5);
        Self::rounded(height, height * dice.range(0.30, 0.42), height * dice.range(0.16, 0.26), dice)
    }

    pub fn bush(dice: &mut Dice) -> Self {
        let height = dice.range(1.0, 2.4);
        Self::rounded(height, height * dice.range(0.6, 0.9), 0.0, dice)
    }

    pub fn conifer(dice: &mut Dice) -> Self {
        let height = dice.range(8.0, 15.0);
        let colour = paint(62, 82, 58) * dice.range(0.8, 1.3);
        let radius = height * dice.range(0.17, 0.23);
        Self { height, radius, bare: 0.6, crown: Crown::Needles, colour, seed: (dice.unit() * 1e6) as u32 }
    }

    fn rounded(height: f32, radius: f32, bare: f32, dice: &mut Dice) -> Self {
        let mut blobs = [(0.0, 0.0, 0.0); BLOBS];
        let tall = height - bare;
        for (i, blob) in blobs.iter_mut().enumerate() {
            // Around an egg: wide below the middle, narrow on top.
            let level = (i as f32 + 0.5) / BLOBS as f32;
            let reach = radius * (0.75 - 0.65 * (level - 0.35).abs());
            let size = radius * dice.range(0.28, 0.50);
            let x = dice.range(-1.0, 1.0) * reach;
            *blob = (x, bare + size * 0.8 + level * (tall - size * 1.8), size);
        }
        let green = paint(92, 110, 56).mix(paint(118, 120, 64), dice.unit());
        let colour = green.mix(paint(70, 94, 60), dice.unit()) * dice.range(0.85, 1.15);
        Self { height, radius, bare, crown: Crown::Leaves(blobs), colour, seed: (dice.unit() * 1e6) as u32 }
    }

    /// The shadow on the ground around `foot`.
    pub fn shadow(&self, canvas: &mut Canvas, foot: Vec3) {
        let to_sun = canvas.light.to_sun;
        let up = (self.height + self.bare) * 0.55;
        let shift = vec3(-to_sun.x, 0.0, -to_sun.z) * (up / to_sun.y);
        let tint = canvas.light.shade();
        let stretched = 0.6 * self.height / to_sun.y * 0.7;
        let along = vec3(-to_sun.x, 0.0, -to_sun.z).unit();
        let across = vec3(along.z, 0.0, -along.x);
        let half = (self.radius * 1.25, stretched.max(self.radius) * 1.1);
        let origin = foot + shift - across * half.0 - along * half.1;
        let facet = Facet { origin, u: across, v: along, size: (2.0 * half.0, 2.0 * half.1) };
        canvas.tint(&facet, tint, |spot| {
            let (x, y) = (spot.u / half.0 - 1.0, spot.v / half.1 - 1.0);
            let leaves = fractal(f64::from(spot.u), f64::from(spot.v), spot.footprint(), 1.3, 4, self.seed);
            // The sun comes through in spots.
            0.9 * smoothstep(0.0, 0.25, 0.72 - x * x - y * y + 1.5 * leaves)
        });
        // Right below the crown it is dark under any sky.
        let half = self.radius * 0.9;
        let below = Facet {
            origin: foot - vec3(half, 0.0, half),
            u: vec3(1.0, 0.0, 0.0),
            v: vec3(0.0, 0.0, 1.0),
            size: (2.0 * half, 2.0 * half),
        };
        canvas.tint(&below, grey(0.3), |spot| {
            let (x, y) = (spot.u / half - 1.0, spot.v / half - 1.0);
            0.8 * (1.0 - (x * x + y * y)).max(0.0)
        });
    }

    pub fn draw(&self, canvas: &mut Canvas, foot: Vec3) {
        if self.bare > 0.0 {
            self.trunk(canvas, foot);
        }
        let light = canvas.light;
        let wide = self.radius * 1.25;
        let facet = Facet::upright(foot, 2.0 * wide, self.height * 1.03);
        let to_sun = light.to_sun;
        canvas.facet(&facet, |spot| {
            let (opacity, normal, hollow) = match &self.crown {
                Crown::Leaves(blobs) => self.leaves(blobs, spot, wide),
                Crown::Needles => self.needles(spot, wide),
            };
            if opacity == 0.0 {
                return (grey(0.0), 0.0);
            }
            let sun = normal.dot(to_sun).max(0.0);
            let lit = light.ambient * (0.42 + 0.50 * (0.5 + 0.5 * normal.y)) + light.sun * (0.72 * sun);
            // Leaves let some light through, and it turns yellow.
            let through = light.sun.times(vec3(0.10, 0.11, 0.02));
            (self.colour.times(lit + through) * hollow, opacity)
        });
    }

    /// Opacity, direction of the surface, and how much light reaches in between the leaves.
    fn leaves(&self, blobs: &[(f32, f32, f32); BLOBS], spot: &Spot, wide: f32) -> (f32, Vec3, f32) {
        let (u, v, pixel) = (f64::from(spot.u), f64::from(spot.v), spot.footprint());
        let scale = self.radius;
        // Far from every blob no noise can make a leaf.
        let reach = |&(x, y, radius): &(f32, f32, f32)| {
            let (dx, dy) = (spot.u - wide - x, spot.v - y);
            dx * dx + dy * dy < (radius + 0.32 * scale).powi(2)
        };
        if !blobs.iter().any(reach) {
            return (0.0, vec3(0.0, 0.0, -1.0), 0.0);
        }
        let sway = 0.16 * scale * fractal(u, v, pixel, 0.8 * scale, 3, self.seed);
        let swing = 0.16 * scale * fractal(u + 31.0, v, pixel, 0.8 * scale, 3, self.seed ^ 1);
        let (x, y) = (spot.u - wide + 1.7 * sway, spot.v + 1.7 * swing);
        let (mut front, mut best, mut normal) = (f32::NEG_INFINITY, f32::NEG_INFINITY, vec3(0.0, 0.0, -1.0));
        for &(bx, by, radius) in blobs {
            let (dx, dy) = ((x - bx) / radius, (y - by) / radius);
            let swell = 1.0 - dx * dx - dy * dy;
            best = best.max(swell);
            if swell > 0.0 {
                let near = swell.sqrt();
                if near * radius > front {
                    front = near * radius;
                    normal = vec3(dx, dy, -near);
                }
            }
        }
        if best < -0.8 {
            return (0.0, normal, 0.0);
        }
        let fine = speckle(u, v, pixel, 0.6, 5, self.seed ^ 2);
        let ruffled = 1.6 / (0.16 * scale);
        let normal = (normal + vec3(swing * ruffled, sway * ruffled + 0.9 * fine, 0.0)).unit();
        let edge = (2.0 * pixel / scale).max(0.10);
        let opacity = smoothstep(0.0, edge, best + 0.45 * fine + 0.02);
        let depth = 0.45 + 0.55 * smoothstep(0.0, 0.5, front / (0.5 * scale));
        let low = 0.62 + 0.38 * ((spot.v - self.bare) / (self.height - self.bare)).clamp(0.0, 1.0);
        let hollow =
            (1.0 + 1.15 * fine + 0.45 * (sway - swing) / (0.16 * scale)).clamp(0.18, 2.0) * depth * low;
        (opacity, normal, hollow)
    }

    fn needles(&self, spot: &Spot, wide: f32) -> (f32, Vec3, f32) {
        let (u, v, pixel) = (f64::from(spot.u), f64::from(spot.v), spot.footprint());
        let level = ((spot.v - self.bare) / (self.height - self.bare)).clamp(0.0, 1.0);
        let whorl = 1.1;
        let droop = (spot.v + 0.35 * (spot.u - wide).abs()) / whorl;
        let tier = 1.0 - (droop - droop.floor());
        let ragged = speckle(u, v * 1.6, pixel, 0.7, 5, self.seed);
        let reach =
            self.radius * (1.0 - level) * (0.72 + 0.33 * tier) + 0.6 * ragged * (0.3 + 0.7 * (1.0 - level));
        let x = spot.u - wide;
        let above = if spot.v < self.bare * 0.6 { 0.0 } else { 1.0 };
        let opacity = inside(reach - x.abs(), (1.5 * pixel).max(0.06)) * above;
        let turn = (x / (reach.max(0.05) * 1.1)).clamp(-1.0, 1.0);
        let normal = vec3(turn, 0.35, -(1.0 - turn * turn).sqrt()).unit();
        let hollow = ((0.50 + 0.65 * tier) * (1.0 + 1.4 * ragged)).clamp(0.12, 1.8);
        (opacity, normal, hollow)
    }

    fn trunk(&self, canvas: &mut Canvas, foot: Vec3) {
        let light = canvas.light;
        let width = 0.12 + 0.028 * self.height;
        let facet = Facet::upright(foot, width, self.bare + 0.35 * self.height.min(5.0));
        canvas.facet(&facet, |spot| {
            let turn = (2.0 * spot.u / width - 1.0).clamp(-1.0, 1.0);
            let normal = vec3(turn, 0.0, -(1.0 - turn * turn).sqrt());
            let bark =
                fractal(f64::from(spot.u) * 3.0, f64::from(spot.v), spot.footprint(), 0.5, 5, self.seed);
            (paint(98, 82, 66).times(light.on(normal)) * (0.75 + 0.9 * bark).max(0.1), 1.0)
        });
    }
}
