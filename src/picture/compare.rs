//! Versions of one picture next to each other, labelled.

use super::lettering::Lettering;
use crate::frame;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use ndarray::ArrayView3;

/// Share of the picture's height that a letter takes.
const LETTER_SHARE: u32 = 22;
const GAP_COLOUR: Rgb<u8> = Rgb([255; 3]);
const INK: Rgb<u8> = Rgb([255; 3]);
/// How much of the picture shows through the box behind a label, in 256ths.
const BOX_CLARITY: u16 = 80;

/// Labelled pictures in a row (before and after, and the clean target where there is one), with a
/// thin white gap between.
///
/// Each picture is `[3, H, W]`, RGB in 0..=1. All get the height of the first, at their own
/// proportions. A label stands in the upper left corner, white on a dark translucent box. No
/// picture, or an empty first one, gives an image without pixels.
///
/// ```
/// use ndarray::Array3;
/// use vlunet::picture::compare::side_by_side;
///
/// let (foggy, clear) = (Array3::from_elem((3, 60, 80), 0.7), Array3::from_elem((3, 60, 80), 0.4));
/// let both = side_by_side(&[("before", foggy.view()), ("after", clear.view())]);
/// assert_eq!(both.dimensions(), (80 + 2 + 80, 60));
/// ```
pub fn side_by_side(pictures: &[(&str, ArrayView3<'_, f32>)]) -> RgbImage {
    let height = pictures.first().map_or(0, |(_, view)| view.dim().1 as u32);
    let pictures: Vec<_> = pictures
        .iter()
        .map(|(label, view)| (label, of_height(frame::to_rgb8(view.view()), height)))
        .filter(|(_, picture)| picture.width() > 0)
        .collect();
    let gap = (height / 200).max(2);
    let gaps = gap * (pictures.len() as u32).saturating_sub(1);
    let width = pictures.iter().map(|(_, picture)| picture.width()).sum::<u32>() + gaps;
    let mut row = RgbImage::from_pixel(width, height, GAP_COLOUR);
    let mut left = 0;
    for (label, mut picture) in pictures {
        write_label(&mut picture, label);
        imageops::replace(&mut row, &picture, i64::from(left), 0);
        left += picture.width() + gap;
    }
    row
}

/// `picture` at this height and its own proportions.
fn of_height(picture: RgbImage, height: u32) -> RgbImage {
    if picture.height() == height || picture.width() == 0 || picture.height() == 0 {
        return picture;
    }
    let width = u64::from(picture.width()) * u64::from(height) / u64::from(picture.height());
    imageops::resize(&picture, (width as u32).max(1), height, FilterType::CatmullRom)
}

/// Writes `label` into the upper left corner, as large as the picture asks for and allows.
fn write_label(picture: &mut RgbImage, label: &str) {
    let (width, height) = picture.dimensions();
    let wanted = Lettering::of_height(height / LETTER_SHARE);
    let letters = wanted.shrunk_to(label, width.saturating_sub(3 * padding(wanted)));
    let padding = padding(letters);
    let margin = padding / 2;
    let text = letters.cut(label, width.saturating_sub(2 * padding + margin));
    // A picture too small for letters goes without.
    if text.is_empty() || letters.height() + 2 * margin > height {
        return;
    }
    let right = (margin + letters.width(&text) + 2 * padding).min(width);
    let bottom = (margin + letters.height() + padding).min(height);
    for y in margin..bottom {
        for x in margin..right {
            let pixel = picture.get_pixel_mut(x, y);
            pixel.0 = pixel.0.map(|v| (u16::from(v) * BOX_CLARITY / 256) as u8);
        }
    }
    letters.write(picture, &text, (margin + padding, margin + padding / 2), INK);
}

/// Space beside a label's letters, in pixels.
fn padding(letters: Lettering) -> u32 {
    (letters.height() / 3).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn pictures_of_other_sizes_get_the_first_ones_height() {
        let (first, half) = (Array3::from_elem((3, 100, 150), 0.2), Array3::from_elem((3, 50, 60), 0.8));
        let row = side_by_side(&[("a", first.view()), ("b", half.view()), ("c", first.view())]);
        assert_eq!(row.dimensions(), (150 + 2 + 120 + 2 + 150, 100));
        assert_eq!(row.get_pixel(75, 99).0, [51; 3]);
        assert_eq!(row.get_pixel(151, 99).0, [255; 3]);
        assert_eq!(row.get_pixel(152 + 60, 99).0, [204; 3]);
    }

    #[test]
    fn a_label_is_white_on_dark_whatever_lies_under_it() {
        for grey in [0.0, 0.5, 1.0] {
            let flat = Array3::from_elem((3, 300, 400), grey);
            let labelled = side_by_side(&[("after", flat.view())]);
            let corner = imageops::crop_imm(&labelled, 6, 6, 60, 12).to_image();
            let darkest = corner.pixels().map(|p| p.0[0]).min().unwrap();
            let ink = corner.pixels().filter(|p| p.0 == INK.0).count();
            assert!(darkest <= 80, "{grey}: {darkest}");
            assert!((40..400).contains(&ink), "{grey}: {ink}");
        }
    }

    #[test]
    fn pictures_too_small_for_a_label_go_without_and_nothing_fails() {
        for (height, width) in [(1, 1), (1, 500), (500, 1), (9, 9), (14, 20), (40, 12)] {
            let picture = Array3::from_elem((3, height, width), 0.5);
            let row = side_by_side(&[("a long label", picture.view()), ("", picture.view())]);
            assert_eq!(row.dimensions(), (2 * width as u32 + (height as u32 / 200).max(2), height as u32));
        }
        assert_eq!(side_by_side(&[]).dimensions(), (0, 0));
        let empty = Array3::zeros((3, 0, 0));
        let _ = side_by_side(&[("a", empty.view()), ("b", Array3::zeros((3, 4, 4)).view())]);
    }
}
