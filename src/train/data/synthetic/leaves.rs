//! Heaps of dead leaves: shapes of all sizes, each over those before, as things in the world
//! hide each other. Lee, Mumford and Huang 2001 show that such pictures have the statistics of
//! photos: edges, flat areas, and no size that stands out.

use crate::frame::Planes;
use ndarray::Array3;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::f32::consts::TAU;

/// Points across a pixel, so that edges are as soft as a lens makes them.
const FINE: usize = 2;

/// Smallest and largest radius of a leaf, in pixels.
const RADII: [f32; 2] = [2.0, 110.0];

/// How often the leaves would cover the picture if they lay side by side.
const LAYERS: f32 = 6.0;

/// Once this many leaves have fallen, the picture is good enough.
const MOST_LEAVES: usize = 6000;

/// A heap of leaves in colours of the palette, `[3, height, width]`, sRGB in 0..=1.
pub(super) fn heap(width: usize, height: usize, palette: &Planes, rng: &mut ChaCha8Rng) -> Planes {
    let (wide, tall) = (width * FINE, height * FINE);
    let mut fine = Array3::<f32>::zeros((3, tall, wide));
    let ground = colour(palette, rng);
    for (mut plane, value) in fine.outer_iter_mut().zip(ground) {
        plane.fill(value);
    }
    let mut area = LAYERS * (wide * tall) as f32;
    for _ in 0..MOST_LEAVES {
        if area <= 0.0 {
            break;
        }
        let leaf = Leaf::draw(wide as f32, tall as f32, palette, rng);
        leaf.lay(&mut fine);
        area -= leaf.radius * leaf.radius * 3.0 * leaf.narrow;
    }
    Array3::from_shape_fn((3, height, width), |(channel, y, x)| {
        let points = (0..FINE * FINE)
            .map(|at| fine[[channel, y * FINE + at / FINE, x * FINE + at % FINE]])
            .sum::<f32>();
        (points / (FINE * FINE) as f32).clamp(0.0, 1.0)
    })
}

struct Leaf {
    x: f32,
    y: f32,
    radius: f32,
    /// Width by length.
    narrow: f32,
    cos: f32,
    sin: f32,
    angular: bool,
    colour: [f32; 3],
    /// Lighter towards one side.
    slope: f32,
    /// Waves across the leaf: how high, how long in pixels, and where they begin.
    grain: [f32; 3],
}

impl Leaf {
    fn draw(wide: f32, tall: f32, palette: &Planes, rng: &mut ChaCha8Rng) -> Self {
        // Numbers of leaves fall with the cube of their radius, which makes all scales alike.
        let [least, most] = RADII.map(|radius| (radius * FINE as f32).powi(-2));
        let radius = (most + (least - most) * rng.random::<f32>()).powf(-0.5);
        let (sin, cos) = (TAU * rng.random::<f32>()).sin_cos();
        let rough = rng.random::<f32>() < 0.5;
        Self {
            x: rng.random_range(0.0..wide),
            y: rng.random_range(0.0..tall),
            radius,
            narrow: rng.random_range(0.25..=1.0),
            cos,
            sin,
            angular: rng.random::<f32>() < 0.4,
            colour: colour(palette, rng),
            slope: rng.random_range(-0.15..=0.15),
            grain: [
                if rough { rng.random_range(0.01..=0.08) } else { 0.0 },
                rng.random_range(1.0..=8.0_f32) * FINE as f32,
                TAU * rng.random::<f32>(),
            ],
        }
    }

    fn lay(&self, canvas: &mut Planes) {
        let (_, tall, wide) = canvas.dim();
        // A square reaches further at its corners.
        let reach = self.radius * std::f32::consts::SQRT_2;
        let range = |centre: f32, end: usize| {
            ((centre - reach).max(0.0) as usize)..(((centre + reach).max(0.0) as usize + 1).min(end))
        };
        let [height, length, begin] = self.grain;
        for y in range(self.y, tall) {
            for x in range(self.x, wide) {
                let (dx, dy) = (x as f32 - self.x, y as f32 - self.y);
                let (along, across) = (dx * self.cos + dy * self.sin, dy * self.cos - dx * self.sin);
                let (u, v) = (along / self.radius, across / (self.radius * self.narrow));
                let inside = if self.angular { u.abs().max(v.abs()) < 1.0 } else { u * u + v * v < 1.0 };
                if inside {
                    let light = 1.0 + self.slope * u + height * (TAU * across / length + begin).sin();
                    for (channel, value) in self.colour.into_iter().enumerate() {
                        canvas[[channel, y, x]] = value * light;
                    }
                }
            }
        }
    }
}

/// A colour of the palette, a little lighter or darker.
fn colour(palette: &Planes, rng: &mut ChaCha8Rng) -> [f32; 3] {
    let (_, height, width) = palette.dim();
    let (y, x) = (rng.random_range(0..height), rng.random_range(0..width));
    let light = rng.random_range(0.7..=1.3);
    [0, 1, 2].map(|channel| palette[[channel, y, x]] * light)
}
