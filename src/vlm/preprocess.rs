//! A picture as CLIP's image tower sees it.

use crate::bundle::Preprocessing;
use crate::frame::Planes;
use crate::{Error, Result};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::F32;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use ndarray::{Array3, ArrayView3, Axis, s};

/// Resizes the shorter side to `side` (bicubic, a = −0.5, antialiased, as torchvision does),
/// crops the centre, and normalises.
///
/// Takes `[3, H, W]` in 0..=1, gives `[3, side, side]`.
///
/// # Errors
/// [`Error::Input`] for an empty picture, or one so narrow that its longer side would exceed
/// 64 times the shorter.
pub fn preprocess(image: ArrayView3<'_, f32>, side: usize, constants: &Preprocessing) -> Result<Planes> {
    let (_, height, width) = image.dim();
    let shorter = height.min(width);
    if shorter == 0 || height.max(width) / shorter > 64 {
        return Err(Error::Input(format!(
            "a picture of {width}x{height} is too narrow to detect anything in it"
        )));
    }
    // torchvision truncates the longer side, and centres with ties to even.
    let scaled = |length: usize| if length == shorter { side } else { side * length / shorter };
    let (new_height, new_width) = (scaled(height), scaled(width));
    let start = |length: usize| ((length - side) as f64 / 2.0).round_ties_even() as usize;
    let (top, left) = (start(new_height), start(new_width));

    let mut output = Array3::zeros((3, side, side));
    let mut resizer = Resizer::new();
    for channel in 0..3 {
        let plane = resize(&mut resizer, image.index_axis(Axis(0), channel), new_width, new_height)?;
        let pixels = plane.pixels();
        let (mean, std) = (constants.mean[channel], constants.std[channel]);
        output.slice_mut(s![channel, .., ..]).indexed_iter_mut().for_each(|((y, x), value)| {
            *value = (pixels[(top + y) * new_width + left + x].0 - mean) / std;
        });
    }
    Ok(output)
}

fn resize(
    resizer: &mut Resizer,
    plane: ndarray::ArrayView2<'_, f32>,
    width: usize,
    height: usize,
) -> Result<TypedImage<'static, F32>> {
    let fail = |e: &dyn std::fmt::Display| Error::Input(format!("resizing for detection: {e}"));
    let pixels: Vec<F32> = plane.iter().map(|&value| F32::new(value)).collect();
    let source =
        TypedImageRef::new(plane.ncols() as u32, plane.nrows() as u32, &pixels).map_err(|e| fail(&e))?;
    let mut target = TypedImage::new(width as u32, height as u32);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    resizer.resize_typed(&source, &mut target, Some(&options)).map_err(|e| fail(&e))?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_shape_gives_the_towers_input_and_a_flat_picture_stays_flat() {
        let constants = Preprocessing::clip();
        for (height, width) in [(1, 1), (224, 224), (225, 301), (640, 363), (40, 1000)] {
            let image = Array3::from_elem((3, height, width), 0.5);
            let input = preprocess(image.view(), 224, &constants).unwrap();
            assert_eq!(input.dim(), (3, 224, 224));
            for channel in 0..3 {
                let expected = (0.5 - constants.mean[channel]) / constants.std[channel];
                let plane = input.index_axis(Axis(0), channel);
                assert!(plane.iter().all(|x| (x - expected).abs() < 1e-5), "{height}x{width}");
            }
        }
        assert!(preprocess(Array3::zeros((3, 0, 5)).view(), 224, &constants).is_err());
        assert!(preprocess(Array3::zeros((3, 1, 500)).view(), 224, &constants).is_err());
    }
}
