//! Interleaved integer samples to float planes, and back.

use super::{BitDepth, Picture};
use crate::frame::Planes;
use image::{DynamicImage, ImageBuffer};
use ndarray::{Array2, Array3, ArrayView2, Axis};

/// The pixels of a decoded picture: planes `[3, H, W]` and, where it has any, alpha `[H, W]`,
/// both in 0..=1.
pub fn split(image: &DynamicImage) -> (Planes, Option<Array2<f32>>) {
    let size = (image.width() as usize, image.height() as usize);
    let from_8 = |v: u8| f32::from(v) / 255.0;
    let from_16 = |v: u16| f32::from(v) / 65535.0;
    match image {
        DynamicImage::ImageLuma8(b) => planes_of(b.as_raw(), 1, size, from_8),
        DynamicImage::ImageLumaA8(b) => planes_of(b.as_raw(), 2, size, from_8),
        DynamicImage::ImageRgb8(b) => planes_of(b.as_raw(), 3, size, from_8),
        DynamicImage::ImageRgba8(b) => planes_of(b.as_raw(), 4, size, from_8),
        DynamicImage::ImageLuma16(b) => planes_of(b.as_raw(), 1, size, from_16),
        DynamicImage::ImageLumaA16(b) => planes_of(b.as_raw(), 2, size, from_16),
        DynamicImage::ImageRgb16(b) => planes_of(b.as_raw(), 3, size, from_16),
        DynamicImage::ImageRgba16(b) => planes_of(b.as_raw(), 4, size, from_16),
        DynamicImage::ImageRgb32F(b) => planes_of(b.as_raw(), 3, size, unit),
        other => planes_of(other.to_rgba32f().as_raw(), 4, size, unit),
    }
}

/// The bit depth that a decoded picture stands for.
pub fn depth_of(image: &DynamicImage) -> BitDepth {
    match image {
        DynamicImage::ImageLuma8(_)
        | DynamicImage::ImageLumaA8(_)
        | DynamicImage::ImageRgb8(_)
        | DynamicImage::ImageRgba8(_) => BitDepth::Eight,
        _ => BitDepth::Sixteen,
    }
}

fn planes_of<T: Copy>(
    samples: &[T],
    channels: usize,
    (width, height): (usize, usize),
    value: impl Fn(T) -> f32,
) -> (Planes, Option<Array2<f32>>) {
    let (has_colour, has_alpha) = (channels >= 3, channels.is_multiple_of(2));
    let mut planes = Array3::zeros((3, height, width));
    for (c, mut plane) in planes.outer_iter_mut().enumerate() {
        let channel = if has_colour { c } else { 0 };
        plane
            .iter_mut()
            .zip(samples.chunks_exact(channels))
            .for_each(|(v, pixel)| *v = value(pixel[channel]));
    }
    let alpha = has_alpha.then(|| {
        let mut alpha = Array2::zeros((height, width));
        alpha
            .iter_mut()
            .zip(samples.chunks_exact(channels))
            .for_each(|(v, pixel)| *v = value(pixel[channels - 1]));
        alpha
    });
    (planes, alpha)
}

/// A value clamped to 0..=1, with NaN as 0: what a network or a float file gave, made storable.
pub fn unit(value: f32) -> f32 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }
}

/// The picture as interleaved samples of its depth (8 bits unless `sixteen`), with `alpha` if
/// any; clamped to 0..=1, NaN as 0, rounded to nearest. `None` where the shapes disagree.
pub fn join(picture: &Picture, alpha: Option<ArrayView2<'_, f32>>, sixteen: bool) -> Option<DynamicImage> {
    let (width, height) = (u32::try_from(picture.width()).ok()?, u32::try_from(picture.height()).ok()?);
    let to_8 = |v: f32| (unit(v) * 255.0).round() as u8;
    let to_16 = |v: f32| (unit(v) * 65535.0).round() as u16;
    let planes = &picture.planes;
    match (sixteen, alpha.is_some()) {
        (false, false) => ImageBuffer::from_raw(width, height, interleaved(planes, alpha, to_8))
            .map(DynamicImage::ImageRgb8),
        (false, true) => ImageBuffer::from_raw(width, height, interleaved(planes, alpha, to_8))
            .map(DynamicImage::ImageRgba8),
        (true, false) => ImageBuffer::from_raw(width, height, interleaved(planes, alpha, to_16))
            .map(DynamicImage::ImageRgb16),
        (true, true) => ImageBuffer::from_raw(width, height, interleaved(planes, alpha, to_16))
            .map(DynamicImage::ImageRgba16),
    }
}

fn interleaved<T: Copy + Default>(
    planes: &Planes,
    alpha: Option<ArrayView2<'_, f32>>,
    value: impl Fn(f32) -> T,
) -> Vec<T> {
    let channels = if alpha.is_some() { 4 } else { 3 };
    let mut samples = vec![T::default(); planes.dim().1 * planes.dim().2 * channels];
    let views = planes.axis_iter(Axis(0)).chain(alpha);
    for (channel, plane) in views.enumerate() {
        samples.chunks_exact_mut(channels).zip(plane).for_each(|(pixel, v)| pixel[channel] = value(*v));
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_outside_the_unit_range_are_clamped_and_nan_is_black() {
        let given = [f32::NAN, -1.0, f32::NEG_INFINITY, 0.5, 2.0, f32::INFINITY];
        assert_eq!(given.map(unit), [0.0, 0.0, 0.0, 0.5, 1.0, 1.0]);
    }

    #[test]
    fn samples_are_rounded_to_nearest() {
        let planes = Array3::from_shape_vec((3, 1, 1), vec![99.49 / 255.0, 99.51 / 255.0, f32::NAN]).unwrap();
        let image = join(&Picture::new(planes.clone()), None, false).unwrap();
        assert_eq!(image.to_rgb8().as_raw(), &[99, 100, 0]);
        let image = join(&Picture::new(planes.mapv(|v| v * 255.0 / 65535.0)), None, true).unwrap();
        assert_eq!(image.to_rgb16().as_raw(), &[99, 100, 0]);
    }

    #[test]
    fn grey_and_alpha_go_to_their_places() {
        let image = DynamicImage::ImageLumaA8(ImageBuffer::from_raw(2, 1, vec![255, 51, 0, 102]).unwrap());
        let (planes, alpha) = split(&image);
        assert_eq!(planes.into_raw_vec_and_offset().0, [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
        assert_eq!(alpha.unwrap().into_raw_vec_and_offset().0, [0.2, 0.4]);
    }
}
