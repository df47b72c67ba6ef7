//! What stands beside a road: poles and wires, signs, delineators, guard rails, tall grass.

use super::canvas::{Canvas, Facet};
use super::texture::{Dice, covered, fractal, inside, smoothstep, speckle};
use super::vector::{Colour, Vec3, grey, paint, vec3};

const UP: Vec3 = vec3(0.0, 1.0, 0.0);

/// A round post from `foot` up.
fn post(canvas: &mut Canvas, foot: Vec3, width: f32, height: f32, colour: Colour) {
    let light = canvas.light;
    canvas.facet(&Facet::upright(foot, width, height), |spot| {
        let turn = (2.0 * spot.u / width - 1.0).clamp(-1.0, 1.0);
        (colour.times(light.on(vec3(turn, 0.0, -(1.0 - turn * turn).sqrt()))), 1.0)
    });
}

/// A thin straight bar between two places, seen equally thick from everywhere.
fn bar(canvas: &mut Canvas, from: Vec3, to: Vec3, thickness: f32, colour: Colour) {
    let along = (to - from).unit();
    let across = along.cross(from + to).unit();
    let facet = Facet {
        origin: from - across * (thickness / 2.0),
        u: along,
        v: across,
        size: ((to - from).length(), thickness),
    };
    canvas.facet(&facet, |_| (colour, 1.0));
}

const MAST: f32 = 8.2;

/// A wooden mast of a power line, and its wires to the `next` one.
pub fn mast(canvas: &mut Canvas, foot: Vec3, next: Vec3) {
    let light = canvas.light;
    let wood = paint(108, 92, 76);
    for hook in [-0.85, 0.0, 0.85] {
        let up = UP * (MAST - 0.25) + vec3(hook, 0.0, 0.0);
        let (from, to) = (foot + up, next + up);
        const PIECES: usize = 8;
        let hang = |i: usize| {
            let t = i as f32 / PIECES as f32;
            from.mix(to, t) - UP * (2.8 * t * (1.0 - t))
        };
        for i in (0..PIECES).filter(|&i| hang(i).z > 1.0) {
            bar(canvas, hang(i), hang(i + 1), 0.022, grey(0.05));
        }
    }
    post(canvas, foot, 0.24, MAST, wood);
    let lit = wood.times(light.on(vec3(0.0, 0.0, -1.0)));
    let arm = foot + UP * (MAST - 0.45);
    bar(canvas, arm - vec3(1.05, 0.0, 0.0), arm + vec3(1.05, 0.0, 0.0), 0.14, lit);
}

/// A street lamp that leans over the road, which is to the `side` of it (-1 left, 1 right).
pub fn lamp(canvas: &mut Canvas, foot: Vec3, side: f32) {
    let steel = paint(134, 138, 140);
    post(canvas, foot, 0.15, 6.6, steel);
    let (top, end) = (foot + UP * 6.55, foot + vec3(side * 1.7, 7.0, 0.0));
    let lit = steel.times(canvas.light.on(vec3(0.0, 0.0, -1.0)));
    bar(canvas, top, end, 0.09, lit);
    bar(canvas, end, end + vec3(side * 0.55, 0.03, 0.0), 0.16, lit * 0.8);
}

/// A road sign; which one is decided by the dice.
pub fn sign(canvas: &mut Canvas, foot: Vec3, dice: &mut Dice) {
    let light = canvas.light;
    post(canvas, foot, 0.075, 2.9, paint(150, 152, 154));
    let lit = light.on(vec3(0.0, 0.1, -1.0).unit());
    let kind = dice.unit();
    let limit = dice.pick(&[3, 5, 7, 8]);
    let (width, height) = if kind < 0.75 { (0.74, 0.74) } else { (1.7, 0.85) };
    let plate = Facet::upright(foot + vec3(0.0, 2.2, -0.06), width, height);
    let (white, red, blue, black) =
        (paint(232, 232, 230), paint(196, 30, 34), paint(24, 74, 150), paint(26, 26, 28));
    canvas.facet(&plate, |spot| {
        let (x, y, pixel) = (spot.u - width / 2.0, spot.v - height / 2.0, spot.footprint());
        let (colour, opacity) = if kind < 0.45 {
            let radius = x.hypot(y);
            let ring = white.mix(red, inside(radius - 0.27, pixel));
            (ring.mix(black, digits(limit, x, y, pixel)), inside(0.365 - radius, pixel))
        } else if kind < 0.75 {
            // Distance to the nearest side of an upright triangle.
            let edge = (y + 0.33).min(0.5 * (0.62 - y) - 0.87 * x.abs() + 0.02);
            let mark = covered(x, pixel, -0.035, 0.035) * covered(y, pixel, -0.06, 0.16)
                + covered(x, pixel, -0.035, 0.035) * covered(y, pixel, -0.17, -0.10);
            (white.mix(red, inside(0.075 - edge, pixel)).mix(black, mark), inside(edge, pixel))
        } else {
            let rim = (0.80 - x.abs()).min(0.375 - y.abs());
            let row = ((y + 0.36) / 0.24).floor();
            let word = covered((y + 0.36) / 0.24 - row, pixel / 0.24, 0.3, 0.75)
                * covered(x, pixel, -0.65, 0.05 + 0.2 * row)
                * inside(
                    fractal(f64::from(spot.u) + f64::from(row) * 7.0, 0.0, pixel, 0.11, 1, 9) + 0.22,
                    0.2,
                );
            (blue.mix(white, word).mix(white, inside(0.03 - rim, pixel)), 1.0)
        };
        (colour.times(lit), opacity)
    });
}

/// Ink of a speed limit, tens and a zero, on a plate around (0, 0).
fn digits(tens: u8, x: f32, y: f32, pixel: f32) -> f32 {
    // Five rows of three dots, the top row first.
    let rows = |digit| match digit {
        3 => [0b111, 0b001, 0b011, 0b001, 0b111],
        5 => [0b111, 0b100, 0b111, 0b001, 0b111],
        7 => [0b111, 0b001, 0b010, 0b010, 0b010],
        8 => [0b111, 0b101, 0b111, 0b101, 0b111],
        _ => [0b111u8, 0b101, 0b101, 0b101, 0b111],
    };
    const DOT: (f32, f32) = (0.052, 0.062);
    let mut ink = 0.0;
    for (digit, left) in [(tens, -0.19), (0, 0.03)] {
        for (row, dots) in rows(digit).iter().enumerate() {
            for column in (0..3).filter(|column| dots >> (2 - column) & 1 == 1) {
                let (from, low) = (left + column as f32 * DOT.0, 0.155 - (row + 1) as f32 * DOT.1);
                ink += covered(x, pixel, from, from + DOT.0) * covered(y, pixel, low, low + DOT.1);
            }
        }
    }
    ink.min(1.0)
}

/// A white post with a dark band, as they mark the edge of a road.
pub fn delineator(canvas: &mut Canvas, foot: Vec3) {
    let lit = canvas.light.on(vec3(0.0, 0.0, -1.0));
    canvas.facet(&Facet::upright(foot, 0.14, 1.0), |spot| {
        let band = covered(spot.v, spot.dv, 0.68, 0.92);
        let eye = covered(spot.v, spot.dv, 0.73, 0.87) * covered(spot.u, spot.du, 0.045, 0.095);
        let colour = paint(226, 226, 222).mix(grey(0.02), band).times(lit).mix(vec3(1.2, 1.1, 0.9), eye);
        (colour, 1.0)
    });
}

/// A piece of guard rail between two places on the ground.
pub fn rail(canvas: &mut Canvas, from: Vec3, to: Vec3) {
    let light = canvas.light;
    post(canvas, from, 0.12, 0.72, paint(120, 122, 124));
    let low = UP * 0.42;
    canvas.facet(&Facet::spanned(from + low, to + low, from + UP * 0.75), |spot| {
        // Two waves of steel: upper flanks see the sky, lower ones the ground.
        let wave = (spot.v / 0.33 * 2.0 * std::f32::consts::TAU).sin() * smoothstep(0.16, 0.05, spot.dv);
        let side = if from.x < 0.0 { 0.6 } else { -0.6 };
        let lit = light.on(vec3(side, 0.25 + 0.65 * wave, -0.4).unit());
        let dirt = fractal(f64::from(spot.u), f64::from(spot.v) * 4.0, spot.footprint(), 1.2, 4, 12);
        (paint(178, 182, 184).times(lit) * (0.9 + 0.4 * dirt), 1.0)
    });
}

/// Tall grass along the road between two places on the ground.
pub fn grass(canvas: &mut Canvas, from: Vec3, to: Vec3, start: f64, seed: u32) {
    let light = canvas.light;
    const TALL: f32 = 0.55;
    let lit = light.on(vec3(-0.3, 0.7, -0.5).unit());
    canvas.facet(&Facet::spanned(from, to, from + UP * TALL), |spot| {
        let along = start + f64::from(spot.u);
        let clump = fractal(along, 0.0, spot.du, 1.7, 3, seed);
        let blades = speckle(along * 6.0, f64::from(spot.v) * 0.8, 3.0 * spot.du, 0.6, 3, seed ^ 1);
        let top = TALL * (0.45 + 0.55 * clump + 0.75 * blades);
        let opacity = inside(top - spot.v, spot.dv.max(0.05));
        let colour = paint(84, 106, 42)
            .mix(paint(158, 150, 88), (0.25 + 1.4 * clump + spot.v / TALL * 0.5).clamp(0.0, 1.0));
        let deep = 0.45 + 0.75 * (spot.v / TALL);
        (colour.times(lit) * (deep * (1.0 + 0.9 * blades)), opacity)
    });
}
