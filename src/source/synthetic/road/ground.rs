//! The ground: asphalt with its markings, the verge, and fields beyond.

use super::camera::{EYE, LANE};
use super::canvas::Canvas;
use super::texture::{Dice, covered, fractal, inside, noise, smoothstep, speckle};
use super::vector::{Colour, grey, paint, vec3};

/// Half the width of the asphalt, in metres.
pub const ASPHALT_EDGE: f32 = 4.0;
const LINE_WIDTH: f32 = 0.13;
const EDGE_LINE: f32 = 3.45;
/// A dash of the centre line and its gap, in metres.
const DASH: f64 = 4.0;
const DASH_PERIOD: f64 = 12.0;

/// Nothing is to be seen on the ground farther than this, in metres.
const FARTHEST: f32 = 480.0;

/// A pixel on the ground: metres right of the centre line and along the road, and its size.
struct Place {
    across: f32,
    along: f64,
    width: f32,
    length: f32,
}

/// Paints every row from the horizon down.
pub fn ground(canvas: &mut Canvas, seed: u32) {
    let (camera, light) = (canvas.camera, canvas.light);
    let lit = light.on(vec3(0.0, 1.0, 0.0));
    for row in (camera.horizon - 1.0).max(0.0) as usize..camera.height {
        let below = row as f32 + 0.5 - camera.horizon;
        let ahead = (EYE * camera.focal / below.max(0.02)).min(FARTHEST);
        let bend = camera.bend(ahead);
        let opacity = inside(below, 1.0);
        for column in 0..camera.width {
            let ray = camera.ray(column as f32 + 0.5, row as f32 + 0.5);
            let place = Place {
                across: ray.x * ahead + LANE - bend,
                along: camera.way + f64::from(ahead),
                width: ahead / camera.focal,
                length: ahead * ahead / (camera.focal * EYE),
            };
            let distance = ahead * ray.length();
            let colour = light.through_air(surface(&place, seed).times(lit), distance);
            let i = row * camera.width + column;
            canvas.pixels[i] = canvas.pixels[i].mix(colour, opacity);
            if opacity > 0.5 {
                canvas.depth[i] = distance;
            }
        }
    }
}

fn surface(at: &Place, seed: u32) -> Colour {
    let side = at.across.abs();
    let ragged = 0.16 * fractal(f64::from(at.across.signum()) * 50.0, at.along, at.length, 2.0, 4, seed ^ 21);
    let on_asphalt = inside(ASPHALT_EDGE + ragged - side, at.width);
    let on_gravel = inside(ASPHALT_EDGE + 0.55 + 3.0 * ragged - side, at.width.max(0.12));
    let mut colour = grey(0.0);
    if on_gravel < 1.0 {
        colour = verge(at, side, seed);
    }
    if on_gravel > 0.0 && on_asphalt < 1.0 {
        let stones =
            speckle(f64::from(at.across), at.along * 0.5, at.width.max(at.length * 0.3), 0.3, 4, seed ^ 22);
        colour = colour.mix(paint(136, 127, 112) * (1.0 + 0.8 * stones), on_gravel);
    }
    if on_asphalt > 0.0 {
        colour = colour.mix(asphalt(at, seed), on_asphalt);
    }
    colour
}

fn asphalt(at: &Place, seed: u32) -> Colour {
    let (x, z) = (f64::from(at.across), at.along);
    let footprint = at.width.max(at.length * 0.45);
    // Long stains along the way of the wheels, then the stones of the surface itself.
    let stains = fractal(x * 3.0, z * 0.35, at.width.max(at.length * 0.35), 4.0, 3, seed ^ 1);
    let grain = speckle(x, z * 0.45, at.width.max(at.length * 0.2), 0.09, 3, seed ^ 2);
    let in_lane = at.across.abs() - LANE;
    let wheels = (-((in_lane.abs() - 0.78) / 0.30).powi(2)).exp();
    let oil = (-(in_lane / 0.33).powi(2)).exp();
    let mut value = 0.120 * (1.0 + 0.20 * stains + 0.55 * grain - 0.13 * wheels - 0.10 * oil);
    value *= 1.0 - 0.35 * repair(at, seed);
    value *= 1.0 - 0.55 * crack(at, x, z, seed);
    let seam = covered(at.across + 0.22 + 0.03 * noise(0.0, z * 0.4, seed), at.width, 0.0, 0.025);
    value *= 1.0 - 0.45 * seam;
    let road = vec3(1.0, 0.985, 0.95) * value;

    let worn = 0.86 + 0.55 * fractal(x, z, footprint, 0.5, 4, seed ^ 3);
    let line = marking(at) * worn.clamp(0.0, 1.0);
    road.mix(vec3(0.66, 0.65, 0.61), line)
}

/// Share of the pixel that is painted: the edge lines and the dashes between the lanes.
fn marking(at: &Place) -> f32 {
    let half = LINE_WIDTH / 2.0;
    let edge = covered(at.across.abs(), at.width, EDGE_LINE - half, EDGE_LINE + half);
    let centre = covered(at.across, at.width, -half, half);
    // The exact share of dashes in the pixel's length, however many it spans.
    let painted = |z: f64| (z / DASH_PERIOD).floor() * DASH + z.rem_euclid(DASH_PERIOD).min(DASH);
    let half_length = f64::from(at.length.max(0.01)) / 2.0;
    let dash = (painted(at.along + half_length) - painted(at.along - half_length)) / (2.0 * half_length);
    edge.max(centre * dash as f32)
}

/// Where the road has been mended with fresher, darker asphalt.
fn repair(at: &Place, seed: u32) -> f32 {
    const EVERY: f64 = 22.0;
    let cell = (at.along / EVERY).floor();
    let mut dice = Dice::new(seed, 77, cell as i32);
    if dice.chance(0.55) {
        return 0.0;
    }
    let (centre, half) = (dice.range(-3.0, 3.0), dice.range(0.35, 1.0));
    let (start, length) = (dice.range(1.0, 8.0), dice.range(2.0, 12.0));
    let along = (at.along - cell * EVERY) as f32;
    covered(at.across, at.width, centre - half, centre + half)
        * covered(along, at.length.max(0.02), start, start + length)
}

fn crack(at: &Place, x: f64, z: f64, seed: u32) -> f32 {
    // A crack is a few millimetres wide: a pixel much larger than that averages it away.
    let visible = smoothstep(0.25, 0.05, at.length);
    if visible == 0.0 {
        return 0.0;
    }
    let region = smoothstep(0.05, 0.3, noise(x * 0.25, z * 0.09, seed ^ 4));
    let ridge = fractal(x, z * 0.7, 0.01, 2.4, 4, seed ^ 6).abs();
    visible * region * (1.0 - smoothstep(0.004, 0.012 + at.width, ridge))
}

fn verge(at: &Place, side: f32, seed: u32) -> Colour {
    let (x, z) = (f64::from(at.across), at.along);
    // Blades stand upright: along the view they show more detail than a flat texture would.
    let footprint = at.width.max(at.length * 0.2);
    let tone = fractal(x, z * 0.5, footprint, 9.0, 3, seed ^ 31);
    let tufts = speckle(x * 1.4, z * 0.4, footprint, 0.5, 5, seed ^ 32);
    let mut colour = paint(94, 108, 58).mix(paint(152, 142, 92), smoothstep(-0.15, 0.5, tone + 0.4 * tufts));
    if side > 24.0 {
        colour = colour.mix(field(at, seed), smoothstep(24.0, 26.0, side));
    }
    // The ditch beside the road lies in its own shade.
    let ditch = (-((side - 6.0) / 0.8).powi(2)).exp();
    colour * ((1.0 + 0.75 * tufts).max(0.2) * (1.0 - 0.35 * ditch))
}

/// Crops, one per field.
fn field(at: &Place, seed: u32) -> Colour {
    let number = (at.along / 140.0).floor() as i32 * 2 + i32::from(at.across > 0.0);
    let mut dice = Dice::new(seed, 78, number);
    let crop =
        dice.pick(&[paint(176, 156, 92), paint(96, 122, 52), paint(122, 102, 76), paint(128, 142, 70)]);
    let row = fractal(f64::from(at.across) * 2.0, at.along * 0.05, at.width.max(0.05), 1.6, 2, seed ^ 33);
    crop * (1.0 + 0.5 * row)
}
