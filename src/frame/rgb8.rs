//! Planar float RGB from and to interleaved 8-bit RGB.

use super::Planes;
use image::RgbImage;
use ndarray::{Array3, ArrayView3};

/// Planes in 0..=1 from 8-bit RGB.
pub fn from_rgb8(rgb: &RgbImage) -> Planes {
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    let mut planes = Array3::zeros((3, height, width));
    let (Some(slots), true) = (planes.as_slice_mut(), width * height > 0) else { return planes };
    let (red, rest) = slots.split_at_mut(width * height);
    let (green, blue) = rest.split_at_mut(width * height);
    for (i, pixel) in rgb.pixels().enumerate() {
        let [r, g, b] = pixel.0;
        red[i] = f32::from(r) / 255.0;
        green[i] = f32::from(g) / 255.0;
        blue[i] = f32::from(b) / 255.0;
    }
    planes
}

/// 8-bit RGB from planes `[3, H, W]`: clamped to 0..=1, rounded to nearest.
pub fn to_rgb8(planes: ArrayView3<'_, f32>) -> RgbImage {
    let (_, height, width) = planes.dim();
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let at = |c: usize| (planes[[c, y as usize, x as usize]].clamp(0.0, 1.0) * 255.0).round() as u8;
        image::Rgb([at(0), at(1), at(2)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bit_pixels_survive_the_round_trip() {
        let rgb = RgbImage::from_fn(7, 5, |x, y| image::Rgb([(x * 36) as u8, (y * 51) as u8, (x * y) as u8]));
        assert_eq!(to_rgb8(from_rgb8(&rgb).view()), rgb);
    }
}
