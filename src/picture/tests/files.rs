//! Picture files as bytes, valid or not.

use image::codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder};
use image::{DynamicImage, ImageEncoder, ImageFormat, RgbImage, Rgba, RgbaImage};
use std::io::Cursor;

/// `image` in a format without metadata.
pub fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// `image` with an ICC profile and EXIF data, where not empty.
pub fn described(image: &DynamicImage, format: ImageFormat, icc: &[u8], exif: &[u8]) -> Vec<u8> {
    fn write(mut encoder: impl ImageEncoder, image: &DynamicImage, icc: &[u8], exif: &[u8]) {
        encoder.set_icc_profile(icc.to_vec()).unwrap();
        encoder.set_exif_metadata(exif.to_vec()).unwrap();
        image.write_with_encoder(encoder).unwrap();
    }
    let mut bytes = Vec::new();
    match format {
        ImageFormat::Png => write(PngEncoder::new(&mut bytes), image, icc, exif),
        ImageFormat::Jpeg => write(JpegEncoder::new_with_quality(&mut bytes, 95), image, icc, exif),
        ImageFormat::WebP => write(WebPEncoder::new_lossless(&mut bytes), image, icc, exif),
        other => panic!("no metadata in {other:?}"),
    }
    bytes
}

/// A picture in which no two pixels are alike and nothing is symmetric.
pub fn gradient(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 40])
    })
}

/// A picture with every kind of alpha.
pub fn veiled(width: u32, height: u32) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        Rgba([(x * 9) as u8, (y * 11) as u8, 77, (x * 255 / width) as u8])
    })
}

/// An ICC profile that is sound in what readers check before they use it.
pub fn icc(space: &[u8; 4]) -> Vec<u8> {
    let mut profile: Vec<u8> = (0..300).map(|i| (i * 7 % 251) as u8).collect();
    profile[..4].copy_from_slice(&300u32.to_be_bytes());
    profile[16..20].copy_from_slice(space);
    profile[36..40].copy_from_slice(b"acsp");
    profile
}

/// EXIF data with a maker's name and an orientation, in either byte order.
pub fn exif(orientation: u16, big_endian: bool) -> Vec<u8> {
    let short = |v: u16| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
    let long = |v: u32| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
    let mut bytes = if big_endian { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
    bytes.extend(long(8));
    bytes.extend(short(2));
    bytes.extend([&short(0x010F)[..], &short(2), &long(4), b"Cam\0"].concat());
    bytes.extend([&short(0x0112)[..], &short(3), &long(1), &short(orientation), &[0, 0]].concat());
    bytes.extend(long(0));
    bytes
}

/// One PNG chunk with its checksum.
pub fn png_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let checked = [&kind[..], data].concat();
    [&(data.len() as u32).to_be_bytes()[..], &checked, &crc32(&checked).to_be_bytes()].concat()
}

/// A PNG's signature and header chunk.
pub fn png_header(width: u32, height: u32, depth: u8, colour: u8) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, colour, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), png_chunk(b"IHDR", &header)].concat()
}

/// A PNG of these rows (each led by its filter byte), with chunks between header and pixels.
pub fn png(header: Vec<u8>, between: &[Vec<u8>], rows: &[u8]) -> Vec<u8> {
    let pixels = png_chunk(b"IDAT", &zlib_stored(rows));
    [header, between.concat(), pixels, png_chunk(b"IEND", b"")].concat()
}

/// A 4x2 PNG with a palette of three colours, the last half transparent.
pub fn palette_png() -> Vec<u8> {
    let palette = png_chunk(b"PLTE", &[255, 0, 0, 0, 255, 0, 0, 0, 255]);
    let opacity = png_chunk(b"tRNS", &[255, 255, 128]);
    png(png_header(4, 2, 8, 3), &[palette, opacity], &[0, 0, 1, 2, 0, 0, 2, 1, 0, 1])
}

/// Data as a zlib stream that compresses nothing.
pub fn zlib_stored(data: &[u8]) -> Vec<u8> {
    let length = data.len() as u16;
    let (a, b) = adler32(data);
    let checksum = (b << 16 | a).to_be_bytes();
    [&[0x78, 1, 1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), data, &checksum].concat()
}

/// A sound RGB profile of 128 + 258 * `repeats` bytes, nearly all zeros, as a zlib stream that
/// takes 13 bits for every 258 of them.
pub fn inflating_icc(repeats: usize) -> Vec<u8> {
    let mut header = [0; 128];
    header[16..20].copy_from_slice(b"RGB ");
    header[36..40].copy_from_slice(b"acsp");
    let mut bits = vec![true, true, false];
    let mut push = |code: u32, length: u32| bits.extend((0..length).rev().map(|i| code >> i & 1 == 1));
    // Deflate's fixed code: literals below 144, then the longest match at distance 1, then the end.
    header.iter().for_each(|&byte| push(0x30 + u32::from(byte), 8));
    (0..repeats).for_each(|_| push(0xC5 << 5, 13));
    push(0, 7);
    let packed =
        bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(i, &b)| u8::from(b) << i).sum::<u8>());
    let (a, b) = adler32(&header);
    let b = (b as usize + a as usize * 258 * repeats) % 65521;
    [0x78, 1].into_iter().chain(packed).chain(((b as u32) << 16 | a).to_be_bytes()).collect()
}

/// The two sums of zlib's checksum.
fn adler32(data: &[u8]) -> (u32, u32) {
    data.iter().fold((1, 0), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65521;
        (a, (b + a) % 65521)
    })
}

/// PNG's checksum.
pub fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, &byte| {
        (0..8)
            .fold(crc ^ u32::from(byte), |c: u32, _| if c & 1 == 1 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 })
    })
}

/// An 8x8 JPEG of mid-grey samples with this many components, and an ICC profile.
///
/// Every block is a zero difference and an end-of-block, each one zero bit long.
pub fn flat_jpeg(components: u8, icc: &[u8]) -> Vec<u8> {
    let segment = |marker: u8, body: &[u8]| {
        [&[0xFF, marker][..], &(body.len() as u16 + 2).to_be_bytes(), body].concat()
    };
    let frame: Vec<u8> = (1..=components).flat_map(|id| [id, 0x11, 0]).collect();
    let scan: Vec<u8> = (1..=components).flat_map(|id| [id, 0]).collect();
    let one_code = |class: u8| [&[class, 1][..], &[0; 15], &[0]].concat();
    [
        vec![0xFF, 0xD8],
        segment(0xEE, b"Adobe\0\x64\0\0\0\0\0"),
        segment(0xE2, &[b"ICC_PROFILE\0\x01\x01", icc].concat()),
        segment(0xDB, &[&[0][..], &[1; 64]].concat()),
        segment(0xC0, &[&[8, 0, 8, 0, 8, components][..], &frame].concat()),
        segment(0xC4, &one_code(0x00)),
        segment(0xC4, &one_code(0x10)),
        segment(0xDA, &[&[components][..], &scan, &[0, 63, 0]].concat()),
        vec![0, 0xFF, 0xD9],
    ]
    .concat()
}

/// A little-endian uncompressed TIFF of one strip.
pub fn tiff(size: (u16, u16), bits: u16, channels: u16, tags: &[(u16, u16)], samples: &[u8]) -> Vec<u8> {
    let photometric = if channels >= 3 { 2 } else { 1 };
    let (strip, bits_at) = (8, 8 + samples.len() as u32);
    let mut entries: Vec<(u16, u16, u32, u32)> = vec![
        (256, 3, 1, u32::from(size.0)),
        (257, 3, 1, u32::from(size.1)),
        (
            258,
            3,
            u32::from(channels),
            if channels > 2 { bits_at } else { u32::from(bits) << 16 | u32::from(bits) },
        ),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, strip),
        (277, 3, 1, u32::from(channels)),
        (278, 3, 1, u32::from(size.1)),
        (279, 4, 1, samples.len() as u32),
    ];
    entries.extend(tags.iter().map(|&(tag, value)| (tag, 3, 1, u32::from(value))));
    entries.sort();
    let directory = bits_at + 2 * u32::from(channels);
    let mut bytes = [&b"II*\0"[..], &directory.to_le_bytes(), samples].concat();
    bytes.extend(vec![bits; usize::from(channels)].into_iter().flat_map(u16::to_le_bytes));
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        bytes.extend([&tag.to_le_bytes()[..], &kind.to_le_bytes()].concat());
        bytes.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    bytes.extend(0u32.to_le_bytes());
    bytes
}
