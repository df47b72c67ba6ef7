//! What is opened, as what; and what is refused, with which words.

use super::{decode, files, refusal};
use crate::Error;
use crate::picture::{BitDepth, Limits, Picture};
use image::{DynamicImage, ImageBuffer, ImageFormat};
use std::path::Path;
use std::time::{Duration, Instant};

fn pixel(picture: &Picture, x: usize, y: usize) -> [f32; 3] {
    [0, 1, 2].map(|c| picture.planes[[c, y, x]])
}

#[test]
fn the_content_counts_and_not_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let image = DynamicImage::ImageRgb8(files::gradient(9, 7));
    for format in
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Tiff, ImageFormat::Bmp]
    {
        let path = folder.path().join("picture.txt");
        std::fs::write(&path, files::encoded(&image, format)).unwrap();
        let picture = Picture::open(&path, &Limits::default()).unwrap();
        assert_eq!((picture.width(), picture.height()), (9, 7), "{format:?}");
    }
}

#[test]
fn grey_files_give_three_equal_planes_at_their_depth() {
    let eight = DynamicImage::ImageLumaA8(ImageBuffer::from_raw(2, 1, vec![51, 255, 102, 0]).unwrap());
    let picture = decode(&files::encoded(&eight, ImageFormat::Png)).unwrap();
    assert_eq!((pixel(&picture, 1, 0), picture.depth), ([0.4; 3], BitDepth::Eight));
    assert_eq!(picture.alpha.unwrap().as_slice().unwrap(), [1.0, 0.0]);
    let sixteen = DynamicImage::ImageLuma16(ImageBuffer::from_raw(2, 1, vec![1, 13107]).unwrap());
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let picture = decode(&files::encoded(&sixteen, format)).unwrap();
        assert_eq!((pixel(&picture, 1, 0), picture.depth), ([0.2; 3], BitDepth::Sixteen));
        assert_eq!(pixel(&picture, 0, 0), [1.0 / 65535.0; 3]);
        assert_eq!(picture.alpha, None);
    }
}

#[test]
fn a_palette_becomes_its_colours_and_their_alpha() {
    let picture = decode(&files::palette_png()).unwrap();
    assert_eq!(pixel(&picture, 2, 0), [0.0, 0.0, 1.0]);
    assert_eq!(pixel(&picture, 1, 1), [0.0, 1.0, 0.0]);
    assert_eq!(picture.alpha.unwrap()[[0, 2]], 128.0 / 255.0);
    assert_eq!(picture.depth, BitDepth::Eight);
}

#[test]
fn two_levels_of_grey_are_black_and_white() {
    let rows = [0, 0b0101_0000, 0, 0b1010_0000];
    let picture = decode(&files::png(files::png_header(4, 2, 1, 0), &[], &rows)).unwrap();
    assert_eq!(
        [pixel(&picture, 0, 0), pixel(&picture, 1, 0), pixel(&picture, 0, 1)],
        [[0.0; 3], [1.0; 3], [1.0; 3]]
    );
}

#[test]
fn float_samples_are_clamped_and_nan_is_black() {
    let samples: Vec<u8> = [0.25f32, 7.5, f32::NAN].into_iter().flat_map(f32::to_le_bytes).collect();
    let picture = decode(&files::tiff((1, 1), 32, 3, &[(339, 3)], &samples)).unwrap();
    assert_eq!((pixel(&picture, 0, 0), picture.depth), ([0.25, 1.0, 0.0], BitDepth::Sixteen));
}

#[test]
fn a_cmyk_jpeg_becomes_rgb_and_loses_its_cmyk_profile() {
    let picture = decode(&files::flat_jpeg(4, &files::icc(b"CMYK"))).unwrap();
    assert_eq!((picture.width(), picture.height()), (8, 8));
    assert_eq!(picture.icc_profile, None);
}

#[test]
fn a_grey_jpeg_loses_its_grey_profile_and_an_rgb_one_keeps_its_own() {
    let grey = decode(&files::flat_jpeg(1, &files::icc(b"GRAY"))).unwrap();
    assert_eq!(grey.icc_profile, None);
    assert_eq!(pixel(&grey, 3, 3), [128.0 / 255.0; 3]);
    let rgb = decode(&files::flat_jpeg(3, &files::icc(b"RGB "))).unwrap();
    assert_eq!(rgb.icc_profile, Some(files::icc(b"RGB ")));
}

#[test]
fn a_damaged_profile_is_left_out() {
    let mut damaged = files::icc(b"RGB ");
    damaged[36] = 0;
    for icc in [damaged, b"short".to_vec()] {
        assert_eq!(decode(&files::flat_jpeg(3, &icc)).unwrap().icc_profile, None);
    }
}

#[test]
fn a_png_header_of_ten_gigapixels_is_refused_at_once() {
    let start = Instant::now();
    let rows = [0; 64];
    let message = refusal(&files::png(files::png_header(100_000, 100_000, 16, 6), &[], &rows));
    assert!(message.contains("100000x100000") && message.contains("limit"), "{message}");
    let widest = refusal(&files::png(files::png_header(0x7FFF_FFFF, 0x7FFF_FFFF, 16, 6), &[], &rows));
    assert!(widest.contains("limit"), "{widest}");
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn an_honest_picture_over_the_callers_limits_is_refused() {
    let image = DynamicImage::ImageRgb8(files::gradient(200, 100));
    for format in
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Tiff, ImageFormat::Bmp]
    {
        let bytes = files::encoded(&image, format);
        let open = |limits| Picture::decode(&bytes, Path::new("large"), &limits);
        for limits in [
            Limits { max_pixels: 19_999, ..Limits::default() },
            Limits { max_side: 199, ..Limits::default() },
            Limits { max_alloc: 300_000, ..Limits::default() },
        ] {
            let message = open(limits).unwrap_err().to_string();
            assert!(message.contains("200x100") && message.contains("limit"), "{format:?}: {message}");
        }
        let enough = Limits { max_pixels: 20_000, max_side: 200, max_alloc: 1 << 20 };
        assert!(open(enough).is_ok(), "{format:?}");
    }
}

#[test]
fn a_profile_that_inflates_beyond_all_measure_does_not_get_in() {
    let with_profile = |repeats| {
        let profile = [b"p\0\0".to_vec(), files::inflating_icc(repeats)].concat();
        files::png(files::png_header(1, 1, 8, 2), &[files::png_chunk(b"iCCP", &profile)], &[0, 9, 9, 9])
    };
    let honest = decode(&with_profile(1000)).unwrap();
    assert_eq!(honest.icc_profile.map(|icc| icc.len()), Some(128 + 258_000));
    let bomb = with_profile(600_000);
    assert!(bomb.len() < 1 << 20);
    assert!(decode(&bomb).map_or(true, |picture| picture.icc_profile.is_none()));
}

#[test]
fn a_truncated_file_is_one_clear_line_in_every_format() {
    let image = DynamicImage::ImageRgb8(files::gradient(60, 40));
    for format in
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Tiff, ImageFormat::Bmp]
    {
        let bytes = files::encoded(&image, format);
        assert!(decode(&bytes).is_ok());
        for percent in [5, 30, 60, 90, 98] {
            let message = refusal(&bytes[..bytes.len() * percent / 100]);
            assert!(message.len() < 200, "{format:?} at {percent} %: {message}");
            println!("{format:?} at {percent} %: {message}");
        }
    }
}

#[test]
fn a_jpeg_cut_in_its_pixels_is_refused_and_not_filled_with_grey() {
    let bytes = files::encoded(&DynamicImage::ImageRgb8(files::gradient(60, 40)), ImageFormat::Jpeg);
    assert!(refusal(&bytes[..bytes.len() - 40]).contains("too early"));
}

#[test]
fn what_is_no_picture_says_so() {
    assert!(refusal(b"").contains("empty"));
    assert!(refusal(b"just some text").contains("not a known picture format"));
    for magic in
        [&b"\x89PNG\r\n\x1a\n"[..], b"\xFF\xD8\xFF", b"RIFF\x04\0\0\0WEBP", b"II*\0", b"MM\0*", b"BM"]
    {
        refusal(magic);
        refusal(&[magic, &[b'x'; 100]].concat());
    }
}

#[test]
fn folders_and_missing_files_are_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let is_folder = Picture::open(folder.path(), &Limits::default()).unwrap_err().to_string();
    assert!(is_folder.contains("this is a folder"), "{is_folder}");
    let missing = Picture::open(&folder.path().join("no.png"), &Limits::default()).unwrap_err();
    assert!(
        matches!(missing, Error::Io { .. }) && missing.to_string().starts_with("cannot read"),
        "{missing}"
    );
}

#[test]
fn a_file_over_the_limit_is_not_even_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.png");
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let start = Instant::now();
    let message = Picture::open(&path, &Limits::default()).unwrap_err().to_string();
    assert!(message.contains("over the limit of 2048 MiB"), "{message}");
    assert!(start.elapsed() < Duration::from_millis(300), "2 GiB were read first");
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_without_end_is_read_to_the_limit_only() {
    let limits = Limits { max_alloc: 1 << 20, ..Limits::default() };
    let message = Picture::open(Path::new("/dev/zero"), &limits).unwrap_err().to_string();
    assert!(message.contains("over the limit of 1 MiB"), "{message}");
}
