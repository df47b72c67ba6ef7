//! The camera's own car: the edge of its bonnet, with the sky in its paint.

use super::canvas::Canvas;
use super::texture::{inside, smoothstep};
use super::vector::{grey, paint};

/// From the lens to the bonnet, in metres.
const DISTANCE: f32 = 1.3;

/// Paints the bonnet over the lower edge of the picture.
pub fn bonnet(canvas: &mut Canvas) {
    let (camera, light) = (canvas.camera, canvas.light);
    let (width, height) = (camera.width as f32, camera.height as f32);
    for row in (height * 0.93) as usize..camera.height {
        for column in 0..camera.width {
            let x = 2.0 * (column as f32 + 0.5) / width - 1.0;
            // Highest a little to the right of the middle: the camera hangs beside the mirror.
            let edge = height * (0.948 + 0.055 * (x - 0.08).powi(2));
            let below = row as f32 + 0.5 - edge;
            let opacity = inside(below, 1.0);
            if opacity == 0.0 {
                continue;
            }
            // The paint mirrors what is ahead, squeezed: the nearer the edge, the flatter the angle.
            let share = (below / (0.052 * height)).clamp(0.0, 1.0);
            let above = (camera.horizon - (0.02 + 1.0 * share) * height * 0.45).clamp(0.0, height - 1.0);
            let mirrored = canvas.pixels[above as usize * camera.width + column].mix(light.zenith, 0.72);
            let flat = 0.30 - 0.16 * share;
            let crease = smoothstep(0.02, 0.0, (x.abs() - 0.42 - 0.06 * share).abs());
            let body = paint(38, 42, 50).times(light.ambient + light.sun * 0.25);
            let rubber = smoothstep(0.10, 0.02, share);
            let colour = (body + mirrored * (flat + 0.06 * crease)).mix(grey(0.012), 0.8 * rubber);
            let i = row * camera.width + column;
            canvas.pixels[i] = canvas.pixels[i].mix(colour, opacity);
            if opacity > 0.5 {
                canvas.depth[i] = DISTANCE;
            }
        }
    }
}
