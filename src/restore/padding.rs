//! Reflection at the borders, to sizes that the network takes.

use crate::frame::Planes;
use ndarray::{Array3, ArrayView3};

/// The picture at top left of a `height`×`width` one, the rest reflected at its right and
/// bottom borders (without repeating the border), as often as it takes.
pub(super) fn reflect(image: ArrayView3<'_, f32>, height: usize, width: usize) -> Planes {
    let (channels, rows, columns) = image.dim();
    let row_of: Vec<usize> = (0..height).map(|y| reflected(y, rows)).collect();
    let column_of: Vec<usize> = (0..width).map(|x| reflected(x, columns)).collect();
    Array3::from_shape_fn((channels, height, width), |(c, y, x)| image[[c, row_of[y], column_of[x]]])
}

/// Index `i` of a line of `length` that goes on by reflection: 0 1 2 3 2 1 0 1 …
fn reflected(i: usize, length: usize) -> usize {
    if length <= 1 {
        return 0;
    }
    let period = 2 * (length - 1);
    let phase = i % period;
    phase.min(period - phase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_reflected_as_often_as_needed() {
        let line: Vec<usize> = (0..11).map(|i| reflected(i, 4)).collect();
        assert_eq!(line, [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2]);
        assert_eq!((0..4).map(|i| reflected(i, 1)).collect::<Vec<_>>(), [0; 4]);
    }

    #[test]
    fn the_picture_itself_stays_at_top_left() {
        let image = Array3::from_shape_fn((3, 5, 7), |(c, y, x)| (c * 100 + y * 10 + x) as f32);
        let padded = reflect(image.view(), 16, 16);
        assert_eq!(padded.slice(ndarray::s![.., ..5, ..7]), image);
        assert_eq!(padded[[2, 5, 7]], image[[2, 3, 5]]);
    }
}
