//! Houses: plastered or brick walls with windows under a gable roof.

use super::canvas::{Canvas, Facet, Spot};
use super::light::Light;
use super::texture::{Dice, covered, fractal, inside, smoothstep};
use super::vector::{Colour, Vec3, grey, paint, vec3};

/// A house whose eaves run along the road.
pub struct House {
    /// Along the road, away from it, and up to the eaves, in metres.
    length: f32,
    depth: f32,
    eaves: f32,
    /// From the eaves up to the ridge.
    rise: f32,
    wall: Colour,
    brick: bool,
    roof: Colour,
    shutters: Option<Colour>,
    seed: u32,
}

const STOREY: f32 = 2.8;
const PLINTH: f32 = 0.5;
const OVERHANG: f32 = 0.45;

impl House {
    pub fn new(dice: &mut Dice) -> Self {
        let storeys = if dice.chance(0.6) { 2.0 } else { 1.0 };
        let depth = dice.range(7.0, 9.5);
        let walls = [
            paint(226, 214, 190),
            paint(220, 196, 154),
            paint(206, 208, 206),
            paint(204, 174, 146),
            paint(230, 226, 216),
        ];
        let roofs = [paint(150, 84, 62), paint(124, 74, 58), paint(92, 92, 98), paint(134, 96, 74)];
        let shutters = [paint(70, 96, 78), paint(78, 88, 110), paint(120, 66, 54)];
        let brick = dice.chance(0.28);
        Self {
            length: dice.range(8.0, 13.0),
            depth,
            eaves: PLINTH + STOREY * storeys,
            rise: depth * dice.range(0.36, 0.46),
            wall: if brick { paint(160, 98, 78) } else { dice.pick(&walls) },
            brick,
            roof: dice.pick(&roofs),
            shutters: dice.chance(0.45).then(|| dice.pick(&shutters)),
            seed: (dice.unit() * 1e6) as u32,
        }
    }

    /// The shadow on the ground around the house.
    pub fn shadow(&self, canvas: &mut Canvas, across: f32, ahead: f32) {
        let (side, to_sun) = (across.signum(), canvas.light.to_sun);
        let reach = self.eaves / to_sun.y;
        let foot = canvas.camera.place(across, 0.0, ahead);
        let middle = foot + vec3(side * self.depth / 2.0, 0.0, self.length / 2.0);
        let half = (self.depth / 2.0 + 0.8, self.length / 2.0 + 0.8);
        for (shift, strength) in [(0.0, 0.75), (0.33, 1.0), (0.66, 1.0), (1.0, 1.0)] {
            let origin =
                middle + vec3(-to_sun.x, 0.0, -to_sun.z) * (reach * shift) - vec3(half.0, 0.0, half.1);
            let facet = Facet {
                origin,
                u: vec3(1.0, 0.0, 0.0),
                v: vec3(0.0, 0.0, 1.0),
                size: (2.0 * half.0, 2.0 * half.1),
            };
            canvas.tint(&facet, grey(1.0).mix(canvas.light.shade(), 0.5), |spot| {
                let edge = (half.0 - (spot.u - half.0).abs()).min(half.1 - (spot.v - half.1).abs());
                strength * smoothstep(0.0, 0.9, edge)
            });
        }
    }

    /// Draws the house with the corner nearest to the road and camera `across` metres right of
    /// the centre line and `ahead` metres away.
    pub fn draw(&self, canvas: &mut Canvas, across: f32, ahead: f32) {
        let (camera, light) = (canvas.camera, canvas.light);
        let side = across.signum();
        let foot = camera.place(across, 0.0, ahead);
        // The wall follows the road's direction at its middle.
        let turn = (camera.bend(ahead + self.length) - camera.bend(ahead)) / self.length;
        let (on, out, up) =
            (vec3(turn, 0.0, 1.0).unit(), vec3(side, 0.0, -side * turn).unit(), vec3(0.0, 1.0, 0.0));
        // Faces that were drawn first reach a pixel under their neighbours: no gap shows through.
        let pixel = foot.z / camera.focal;

        let wall = Facet { origin: foot - on * pixel, u: on, v: up, size: (self.length + pixel, self.eaves) };
        let lit = light.on(out * -1.0);
        canvas.facet(&wall, |spot| (self.plaster(spot, self.length, lit, light, true), 1.0));

        let top = self.eaves + self.rise;
        let gable = Facet { origin: foot, u: out, v: up, size: (self.depth, top) };
        let lit = light.on(on * -1.0);
        canvas.facet(&gable, |spot| {
            let below = self.eaves + self.rise * (1.0 - (2.0 * spot.u / self.depth - 1.0).abs()) - spot.v;
            (self.plaster(spot, self.depth, lit, light, spot.v < self.eaves), inside(below, spot.footprint()))
        });

        // Only the slope towards the road can be seen from below.
        let slope = (out * (self.depth / 2.0) + up * self.rise).unit();
        let origin = foot + up * self.eaves - slope * OVERHANG - on * OVERHANG;
        let long = (self.depth / 2.0).hypot(self.rise) + OVERHANG;
        let roof = Facet { origin, u: on, v: slope, size: (self.length + 2.0 * OVERHANG, long) };
        let normal = (up * (self.depth / 2.0) - out * self.rise).unit();
        if normal.dot(origin) < 0.0 {
            let lit = light.on(normal);
            canvas.facet(&roof, |spot| (self.tiles(spot).times(lit), 1.0));
        }
        // The barge board along the gable, and the gutter.
        for (from, to) in [(0.0, 1.0), (2.0, 1.0)] {
            let at = |x: f32| {
                foot - on * OVERHANG
                    + out * (x * self.depth / 2.0)
                    + up * (self.eaves + self.rise * (1.0 - (x - 1.0).abs()))
            };
            let (a, b) = (at(from), at(to));
            let board =
                Facet { origin: a - up * 0.12, u: (b - a).unit(), v: up, size: ((b - a).length(), 0.24) };
            let lit = light.on(on * -1.0);
            canvas.facet(&board, |_| (paint(188, 180, 168).times(lit), 1.0));
        }
        let gutter =
            Facet { origin: origin - up * 0.13, u: on, v: up, size: (self.length + 2.0 * OVERHANG, 0.13) };
        let lit = light.on(out * -1.0);
        canvas.facet(&gutter, |_| (paint(112, 112, 112).times(lit), 1.0));
    }

    /// A wall with its windows, or without in the gable's triangle.
    fn plaster(&self, spot: &Spot, length: f32, lit: Colour, light: &Light, windows: bool) -> Colour {
        let (u, v, pixel) = (f64::from(spot.u), f64::from(spot.v), spot.footprint());
        let stains = fractal(u * 1.5, v * 0.6, pixel, 2.5, 6, self.seed);
        let mut wall = self.wall * (1.0 + 0.22 * stains);
        if self.brick {
            let course = (spot.v / 0.085).floor();
            let along = spot.u / 0.25 + 0.5 * (course % 2.0);
            let one = Dice::new(self.seed, 5, (course * 997.0 + along.floor()) as i32).range(0.75, 1.25);
            let fine = smoothstep(0.12, 0.04, pixel);
            let joint = ((spot.v / 0.085).fract() < 0.14 || along.fract() < 0.05) as u8 as f32;
            wall = (wall * (1.0 + (one - 1.0) * fine)).mix(paint(176, 168, 156), 0.7 * joint * fine);
        }
        wall = wall.mix(paint(120, 114, 108), inside(PLINTH - spot.v, spot.dv));
        // Below the eaves and near the ground the light is less.
        let under_eaves =
            1.0 - 0.35 * smoothstep(0.7, 0.0, self.eaves - spot.v) * f32::from(spot.v < self.eaves);
        let low = 0.8 + 0.2 * smoothstep(0.0, 0.9, spot.v);
        let wall = wall.times(lit) * (under_eaves * low);
        if windows { self.window(spot, length, lit, light, wall) } else { wall }
    }

    fn window(&self, spot: &Spot, length: f32, lit: Colour, light: &Light, wall: Colour) -> Colour {
        let bays = (length / 2.6).floor().max(1.0);
        let bay = length / bays;
        let (column, storey) = ((spot.u / bay).floor(), ((spot.v - PLINTH) / STOREY).floor());
        if storey < 0.0 {
            return wall;
        }
        let x = spot.u - (column + 0.5) * bay;
        let y = spot.v - PLINTH - storey * STOREY;
        let door = storey == 0.0 && column == (bays / 2.0).floor() && length == self.length;
        let (half, bottom, top) = if door { (0.5, 0.0, 2.1) } else { (0.55, 0.85, 2.2) };
        let rect = |half: f32, bottom: f32, top: f32| {
            covered(x, spot.du, -half, half) * covered(y, spot.dv, bottom, top)
        };
        let mut colour = wall;
        if let (Some(shutters), false) = (self.shutters, door) {
            let slats = 1.0 - 0.3 * f32::from((y / 0.09).fract() < 0.3) * smoothstep(0.1, 0.03, spot.dv);
            colour = colour.mix(shutters.times(lit) * slats, rect(half + 0.5, bottom, top));
        }
        colour = colour.mix(paint(226, 224, 218).times(lit), rect(half + 0.08, bottom - 0.06, top + 0.08));
        let hollow = if door {
            paint(96, 66, 48).times(lit)
        } else {
            // Glass shows a dark room, a curtain, and above all the sky.
            let mut dice = Dice::new(self.seed, 6, (column * 31.0 + storey) as i32);
            let room = if dice.chance(0.4) { grey(0.20) } else { grey(0.03) };
            room.mix(
                light.horizon * 0.55,
                0.25 + 0.5 * smoothstep(bottom, top, y + 0.4 * dice.range(-1.0, 1.0)),
            )
        };
        colour = colour.mix(hollow, rect(half, bottom, top));
        let bar = covered(x, spot.du, -0.035, 0.035).max(covered(y, spot.dv, 1.72, 1.78));
        let frame = if door { 0.0 } else { bar * rect(half, bottom, top) };
        colour = colour.mix(paint(220, 218, 212).times(lit), frame);
        let sill = covered(x, spot.du, -half - 0.15, half + 0.15)
            * covered(y, spot.dv, bottom - 0.14, bottom - 0.02);
        colour.mix(paint(168, 164, 156).times(lit), if door { 0.0 } else { sill })
    }

    fn tiles(&self, spot: &Spot) -> Colour {
        let pixel = spot.footprint();
        let weather = fractal(f64::from(spot.u), f64::from(spot.v), pixel, 1.6, 6, self.seed ^ 3);
        let fine = smoothstep(0.4, 0.12, pixel);
        let row = (spot.v / 0.32).fract();
        let wave = 1.0 + fine * (0.30 * (row - 0.5) + 0.14 * (spot.u / 0.24 * std::f32::consts::TAU).sin());
        self.roof * ((1.0 + 0.5 * weather) * wave)
    }
}

/// A wall along the road: a low garden wall or a hedge's straight sister.
pub fn garden_wall(canvas: &mut Canvas, from: Vec3, to: Vec3, seed: u32) {
    let light = canvas.light;
    let up = vec3(0.0, 0.9, 0.0);
    let lit = light.on((to - from).unit().cross(vec3(0.0, 1.0, 0.0)) * if from.x > 0.0 { 1.0 } else { -1.0 });
    canvas.facet(&Facet::spanned(from, to, from + up), |spot| {
        let stones =
            fractal(f64::from(spot.u) * 1.5, f64::from(spot.v) * 3.0, spot.footprint(), 0.8, 5, seed);
        let cap = inside(spot.v - 0.78, spot.dv);
        let colour = paint(166, 156, 140) * (0.9 + 0.9 * stones);
        (colour.mix(paint(186, 180, 170), cap).times(lit) * (0.7 + 0.3 * smoothstep(0.0, 0.4, spot.v)), 1.0)
    });
}
