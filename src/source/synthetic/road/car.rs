//! Cars, seen from before or behind.

use super::canvas::{Canvas, Facet, Spot};
use super::light::Light;
use super::texture::{Dice, covered, inside, smoothstep};
use super::vector::{Colour, Vec3, grey, paint, vec3};

/// Which end of a car faces the camera.
#[derive(Clone, Copy, PartialEq)]
pub enum End {
    Front,
    Rear,
}

/// The body of a car, in metres.
pub struct Car {
    width: f32,
    length: f32,
    /// Height of bonnet and boot, and of the roof.
    deck: f32,
    roof: f32,
    bonnet: f32,
    boot: f32,
    colour: Colour,
    end: End,
}

/// Ground clearance, and radius of the wheels.
const BELOW: f32 = 0.24;
const WHEEL: f32 = 0.32;
/// Length of the screens' slope.
const SLOPE: f32 = 0.55;

const GLASS: Colour = grey(0.025);

impl Car {
    pub fn new(dice: &mut Dice, end: End) -> Self {
        let paints = [
            paint(196, 200, 204),
            paint(46, 50, 56),
            paint(150, 30, 32),
            paint(40, 70, 120),
            paint(228, 228, 226),
            paint(112, 118, 122),
            paint(70, 92, 84),
        ];
        let colour = dice.pick(&paints);
        let van = dice.chance(0.22);
        let (deck, roof, bonnet, length) =
            if van { (1.15, 2.15, 0.75, 5.0) } else { (0.93, 1.47, 1.05, 4.3) };
        let boot = if van { 0.02 } else { dice.pick(&[0.12, 0.5]) };
        Self { width: if van { 1.95 } else { 1.8 }, length, deck, roof, bonnet, boot, colour, end }
    }

    /// The shadow on the road below and beside the car, whose near end stands at `foot`.
    pub fn shadow(&self, canvas: &mut Canvas, foot: Vec3) {
        let to_sun = canvas.light.to_sun;
        let cast = vec3(-to_sun.x, 0.0, -to_sun.z) * (0.8 * self.roof / to_sun.y);
        let half = (self.width / 2.0 + 0.22, self.length / 2.0 + 0.25);
        let under = foot + vec3(0.0, 0.0, self.length / 2.0);
        for (centre, tint, soft) in
            [(under + cast * 0.5, canvas.light.shade(), 0.35), (under, grey(0.10), 0.30)]
        {
            let origin = centre - vec3(half.0, 0.0, half.1);
            let facet = Facet {
                origin,
                u: vec3(1.0, 0.0, 0.0),
                v: vec3(0.0, 0.0, 1.0),
                size: (2.0 * half.0, 2.0 * half.1),
            };
            canvas.tint(&facet, tint, |spot| {
                let edge = (half.0 - (spot.u - half.0).abs()).min(half.1 - (spot.v - half.1).abs());
                smoothstep(0.0, soft, edge)
            });
        }
    }

    pub fn draw(&self, canvas: &mut Canvas, foot: Vec3) {
        let light = canvas.light;
        let corner = foot - vec3(self.width / 2.0, 0.0, 0.0);
        let (right, up, back) = (vec3(1.0, 0.0, 0.0), vec3(0.0, 1.0, 0.0), vec3(0.0, 0.0, 1.0));
        let (near, _) = self.decks();

        // The flank that can be seen, if any.
        for (x, normal) in [(0.0, vec3(-1.0, 0.0, 0.0)), (self.width, vec3(1.0, 0.0, 0.0))] {
            let origin = corner + right * x;
            if normal.dot(origin) < 0.0 {
                let facet = Facet { origin, u: back, v: up, size: (self.length, self.roof) };
                canvas.facet(&facet, |spot| self.flank(spot, normal, light));
            }
        }
        // The screen, tapered towards the roof.
        let lean = (up * (self.roof - self.deck) + back * SLOPE).unit();
        let tall = (self.roof - self.deck).hypot(SLOPE);
        let facet = Facet {
            origin: corner + up * self.deck + back * near,
            u: right,
            v: lean,
            size: (self.width, tall),
        };
        canvas.facet(&facet, |spot| self.screen(spot, tall, light));
        if near > 0.05 {
            let facet =
                Facet { origin: corner + up * self.deck, u: right, v: back, size: (self.width, near) };
            let lit = self.colour.times(light.on(up)) + light.zenith * 0.12;
            canvas.facet(&facet, |spot| {
                let crease = 1.0 - 0.12 * (spot.u / self.width * 9.4).sin().abs();
                (lit * crease, inside(self.rounding(spot.u, near - spot.v) + 0.1, spot.footprint()))
            });
        }
        let facet = Facet { origin: corner, u: right, v: up, size: (self.width, self.deck + 0.02) };
        canvas.facet(&facet, |spot| self.face(spot, light));
        self.lamps(canvas, corner);
    }

    /// Lengths of the decks before the near screen and behind the far one.
    fn decks(&self) -> (f32, f32) {
        if self.end == End::Front { (self.bonnet, self.boot) } else { (self.boot, self.bonnet) }
    }

    /// Distance inside the body's rounded vertical edges, seen from above or before.
    fn rounding(&self, u: f32, from_corner: f32) -> f32 {
        let radius = 0.14;
        let x = (radius - u.min(self.width - u)).max(0.0);
        let y = (radius - from_corner).max(0.0);
        radius - x.hypot(y)
    }

    fn flank(&self, spot: &Spot, normal: Vec3, light: &Light) -> (Colour, f32) {
        let (near, far) = self.decks();
        let (s, v, pixel) = (spot.u, spot.v, spot.footprint());
        // Height of the outline: deck, screen, roof, screen, deck.
        let rise = ((s - near) / SLOPE).min((self.length - far - s) / SLOPE).clamp(0.0, 1.0);
        let top = self.deck + (self.roof - self.deck) * rise;
        let wheel = (s - 0.78).hypot(v - WHEEL).min((s - self.length + 0.78).hypot(v - WHEEL));
        let body = inside(top - v, pixel) * inside(v - BELOW, pixel) * inside(wheel - WHEEL - 0.05, pixel);
        let lit = light.on((normal + vec3(0.0, 0.3 * (v - 0.6), 0.0)).unit());
        let mut colour =
            self.colour.times(lit) * (0.65 + 0.35 * smoothstep(BELOW, self.deck, v)) + light.horizon * 0.05;
        let pillar = covered(s, spot.du, self.length * 0.52, self.length * 0.52 + 0.09);
        let glass = inside(top - 0.08 - v, pixel) * inside(v - self.deck - 0.03, pixel) * (1.0 - pillar);
        colour = colour.mix(GLASS.mix(light.horizon, 0.22), glass);
        let tyre = inside(WHEEL - wheel, pixel);
        let hub = inside(0.19 - wheel, pixel);
        let rubber = grey(0.02).times(lit).mix(grey(0.35).times(lit), hub);
        let gap = inside(WHEEL + 0.05 - wheel, pixel)
            * inside(v - BELOW, pixel)
            * inside(self.deck - 0.2 - v, pixel);
        (colour.mix(grey(0.008), gap * (1.0 - body)).mix(rubber, tyre), body.max(tyre).max(gap))
    }

    fn screen(&self, spot: &Spot, tall: f32, light: &Light) -> (Colour, f32) {
        let pixel = spot.footprint();
        let share = spot.v / tall;
        let x = (spot.u - self.width / 2.0).abs();
        let half = self.width / 2.0 - 0.03 - 0.13 * share;
        let opacity = inside(half - x, pixel);
        let glass = inside(half - 0.09 - x, pixel) * covered(share, spot.dv / tall, 0.06, 0.86);
        let body = self.colour.times(light.on(vec3(0.0, 0.6, -0.8)));
        // Sky above, and the heads of those inside below.
        let people = (1.0 - smoothstep(0.08, 0.14, (x - 0.36).hypot(0.8 * (spot.v - 0.20)))) * 0.45;
        let sky = 0.10 + 0.30 * smoothstep(0.2, 1.0, share);
        let pane = GLASS.mix(light.horizon, sky) * (1.0 - people);
        (body.mix(pane, glass), opacity)
    }

    /// Bumper, grille or hatch, plate and the lamps' glass.
    fn face(&self, spot: &Spot, light: &Light) -> (Colour, f32) {
        let (u, v, pixel) = (spot.u, spot.v, spot.footprint());
        let x = (u - self.width / 2.0).abs();
        let edge = self.width / 2.0;
        let rect = |left: f32, right: f32, low: f32, high: f32| {
            covered(x, spot.du, left, right) * covered(v, spot.dv, low, high)
        };
        let body = inside(self.rounding(u, self.deck + 0.02 - v), pixel) * inside(v - BELOW, pixel);
        // Metal bends from the sky's light at the shoulder to the road's at the sill.
        let bulge = (v - 0.55) / 0.5;
        let lit = light.on(vec3(0.0, bulge, -1.0).unit());
        let mut colour = self.colour.times(lit) + light.horizon * (0.10 * smoothstep(0.6, self.deck, v));
        let dark = grey(0.02);
        colour = colour.mix(dark, 0.9 * rect(0.0, edge, 0.0, 0.36));
        colour = colour.mix(dark, 0.5 * rect(0.0, edge, 0.50, 0.515));
        match self.end {
            End::Front => {
                colour = colour.mix(dark, rect(0.0, 0.48, 0.58, 0.76));
                colour = colour.mix(grey(0.6).times(lit), rect(0.0, 0.08, 0.62, 0.72));
                colour = colour.mix(grey(0.25), rect(edge - 0.42, edge - 0.06, 0.58, 0.76));
            }
            End::Rear => {
                colour = colour.mix(dark, 0.4 * rect(0.0, 0.6, 0.86, 0.875));
                let lens = rect(edge - 0.36, edge - 0.04, 0.60, 0.84);
                colour = colour.mix(vec3(0.42, 0.015, 0.015), lens);
            }
        }
        let (low, high) = if self.end == End::Front { (0.40, 0.50) } else { (0.62, 0.73) };
        let plate = rect(0.0, 0.26, low, high);
        let letters = rect(0.0, 0.22, low + 0.03, high - 0.03)
            * f32::from((x * 22.0).fract() < 0.5)
            * smoothstep(0.03, 0.01, pixel);
        colour = colour.mix(grey(0.75).times(lit), plate).mix(dark, letters * 0.8);
        let tyre = rect(edge - 0.28, edge - 0.06, 0.0, 0.45);
        let under = rect(0.0, edge - 0.05, 0.12, BELOW + 0.02);
        colour = colour.mix(grey(0.012), (tyre * (1.0 - body)).max(under * (1.0 - body)));
        (colour, body.max(tyre).max(under * 0.95))
    }

    /// The light of the lamps and its glow.
    fn lamps(&self, canvas: &mut Canvas, corner: Vec3) {
        let (height, inset, colour, size) = match self.end {
            End::Front => (0.67, 0.24, vec3(2.6, 2.5, 2.2), 0.9),
            End::Rear => (0.74, 0.18, vec3(0.9, 0.04, 0.03), 0.55),
        };
        for x in [inset, self.width - inset] {
            let centre = corner + vec3(x, height - size / 2.0, -0.05);
            canvas.glow(&Facet::upright(centre, size, size), colour, |spot| {
                let radius = (spot.u / size - 0.5).hypot(spot.v / size - 0.5) * 2.0;
                let near = (1.0 - radius).max(0.0);
                0.9 * smoothstep(0.80, 0.90, near) + 0.22 * near * near * near
            });
        }
    }
}
