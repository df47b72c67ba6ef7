//! A picture as CLIP's image tower sees it.

use crate::bundle::Preprocessing;
use crate::frame::{Planes, resize_bicubic};
use crate::{Error, Result};
use ndarray::{ArrayView3, Axis, s};

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

    let resized = resize_bicubic(image, new_height, new_width)?;
    let mut input = resized.slice_move(s![.., top..top + side, left..left + side]);
    for ((mut plane, mean), std) in input.axis_iter_mut(Axis(0)).zip(constants.mean).zip(constants.std) {
        plane.mapv_inplace(|value| (value - mean) / std);
    }
    Ok(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

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
