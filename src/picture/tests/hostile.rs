//! Thousands of damaged files, and not one panic.

use super::files;
use crate::picture::{Limits, open};
use image::{DynamicImage, ImageFormat};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;
use std::time::{Duration, Instant};

const MUTATIONS: usize = 3000;
const LIMITS: Limits = Limits { max_pixels: 1 << 20, max_side: 8192, max_alloc: 64 << 20 };

/// Small valid files of every format and of the kinds that take different paths in a decoder.
fn seeds() -> Vec<Vec<u8>> {
    let plain = DynamicImage::ImageRgb8(files::gradient(24, 16));
    let veiled = DynamicImage::ImageRgba8(files::veiled(24, 16));
    let (icc, exif) = (files::icc(b"RGB "), files::exif(6, true));
    let floats: Vec<u8> = (0..4 * 3 * 4).flat_map(|i| (i as f32 / 48.0).to_le_bytes()).collect();
    vec![
        files::described(&plain, ImageFormat::Png, &icc, &exif),
        files::encoded(&DynamicImage::ImageRgba16(veiled.to_rgba16()), ImageFormat::Png),
        files::palette_png(),
        files::described(&plain, ImageFormat::Jpeg, &icc, &exif),
        files::encoded(&DynamicImage::ImageLuma8(plain.to_luma8()), ImageFormat::Jpeg),
        files::flat_jpeg(4, &files::icc(b"CMYK")),
        files::described(&veiled, ImageFormat::WebP, &icc, &exif),
        files::encoded(&plain, ImageFormat::WebP),
        files::encoded(&veiled, ImageFormat::Tiff),
        files::encoded(&DynamicImage::ImageRgb16(plain.to_rgb16()), ImageFormat::Tiff),
        files::tiff((4, 3), 32, 4, &[(339, 3), (274, 5)], &floats),
        files::encoded(&plain, ImageFormat::Bmp),
        files::encoded(&veiled, ImageFormat::Bmp),
        files::encoded(&DynamicImage::ImageLuma8(plain.to_luma8()), ImageFormat::Bmp),
    ]
}

fn mutated(seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seeds[rng.random_range(0..seeds.len())].clone();
    // Most of what matters to a decoder is near the start.
    let place = |rng: &mut ChaCha8Rng, length: usize| {
        let most = if rng.random_bool(0.5) { length.min(64) } else { length };
        rng.random_range(0..most)
    };
    for _ in 0..rng.random_range(1..=4) {
        let at = place(rng, bytes.len());
        match rng.random_range(0..5) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => bytes.truncate(at.max(1)),
            3 => {
                let other = &seeds[rng.random_range(0..seeds.len())];
                let from = rng.random_range(0..other.len());
                let length = rng.random_range(0..64).min(other.len() - from);
                let end = (at + rng.random_range(0..64)).min(bytes.len());
                bytes.splice(at..end, other[from..from + length].iter().copied());
            }
            // A number in a header: a size, a length, an offset or a count.
            _ => {
                let values =
                    [0u32, 1, 0x7F, 0xFF, 0x100, 0x3FFF, 0x7FFF, 0xFFFF, 0x00FF_FFFF, 0x7FFF_FFFF, u32::MAX];
                let value = values[rng.random_range(0..values.len())];
                let number = if rng.random() { value.to_le_bytes() } else { value.to_be_bytes() };
                let width = [2, 4][rng.random_range(0..2)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&number[..width]);
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    if rng.random_bool(0.7) {
        repair_png_checksums(&mut bytes);
    }
    bytes
}

/// Sets every chunk's checksum right, so that damage gets past it.
fn repair_png_checksums(bytes: &mut [u8]) {
    if !bytes.starts_with(b"\x89PNG") {
        return;
    }
    let mut at = 8;
    while let Some(length) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let end = at.saturating_add(8).saturating_add(u32::from_be_bytes(*length) as usize);
        let Some(checked) = bytes.get(at + 4..end) else { break };
        let sum = files::crc32(checked).to_be_bytes();
        let Some(place) = bytes.get_mut(end..end + 4) else { break };
        place.copy_from_slice(&sum);
        at = end + 4;
    }
}

#[test]
fn what_decoders_trust_is_checked_before_them() {
    let refused = |bytes: &[u8]| {
        open::decode_unguarded(bytes, Path::new("lying"), &LIMITS)
            .expect_err("it should be refused")
            .to_string()
    };
    // png 0.18.1 panics on this one.
    let palette = files::png_chunk(b"PLTE", &[9; 8]);
    let message = refused(&files::png(files::png_header(1, 1, 8, 3), &[palette], &[0, 0]));
    assert!(message.contains("palette of 8 bytes"), "{message}");

    let image = DynamicImage::ImageRgba8(files::veiled(24, 16));
    let mut webp = files::described(&image, ImageFormat::WebP, &[], &files::exif(1, true));
    let canvas = webp.windows(4).position(|kind| kind == b"VP8X").unwrap() + 12;
    webp[canvas] = 7;
    let message = refused(&webp);
    assert!(message.contains("a 24x16 frame in a 8x16 picture"), "{message}");

    let mut tiff = files::tiff((2, 1), 8, 3, &[], &[1; 6]);
    let lengths = tiff.windows(4).position(|entry| entry == [279u16.to_le_bytes(), [4, 0]].concat()).unwrap();
    tiff[lengths + 7] = 1;
    let message = refused(&tiff);
    assert!(message.contains("tag 279"), "{message}");
}

#[test]
fn no_damage_to_a_file_makes_a_decoder_panic_or_hang() {
    let seeds = seeds();
    for (i, seed) in seeds.iter().enumerate() {
        assert!(open::decode_unguarded(seed, Path::new("seed"), &LIMITS).is_ok(), "seed {i}");
    }
    let start = Instant::now();
    let mut opened = 0;
    for i in 0..MUTATIONS {
        let bytes = mutated(&seeds, &mut ChaCha8Rng::seed_from_u64(i as u64));
        let one = Instant::now();
        match open::decode_unguarded(&bytes, Path::new("mutant"), &LIMITS) {
            Ok(picture) => {
                opened += 1;
                let pixels = (picture.width() * picture.height()) as u64;
                assert!((1..=LIMITS.max_pixels).contains(&pixels), "seed {i}: {pixels} pixels");
                assert!(picture.planes.iter().all(|v| (0.0..=1.0).contains(v)), "seed {i}");
            }
            Err(error) => assert!(!error.to_string().contains('\n'), "seed {i}: {error}"),
        }
        assert!(one.elapsed() < Duration::from_secs(3), "seed {i} took {:?}", one.elapsed());
    }
    // Both ends of the damage are worth nothing: all refused at the door, or all passed.
    assert!((MUTATIONS / 20..MUTATIONS * 19 / 20).contains(&opened), "{opened} opened");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
