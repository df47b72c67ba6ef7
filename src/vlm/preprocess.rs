//! A picture as the image tower sees it.

use crate::bundle::{Crops, Preprocessing};
use crate::frame::{Planes, resize_bicubic};
use crate::{Error, Result};
use ndarray::{ArrayView3, Axis, s};

/// Pictures whose longer side is at most this many times the shorter have one square, whatever
/// the crops: two would show nearly the same.
const NEARLY_SQUARE: f32 = 1.15;

/// Resizes the shorter side to `side` (bicubic, a = −0.5, antialiased, as torchvision does),
/// crops squares, and normalises.
///
/// Takes `[3, H, W]` in 0..=1, gives one or two of `[3, side, side]`.
///
/// # Errors
/// [`Error::Input`] for an empty picture, or one so narrow that its longer side would exceed
/// 64 times the shorter.
pub fn preprocess(image: ArrayView3<'_, f32>, side: usize, constants: &Preprocessing) -> Result<Vec<Planes>> {
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
    let mut resized = resize_bicubic(image, new_height, new_width)?;
    for ((mut plane, mean), std) in resized.axis_iter_mut(Axis(0)).zip(constants.mean).zip(constants.std) {
        plane.mapv_inplace(|value| (value - mean) / std);
    }
    let (rest_y, rest_x) = (new_height - side, new_width - side);
    let oblong = height.max(width) as f32 > NEARLY_SQUARE * shorter as f32;
    let corners = match constants.crops {
        Crops::Ends if oblong => vec![(0, 0), (rest_y, rest_x)],
        _ => {
            let middle = |rest: usize| (rest as f64 / 2.0).round_ties_even() as usize;
            vec![(middle(rest_y), middle(rest_x))]
        }
    };
    let square = |(top, left)| resized.slice(s![.., top..top + side, left..left + side]).to_owned();
    Ok(corners.into_iter().map(square).collect())
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
            let input = preprocess(image.view(), 224, &constants).unwrap().remove(0);
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

    #[test]
    fn both_ends_of_a_long_picture_are_seen_and_a_square_one_is_seen_once() {
        let constants = Preprocessing { mean: [0.0; 3], std: [1.0; 3], crops: Crops::Ends };
        let slope = Array3::from_shape_fn((3, 64, 128), |(_, _, x)| x as f32 / 127.0);
        let views = preprocess(slope.view(), 32, &constants).unwrap();
        assert_eq!(views.len(), 2);
        assert!(views[0][[0, 9, 0]] < 0.02 && views[1][[0, 9, 31]] > 0.98);
        let turned = preprocess(slope.view().permuted_axes([0, 2, 1]), 32, &constants).unwrap();
        assert!(turned[0][[0, 0, 9]] < 0.02 && turned[1][[0, 31, 9]] > 0.98);
        assert_eq!(preprocess(Array3::zeros((3, 64, 70)).view(), 32, &constants).unwrap().len(), 1);
    }
}
