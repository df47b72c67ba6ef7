//! The sky with its clouds, and the hills below it.

use super::canvas::Canvas;
use super::light::Daylight;
use super::texture::{fractal, inside, smoothstep};
use super::vector::{Colour, grey, paint, vec3};

/// Paints every row down to the horizon.
pub fn sky(canvas: &mut Canvas, time: f64, seed: u32) {
    let (camera, light) = (canvas.camera, canvas.light);
    let rows = ((camera.horizon + 2.0).max(0.0) as usize).min(camera.height);
    let heading = f64::from(camera.heading);
    for row in 0..rows {
        for column in 0..camera.width {
            let ray = camera.ray(column as f32 + 0.5, row as f32 + 0.5);
            let up = (ray.y / ray.length()).max(0.0);
            let clear = light.horizon.mix(light.zenith, 1.0 - (-3.6 * up).exp());
            // Clouds lie on a plane; a little lift keeps the horizon from infinity.
            let height = up + 0.07;
            let (x, y) = (
                (f64::from(ray.x) + heading) / f64::from(height) + 0.012 * time,
                1.0 / f64::from(height) + 0.004 * time,
            );
            let footprint = 1.0 / (height * height * camera.focal);
            let density = fractal(x, y, footprint, 2.6, 6, seed ^ 0x51);
            let towards_sun = fractal(x - 0.25, y - 0.2, footprint, 2.6, 3, seed ^ 0x51);
            canvas.pixels[row * camera.width + column] = match light.daylight {
                Daylight::Sunny => {
                    let cover = smoothstep(0.0, 0.34, density + 0.02);
                    let lit = (0.62 + 1.1 * (density - towards_sun) - 0.25 * cover).clamp(0.25, 1.0);
                    let cloud = vec3(0.62, 0.68, 0.78).mix(vec3(1.45, 1.40, 1.32), lit);
                    let low = smoothstep(0.0, 0.10, up);
                    clear.mix(
                        cloud.mix(light.horizon * 1.15, 0.6 * (1.0 - low)),
                        0.92 * cover * (0.35 + 0.65 * low),
                    )
                }
                Daylight::Overcast => clear * (1.05 + 0.55 * density * smoothstep(0.0, 0.25, up)),
            };
        }
    }
}

/// A chain of hills: distance and height in metres, length of its waves, and its colour.
struct Hills {
    distance: f32,
    height: f32,
    wavelength: f32,
    octaves: u32,
    colour: Colour,
}

const CHAINS: [Hills; 4] = [
    Hills { distance: 5200.0, height: 430.0, wavelength: 2600.0, octaves: 6, colour: paint(70, 88, 92) },
    Hills { distance: 2300.0, height: 150.0, wavelength: 1100.0, octaves: 6, colour: paint(70, 90, 62) },
    Hills { distance: 1000.0, height: 42.0, wavelength: 420.0, octaves: 7, colour: paint(66, 88, 44) },
    Hills { distance: 480.0, height: 12.0, wavelength: 90.0, octaves: 6, colour: paint(58, 80, 38) },
];

/// Paints the hills down to the horizon, the far ones first.
pub fn hills(canvas: &mut Canvas, seed: u32) {
    let (camera, light) = (canvas.camera, canvas.light);
    for (number, chain) in CHAINS.iter().enumerate() {
        let seed = seed.wrapping_add(97 * number as u32 + 11);
        let metre = chain.distance / camera.focal;
        for column in 0..camera.width {
            let ray = camera.ray(column as f32 + 0.5, camera.horizon);
            let across = f64::from((ray.x + camera.heading) * chain.distance + camera.sideways);
            let ridge = 0.55 + fractal(across, 0.5, metre, chain.wavelength, chain.octaves, seed);
            let top = camera.horizon - (chain.height * ridge).max(0.5) / metre;
            let bottom = ((camera.horizon + 2.0) as usize).min(camera.height);
            for row in (top - 1.0).max(0.0) as usize..bottom {
                let opacity = inside(row as f32 + 0.5 - top, 1.0);
                let up = (camera.horizon - row as f32 - 0.5) * metre;
                // Woods: crowns that catch the light on top, and lighter meadows between.
                let crowns = fractal(across, f64::from(2.0 * up), metre, chain.wavelength / 8.0, 6, seed ^ 5);
                let meadow = fractal(across, f64::from(5.0 * up), metre, chain.wavelength * 0.5, 3, seed ^ 9);
                let colour = chain.colour.mix(paint(140, 148, 84), smoothstep(0.08, 0.25, meadow) * 0.7);
                let lit = light.on(vec3(-0.2, 0.8, -0.55)) * (0.72 + 0.75 * crowns);
                let seen = light.through_air(colour.times(lit), chain.distance);
                let i = row * camera.width + column;
                canvas.pixels[i] = canvas.pixels[i].mix(seen, opacity);
                if opacity > 0.5 {
                    canvas.depth[i] = chain.distance * ray.length();
                }
            }
        }
    }
    // Mist at the foot of the hills joins them with the plain.
    for row in (camera.horizon - 0.02 * camera.focal).max(0.0) as usize
        ..((camera.horizon + 1.0) as usize).min(camera.height)
    {
        let strength = 0.18 * (1.0 - (camera.horizon - row as f32) / (0.02 * camera.focal)).clamp(0.0, 1.0);
        for pixel in &mut canvas.pixels[row * camera.width..(row + 1) * camera.width] {
            *pixel = pixel.mix(light.horizon.times(grey(0.9)), strength);
        }
    }
}
