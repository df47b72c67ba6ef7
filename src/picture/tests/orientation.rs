//! EXIF and TIFF orientations are applied once.

use super::{decode, files};
use crate::frame;
use crate::picture::{Picture, SaveOptions};
use image::{DynamicImage, ImageFormat, RgbImage};

const STORED: (u32, u32) = (48, 32);

/// What a viewer shows of `stored`, from the definition of the eight values in the EXIF standard.
fn upright(stored: &RgbImage, orientation: u16) -> RgbImage {
    let (w, h) = stored.dimensions();
    let (width, height) = if orientation >= 5 { (h, w) } else { (w, h) };
    RgbImage::from_fn(width, height, |x, y| {
        let (column, row) = match orientation {
            1 => (x, y),
            2 => (w - 1 - x, y),
            3 => (w - 1 - x, h - 1 - y),
            4 => (x, h - 1 - y),
            5 => (y, x),
            6 => (y, h - 1 - x),
            7 => (w - 1 - y, h - 1 - x),
            8 => (w - 1 - y, x),
            other => panic!("{other} is no orientation"),
        };
        *stored.get_pixel(column, row)
    })
}

fn assert_shows(picture: &Picture, expected: &RgbImage, tolerance: u8, case: &str) {
    let shown = frame::to_rgb8(picture.planes.view());
    assert_eq!(shown.dimensions(), expected.dimensions(), "{case}");
    let off = shown.iter().zip(expected.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(off <= tolerance, "{case}: off by {off}");
}

#[test]
fn every_exif_orientation_is_applied_in_every_format_and_byte_order() {
    let stored = files::gradient(STORED.0, STORED.1);
    let image = DynamicImage::ImageRgb8(stored.clone());
    for (format, tolerance) in [(ImageFormat::Png, 0), (ImageFormat::WebP, 0), (ImageFormat::Jpeg, 12)] {
        for orientation in 1..=8 {
            for big_endian in [false, true] {
                let case = format!("{format:?} {orientation} {big_endian}");
                let exif = files::exif(orientation, big_endian);
                let picture = decode(&files::described(&image, format, &[], &exif)).unwrap();
                assert_shows(&picture, &upright(&stored, orientation), tolerance, &case);
                assert_eq!(picture.exif, Some(files::exif(1, big_endian)), "{case}");
            }
        }
    }
}

#[test]
fn a_saved_picture_is_not_turned_again() {
    let stored = files::gradient(STORED.0, STORED.1);
    let image = DynamicImage::ImageRgb8(stored.clone());
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.png", "a.jpg", "a.webp", "a.tif", "a.bmp"] {
        let exif = files::exif(6, true);
        let picture = decode(&files::described(&image, ImageFormat::Png, &[], &exif)).unwrap();
        let path = folder.path().join(name);
        picture.save(&path, &SaveOptions::default()).unwrap();
        let again = Picture::open(&path, &Default::default()).unwrap();
        assert_shows(&again, &upright(&stored, 6), if name == "a.jpg" { 12 } else { 0 }, name);
    }
}

#[test]
fn jpegs_exif_prefix_in_a_webp_does_not_hide_the_orientation() {
    let stored = files::gradient(STORED.0, STORED.1);
    let exif = [b"Exif\0\0".to_vec(), files::exif(8, true)].concat();
    let bytes = files::described(&DynamicImage::ImageRgb8(stored.clone()), ImageFormat::WebP, &[], &exif);
    let picture = decode(&bytes).unwrap();
    assert_shows(&picture, &upright(&stored, 8), 0, "prefixed");
    assert_eq!(picture.exif, Some(files::exif(1, true)));
}

#[test]
fn a_tiff_orientation_tag_is_applied() {
    let stored = files::gradient(5, 3);
    for orientation in 1..=8 {
        let bytes = files::tiff((5, 3), 8, 3, &[(274, orientation)], stored.as_raw());
        let case = format!("TIFF {orientation}");
        assert_shows(&decode(&bytes).unwrap(), &upright(&stored, orientation), 0, &case);
    }
}

#[test]
fn an_orientation_that_does_not_exist_is_passed_over() {
    let stored = files::gradient(STORED.0, STORED.1);
    let image = DynamicImage::ImageRgb8(stored.clone());
    for orientation in [0, 9, 6 << 8] {
        let exif = files::exif(orientation, false);
        let picture = decode(&files::described(&image, ImageFormat::Png, &[], &exif)).unwrap();
        assert_shows(&picture, &stored, 0, "invalid");
        assert_eq!(picture.exif, Some(exif));
    }
}
