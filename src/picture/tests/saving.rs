//! What a saved file keeps.

use super::files;
use crate::Error;
use crate::frame::Planes;
use crate::picture::{BitDepth, Format, Limits, Picture, SaveOptions};
use ndarray::{Array2, Array3};
use std::path::Path;

/// A picture of every value of its depth that a 19x13 one has room for, with alpha.
fn picture(depth: BitDepth) -> Picture {
    let most = if depth == BitDepth::Eight { 255 } else { 65535 };
    let value = |i: usize| ((i * 7919) % (most + 1)) as f32 / most as f32;
    let planes = Array3::from_shape_fn((3, 13, 19), |(c, y, x)| value(c * 1000 + y * 19 + x));
    let alpha = Array2::from_shape_fn((13, 19), |(y, x)| value(5000 + y * 19 + x));
    Picture { alpha: Some(alpha), depth, ..Picture::new(planes) }
}

fn saved(picture: &Picture, name: &str) -> Picture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    picture.save(&path, &SaveOptions::default()).unwrap();
    Picture::open(&path, &Limits::default()).unwrap()
}

#[test]
fn eight_bits_with_and_without_alpha_come_back_exactly() {
    for name in ["a.png", "a.webp", "a.tif", "a.tiff", "a.bmp", "A.PNG"] {
        let veiled = picture(BitDepth::Eight);
        assert_eq!(saved(&veiled, name), veiled, "{name}");
        let opaque = Picture { alpha: None, ..veiled };
        assert_eq!(saved(&opaque, name), opaque, "{name}");
    }
}

#[test]
fn sixteen_bits_with_and_without_alpha_come_back_exactly() {
    for name in ["a.png", "a.tif"] {
        let veiled = picture(BitDepth::Sixteen);
        assert_eq!(saved(&veiled, name), veiled, "{name}");
        let opaque = Picture { alpha: None, ..veiled };
        assert_eq!(saved(&opaque, name), opaque, "{name}");
    }
}

#[test]
fn sixteen_bits_are_rounded_to_eight_where_the_format_has_no_more() {
    let given = picture(BitDepth::Sixteen);
    for name in ["a.webp", "a.bmp"] {
        let got = saved(&given, name);
        assert_eq!(got.depth, BitDepth::Eight);
        let off = (&got.planes - &given.planes).iter().fold(0.0f32, |most, v| most.max(v.abs()));
        assert!(off <= 0.5001 / 255.0, "{name}: {off}");
    }
}

#[test]
fn profiles_and_exif_come_back_byte_for_byte() {
    let given = Picture {
        alpha: None,
        icc_profile: Some(files::icc(b"RGB ")),
        exif: Some(files::exif(1, true)),
        ..picture(BitDepth::Eight)
    };
    for name in ["a.png", "a.jpg", "a.webp"] {
        let got = saved(&given, name);
        assert_eq!((&got.icc_profile, &got.exif), (&given.icc_profile, &given.exif), "{name}");
    }
    assert_eq!(saved(&given, "a.tif").icc_profile, given.icc_profile);
    assert_eq!(saved(&given, "a.bmp").icc_profile, None);
}

#[test]
fn a_profile_of_many_jpeg_segments_comes_back_byte_for_byte() {
    let mut icc = files::icc(b"RGB ");
    icc.extend((0..200_000u32).map(|i| (i >> 3) as u8));
    for name in ["a.jpg", "a.png", "a.webp", "a.tif"] {
        let given = Picture { icc_profile: Some(icc.clone()), ..Picture::new(Planes::zeros((3, 2, 2))) };
        assert_eq!(saved(&given, name).icc_profile.as_ref(), Some(&icc), "{name}");
    }
}

#[test]
fn exif_too_large_for_jpeg_is_left_out_and_the_file_is_sound() {
    let mut exif = files::exif(1, false);
    exif.resize(0xFFFF - 8, 0);
    let fits = Picture { exif: Some(exif.clone()), ..Picture::new(Planes::zeros((3, 2, 2))) };
    assert_eq!(saved(&fits, "a.jpg").exif, fits.exif);
    exif.push(0);
    let over = Picture { exif: Some(exif), ..Picture::new(Planes::zeros((3, 2, 2))) };
    assert_eq!(saved(&over, "a.jpg").exif, None);
}

#[test]
fn jpeg_shows_transparent_pixels_over_white() {
    let given = Picture { alpha: Some(Array2::zeros((16, 16))), ..Picture::new(Planes::zeros((3, 16, 16))) };
    let got = saved(&given, "a.jpg");
    assert_eq!(got.alpha, None);
    assert!(got.planes.iter().all(|&v| v > 0.99));
    let opaque = Picture { alpha: Some(Array2::ones((16, 16))), ..given };
    assert!(saved(&opaque, "a.jpg").planes.iter().all(|&v| v < 0.01));
}

#[test]
fn jpeg_quality_trades_size_for_likeness() {
    let given = Picture { alpha: None, ..picture(BitDepth::Eight) };
    let folder = tempfile::tempdir().unwrap();
    let size = |jpeg_quality| {
        let path = folder.path().join("q.jpg");
        given.save(&path, &SaveOptions { jpeg_quality }).unwrap();
        std::fs::metadata(&path).unwrap().len()
    };
    assert!(size(20) < size(92) && size(92) < size(100));
    assert_eq!((size(0), size(255)), (size(1), size(100)));
}

#[test]
fn a_networks_nan_and_overshoot_are_stored_as_black_and_white() {
    let planes =
        Array3::from_shape_vec((3, 1, 2), vec![f32::NAN, 1.7, -0.3, 0.2, f32::INFINITY, f32::NEG_INFINITY]);
    let got = saved(&Picture::new(planes.unwrap()), "a.png");
    assert_eq!(got.planes.as_slice().unwrap(), [0.0, 1.0, 0.0, 0.2, 1.0, 0.0]);
}

#[test]
fn one_pixel_is_a_picture_in_every_format() {
    for extension in Format::EXTENSIONS {
        let got = saved(&Picture::new(Planes::from_elem((3, 1, 1), 0.6)), &format!("a.{extension}"));
        assert_eq!(got.planes.dim(), (3, 1, 1));
        assert!(got.planes.iter().all(|v| (v - 0.6).abs() < 0.01), "{extension}: {}", got.planes);
    }
}

#[test]
fn planes_in_another_memory_order_are_saved_the_right_way_round() {
    let given = Picture { alpha: None, ..picture(BitDepth::Eight) };
    let mut turned = given.clone();
    turned.planes = given
        .planes
        .clone()
        .permuted_axes([0, 2, 1])
        .as_standard_layout()
        .into_owned()
        .permuted_axes([0, 2, 1]);
    assert_eq!(saved(&turned, "a.png").planes, given.planes);
}

#[test]
fn a_failed_save_says_where_and_leaves_nothing_or_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let given = picture(BitDepth::Eight);
    let options = SaveOptions::default();
    let nowhere = given.save(&folder.path().join("missing/a.png"), &options).unwrap_err();
    assert!(matches!(nowhere, Error::Io { .. }) && nowhere.to_string().contains("missing"), "{nowhere}");
    // Found out only by the encoder, in the middle of a file.
    let wide = Picture::new(Planes::zeros((3, 1, 70_000)));
    for name in ["wide.jpg", "wide.webp"] {
        let path = folder.path().join(name);
        std::fs::write(&path, b"old").unwrap();
        let message = wide.save(&path, &options).unwrap_err().to_string();
        assert!(message.contains("70000x1") && !message.contains('\n'), "{message}");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn shapes_that_make_no_picture_are_refused_before_a_file_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let alpha = Some(Array2::zeros((2, 3)));
    for wrong in [
        Picture::new(Planes::zeros((3, 0, 4))),
        Picture::new(Planes::zeros((4, 2, 2))),
        Picture { alpha, ..Picture::new(Planes::zeros((3, 2, 2))) },
    ] {
        assert!(matches!(wrong.save(&path, &SaveOptions::default()), Err(Error::Picture { .. })));
    }
    assert!(picture(BitDepth::Eight).save(Path::new("a.xyz"), &SaveOptions::default()).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
