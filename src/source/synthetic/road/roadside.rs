//! What stands where: the things along the road, each decided by its place and the seed alone.

use super::camera::{Camera, LANE, SPEED};
use super::canvas::Canvas;
use super::car::{Car, End};
use super::furniture;
use super::ground::ASPHALT_EDGE;
use super::house::{House, garden_wall};
use super::texture::Dice;
use super::tree::Tree;

/// How far things are drawn, in metres.
const FARTHEST: f32 = 330.0;
/// How far behind the camera things are still drawn, in metres.
const BEHIND: f64 = 14.0;

/// Length of road that has one character: woods, village or open land.
const STRETCH: f64 = 120.0;

#[derive(Clone, Copy, PartialEq)]
enum Land {
    Woods,
    Village,
    Open,
}

enum Thing {
    Tree(Tree),
    House(House),
    Wall,
    Mast,
    Lamp,
    Sign(Dice),
    Delineator,
    Rail,
    Grass,
    Car(Car),
}

/// A thing `across` metres right of the centre line and `ahead` metres from the camera.
struct Placed {
    across: f32,
    ahead: f32,
    thing: Thing,
}

/// Length of a piece of rail, wall or grass, and distance between masts and lamps.
const PIECE: f64 = 4.0;
const MAST_EVERY: f64 = 38.0;
const LAMP_EVERY: f64 = 32.0;

/// Paints all shadows, then all things from far to near.
pub fn roadside(canvas: &mut Canvas, time: f64, seed: u32) {
    let camera = canvas.camera;
    let mut things = Vec::new();
    for side in [-1.0, 1.0] {
        line(&mut things, camera, side, seed);
        stand(&mut things, camera, side, seed);
    }
    traffic(&mut things, camera, time, seed);
    things.sort_by(|a, b| b.ahead.total_cmp(&a.ahead));
    for placed in &things {
        shadow(canvas, placed);
    }
    for placed in &mut things {
        draw(canvas, placed, seed);
    }
}

fn land(along: f64, side: f32, seed: u32) -> Land {
    let stretch = (along / STRETCH).floor() as i32;
    // The drive begins with something to see on either side.
    if stretch == 0 {
        return if side < 0.0 { Land::Woods } else { Land::Village };
    }
    Dice::new(seed, 40 + (side > 0.0) as u32, stretch).pick(&[
        Land::Woods,
        Land::Woods,
        Land::Village,
        Land::Open,
    ])
}

/// The numbers of all cells of this length that are in view, and how far ahead they begin.
/// What is long, or throws a long shadow, is seen even where it begins behind the camera.
fn cells(camera: &Camera, length: f64, farthest: f32) -> impl Iterator<Item = (i32, f32)> + use<> {
    let way = camera.way;
    let first = ((way - BEHIND.max(length)) / length).ceil() as i32;
    let last = ((way + f64::from(farthest)) / length).floor() as i32;
    (first..=last).map(move |cell| (cell, (f64::from(cell) * length - way) as f32))
}

/// What follows the road in a line: rails or walls, grass, masts or lamps, delineators, signs.
fn line(things: &mut Vec<Placed>, camera: &Camera, side: f32, seed: u32) {
    let mut put =
        |across: f32, ahead: f32, thing| things.push(Placed { across: side * across, ahead, thing });
    for (cell, ahead) in cells(camera, PIECE, 150.0) {
        let land = land(f64::from(cell) * PIECE, side, seed);
        // Rails and walls come and go in runs, not piece by piece.
        let mut run = Dice::new(seed, 50 + (side > 0.0) as u32, cell.div_euclid(14));
        match land {
            Land::Woods | Land::Open if run.chance(0.35) => put(ASPHALT_EDGE + 0.75, ahead, Thing::Rail),
            Land::Village if run.chance(0.6) => put(ASPHALT_EDGE + 3.4, ahead, Thing::Wall),
            _ => {}
        }
        if ahead < 60.0 && land != Land::Village {
            put(ASPHALT_EDGE + 1.1, ahead, Thing::Grass);
            put(ASPHALT_EDGE + 3.0, ahead, Thing::Grass);
        }
    }
    if side > 0.0 {
        for (_, ahead) in cells(camera, MAST_EVERY, 260.0) {
            put(9.6, ahead, Thing::Mast);
        }
    }
    for (cell, ahead) in cells(camera, LAMP_EVERY, 200.0) {
        if land(f64::from(cell) * LAMP_EVERY, side, seed) == Land::Village && (cell % 2 == 0) == (side < 0.0)
        {
            put(ASPHALT_EDGE + 1.2, ahead, Thing::Lamp);
        } else if cell % 2 == 0 {
            put(ASPHALT_EDGE + 0.6, ahead, Thing::Delineator);
        }
    }
    for (cell, ahead) in cells(camera, 58.0, 200.0) {
        let mut dice = Dice::new(seed, 60 + (side > 0.0) as u32, cell);
        if side > 0.0 && dice.chance(0.75) {
            put(ASPHALT_EDGE + 1.5, ahead, Thing::Sign(dice));
        }
    }
}

/// What stands for itself: trees, bushes and houses.
fn stand(things: &mut Vec<Placed>, camera: &Camera, side: f32, seed: u32) {
    let mut put =
        |across: f32, ahead: f32, thing| things.push(Placed { across: side * across, ahead, thing });
    for (row, every) in [(0u32, 6.5), (1, 8.0), (2, 13.0)] {
        for (cell, start) in cells(camera, every, FARTHEST) {
            let mut dice = Dice::new(seed, 10 + 2 * row + (side > 0.0) as u32, cell);
            let ahead = start + dice.range(0.0, 2.5);
            let (share, near, far) = match (land(f64::from(cell) * every, side, seed), row) {
                (Land::Woods, 0) => (0.75, 8.0, 10.5),
                (Land::Woods, _) => (0.95, 12.0, 30.0),
                (Land::Village, 0) => (0.22, 8.2, 8.8),
                (Land::Village, _) => (0.5, 22.0, 38.0),
                (Land::Open, 2) => (0.5, 14.0, 90.0),
                (Land::Open, _) => (0.06, 9.0, 12.0),
            };
            if !dice.chance(share) {
                continue;
            }
            let across = dice.range(near, far);
            let small = across < 9.0;
            let thing = match dice.unit() {
                kind if kind < 0.22 || small => Tree::bush(&mut dice),
                kind if kind < 0.46 => Tree::conifer(&mut dice),
                _ => Tree::broadleaf(&mut dice),
            };
            put(across, ahead, Thing::Tree(thing));
        }
    }
    for (cell, ahead) in cells(camera, 18.0, FARTHEST) {
        let mut dice = Dice::new(seed, 30 + (side > 0.0) as u32, cell);
        if land(f64::from(cell) * 18.0, side, seed) == Land::Village && dice.chance(0.85) {
            put(dice.range(10.0, 13.5), ahead, Thing::House(House::new(&mut dice)));
        }
    }
}

/// The car ahead, and those that come towards us.
fn traffic(things: &mut Vec<Placed>, camera: &Camera, time: f64, seed: u32) {
    let mut dice = Dice::new(seed, 70, 0);
    let ahead = 17.0 + dice.range(0.0, 4.0) + 2.5 * (0.31 * time).sin() as f32;
    let across = LANE + 0.12 * (0.7 * time).sin() as f32;
    things.push(Placed { across, ahead, thing: Thing::Car(Car::new(&mut dice, End::Rear)) });

    // Seen from their own road the oncoming cars stand still, one per cell, and we pass them at
    // twice our speed.
    const EVERY: f64 = 74.0;
    let met = camera.way + SPEED * time + 20.0;
    for cell in ((met - 40.0) / EVERY).ceil() as i32..=((met + 230.0) / EVERY).floor() as i32 {
        let mut dice = Dice::new(seed, 71, cell);
        let ahead = (f64::from(cell) * EVERY + f64::from(dice.range(0.0, 30.0)) - met) as f32;
        if ahead > -5.0 && dice.chance(0.8) {
            things.push(Placed { across: -LANE, ahead, thing: Thing::Car(Car::new(&mut dice, End::Front)) });
        }
    }
}

fn shadow(canvas: &mut Canvas, placed: &Placed) {
    let foot = canvas.camera.place(placed.across, 0.0, placed.ahead);
    match &placed.thing {
        Thing::Tree(tree) if placed.ahead < 160.0 => tree.shadow(canvas, foot),
        Thing::House(house) if placed.ahead < 160.0 => house.shadow(canvas, placed.across, placed.ahead),
        Thing::Car(car) => car.shadow(canvas, foot),
        _ => {}
    }
}

fn draw(canvas: &mut Canvas, placed: &mut Placed, seed: u32) {
    let (camera, across, ahead) = (canvas.camera, placed.across, placed.ahead);
    let at = |further: f64| camera.place(across, 0.0, ahead + further as f32);
    let foot = at(0.0);
    match &mut placed.thing {
        Thing::Tree(tree) => tree.draw(canvas, foot),
        Thing::House(house) => house.draw(canvas, across, ahead),
        Thing::Wall => garden_wall(canvas, foot, at(PIECE), seed),
        Thing::Mast => furniture::mast(canvas, foot, at(MAST_EVERY)),
        Thing::Lamp => furniture::lamp(canvas, foot, -across.signum()),
        Thing::Sign(dice) => furniture::sign(canvas, foot, dice),
        Thing::Delineator => furniture::delineator(canvas, foot),
        Thing::Rail => furniture::rail(canvas, foot, at(PIECE)),
        Thing::Grass => furniture::grass(canvas, foot, at(PIECE), camera.way + f64::from(ahead), seed),
        Thing::Car(car) => car.draw(canvas, foot),
    }
}
