//! Resizing with the filter that the networks were trained with.

use super::Planes;
use crate::{Error, Result};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::F32;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use ndarray::{Array3, ArrayView3, Axis};

/// Resizes a picture `[C, H, W]` bicubically (a = −0.5), with antialiasing where it shrinks, as
/// torchvision and Pillow do.
///
/// # Errors
/// [`Error::Input`] where a side is 0 or beyond what 32 bits count.
pub fn resize_bicubic(image: ArrayView3<'_, f32>, height: usize, width: usize) -> Result<Planes> {
    let fail = |e: &dyn std::fmt::Display| Error::Input(format!("resizing to {width}x{height}: {e}"));
    let side = |length: usize| u32::try_from(length).map_err(|e| fail(&e));
    let (channels, old_height, old_width) = image.dim();
    let (from, to) = ((side(old_width)?, side(old_height)?), (side(width)?, side(height)?));
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    let mut resizer = Resizer::new();
    let mut output = Array3::zeros((channels, height, width));
    for (source, mut target) in image.axis_iter(Axis(0)).zip(output.axis_iter_mut(Axis(0))) {
        let pixels: Vec<F32> = source.iter().map(|&value| F32::new(value)).collect();
        let source = TypedImageRef::new(from.0, from.1, &pixels).map_err(|e| fail(&e))?;
        let mut resized = TypedImage::<F32>::new(to.0, to.1);
        resizer.resize_typed(&source, &mut resized, Some(&options)).map_err(|e| fail(&e))?;
        target.iter_mut().zip(resized.pixels()).for_each(|(value, pixel)| *value = pixel.0);
    }
    Ok(output)
}
