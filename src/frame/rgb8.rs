//! Planar float RGB from and to interleaved 8-bit RGB.

use super::{Frame, Planes};
use crate::{Error, Result};
use image::RgbImage;
use ndarray::{Array3, ArrayView3};

/// Planes in 0..=1 from 8-bit RGB.
pub fn from_rgb8(rgb: &RgbImage) -> Planes {
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    let mut planes = Array3::zeros((3, height, width));
    deinterleave(rgb.as_raw(), &mut planes);
    planes
}

/// A frame's pixels as planes in 0..=1; their memory is used again where the size is the same.
pub fn to_planes(frame: &Frame, planes: &mut Planes) {
    let size = (3, frame.height as usize, frame.width as usize);
    if planes.dim() != size || !planes.is_standard_layout() {
        *planes = Array3::zeros(size);
    }
    deinterleave(&frame.rgb, planes);
}

/// A frame's pixels from planes `[3, H, W]` of its size: clamped to 0..=1, rounded to nearest.
///
/// # Errors
/// [`Error::Input`] where the sizes differ.
pub fn fill_frame(frame: &mut Frame, planes: ArrayView3<'_, f32>) -> Result<()> {
    let (channels, height, width) = planes.dim();
    if (channels, height, width) != (3, frame.height as usize, frame.width as usize) {
        return Err(Error::Input(format!(
            "a frame of {}x{} can't take a picture of {width}x{height}",
            frame.width, frame.height
        )));
    }
    let planes = planes.as_standard_layout();
    let Some(values) = planes.as_slice().filter(|values| !values.is_empty()) else { return Ok(()) };
    let (red, rest) = values.split_at(width * height);
    let (green, blue) = rest.split_at(width * height);
    // The conversion saturates, and takes NaN for 0.
    let byte = |value: f32| (value * 255.0 + 0.5) as u8;
    for (((pixel, r), g), b) in frame.rgb.chunks_exact_mut(3).zip(red).zip(green).zip(blue) {
        pixel.copy_from_slice(&[byte(*r), byte(*g), byte(*b)]);
    }
    Ok(())
}

fn deinterleave(rgb: &[u8], planes: &mut Planes) {
    let pixels = rgb.len() / 3;
    let Some(values) = planes.as_slice_mut().filter(|values| values.len() == 3 * pixels && pixels > 0) else {
        return;
    };
    let (red, rest) = values.split_at_mut(pixels);
    let (green, blue) = rest.split_at_mut(pixels);
    let value = |byte: u8| f32::from(byte) / 255.0;
    for (((pixel, r), g), b) in rgb.chunks_exact(3).zip(red).zip(green).zip(blue) {
        (*r, *g, *b) = (value(pixel[0]), value(pixel[1]), value(pixel[2]));
    }
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
    fn a_frame_survives_the_round_trip_and_only_takes_its_own_size() {
        let mut frame = Frame::black(7, 5);
        frame.rgb.iter_mut().zip(0u8..).for_each(|(byte, i)| *byte = i.wrapping_mul(37));
        let mut planes = Planes::default((3, 0, 0));
        to_planes(&frame, &mut planes);
        assert_eq!(planes[[1, 2, 3]], f32::from(frame.rgb[3 * (2 * 7 + 3) + 1]) / 255.0);
        let mut copy = Frame { rgb: vec![0; 105], ..frame.clone() };
        fill_frame(&mut copy, planes.view()).unwrap();
        assert_eq!(copy, frame);
        assert!(fill_frame(&mut Frame::black(5, 7), planes.view()).is_err());
        fill_frame(&mut copy, planes.mapv(|x| x * 9.0 - 1.0).view()).unwrap();
        assert!(copy.rgb.contains(&255) && copy.rgb.contains(&0));
    }

    #[test]
    fn eight_bit_pixels_survive_the_round_trip() {
        let rgb = RgbImage::from_fn(7, 5, |x, y| image::Rgb([(x * 36) as u8, (y * 51) as u8, (x * y) as u8]));
        assert_eq!(to_rgb8(from_rgb8(&rgb).view()), rgb);
    }
}
