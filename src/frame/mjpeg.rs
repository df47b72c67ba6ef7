//! The JPEG files that cameras send, which are less than files: many leave the Huffman tables
//! out, and a bad cable damages some.

use crate::error::one_line;
use crate::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// An application segment that says "motion JPEG": decoders then take the Huffman tables of
/// the JPEG standard (its tables K.3 to K.6) where none are given.
const AVI1: [u8; 9] = [0xFF, 0xE0, 0, 7, b'A', b'V', b'I', b'1', 0];

/// Decodes frames; keeps its memory.
#[derive(Debug, Default)]
pub(super) struct Mjpeg {
    /// A frame with [`AVI1`] put in.
    completed: Vec<u8>,
}

impl Mjpeg {
    /// Writes the pixels of a frame of that size to `rgb`.
    ///
    /// # Errors
    /// [`Error::Frame`] where it is damaged, or of another size.
    pub(super) fn decode(&mut self, jpeg: &[u8], width: u32, height: u32, rgb: &mut [u8]) -> Result<()> {
        let headers = Headers::read(jpeg).ok_or_else(|| Error::Frame("a JPEG without its headers".into()))?;
        if (headers.width, headers.height) != (width, height) {
            let Headers { width: w, height: h, .. } = headers;
            return Err(Error::Frame(format!("a JPEG of {w}x{h} in a stream of {width}x{height}")));
        }
        let jpeg = if headers.has_tables {
            jpeg
        } else {
            let (start, rest) = jpeg.split_at(2);
            self.completed.clear();
            [start, &AVI1, rest].iter().for_each(|part| self.completed.extend_from_slice(part));
            &self.completed
        };
        // Strict: else damage is a picture with a part of the one before.
        let options = DecoderOptions::new_fast()
            .set_strict_mode(true)
            .set_max_width(width as usize)
            .set_max_height(height as usize)
            .jpeg_set_out_colorspace(ColorSpace::RGB);
        let decode = || JpegDecoder::new_with_options(ZCursor::new(jpeg), options).decode_into(rgb);
        // No panic is known, but it must not end the loop.
        let outcome = catch_unwind(AssertUnwindSafe(decode))
            .unwrap_or_else(|_| Err("in a way that its decoder can't handle".into()));
        outcome.map_err(|e| Error::Frame(format!("JPEG: {}", one_line(&e.to_string()))))
    }
}

/// What stands before the picture.
struct Headers {
    width: u32,
    height: u32,
    has_tables: bool,
}

impl Headers {
    /// Goes through the segments up to the start of the scan; `None` where they are cut off
    /// or there is no frame header.
    fn read(jpeg: &[u8]) -> Option<Self> {
        let mut rest = jpeg.strip_prefix(&[0xFF, 0xD8])?;
        let mut headers = Self { width: 0, height: 0, has_tables: false };
        loop {
            let (&[ff, marker], after) = rest.split_first_chunk()?;
            if ff != 0xFF {
                return None;
            }
            if marker == 0xFF {
                // A fill byte.
                rest = &rest[1..];
                continue;
            }
            let length = usize::from(u16::from_be_bytes(*after.first_chunk()?));
            let body = after.get(2..length)?;
            match marker {
                // Start of a baseline, extended or progressive frame: precision, height, width.
                0xC0..=0xC2 => {
                    let [_, h1, h0, w1, w0] = *body.first_chunk()?;
                    headers.height = u16::from_be_bytes([h1, h0]).into();
                    headers.width = u16::from_be_bytes([w1, w0]).into();
                }
                0xC4 => headers.has_tables = true,
                0xDA => return (headers.width > 0).then_some(headers),
                // AVI1 as the camera's own.
                0xE0 if body.starts_with(b"AVI1") => headers.has_tables = true,
                _ => {}
            }
            rest = &after[length..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

    const SIZE: (u32, u32) = (48, 32);

    fn picture() -> Vec<u8> {
        let pixel = |i: u32| [5 * (i % SIZE.0) as u8, 7 * (i / SIZE.0) as u8, 90];
        (0..SIZE.0 * SIZE.1).flat_map(pixel).collect()
    }

    fn encoded() -> Vec<u8> {
        let mut jpeg = Vec::new();
        let mut encoder = Encoder::new(&mut jpeg, 95);
        encoder.set_sampling_factor(SamplingFactor::R_4_2_2);
        encoder.encode(&picture(), SIZE.0 as u16, SIZE.1 as u16, ColorType::Rgb).unwrap();
        jpeg
    }

    fn decode(jpeg: &[u8]) -> Result<Vec<u8>> {
        let mut rgb = vec![0; picture().len()];
        Mjpeg::default().decode(jpeg, SIZE.0, SIZE.1, &mut rgb)?;
        Ok(rgb)
    }

    /// The file without its Huffman tables, as most webcams send it.
    fn without_tables(jpeg: &[u8]) -> Vec<u8> {
        let mut bare = jpeg[..2].to_vec();
        let mut at = 2;
        while jpeg[at + 1] != 0xDA {
            let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
            if jpeg[at + 1] != 0xC4 {
                bare.extend_from_slice(&jpeg[at..end]);
            }
            at = end;
        }
        bare.extend_from_slice(&jpeg[at..]);
        bare
    }

    #[test]
    fn a_frame_comes_out_as_it_went_in() {
        let rgb = decode(&encoded()).unwrap();
        let off = rgb.iter().zip(picture()).map(|(a, b)| u64::from(a.abs_diff(b))).sum::<u64>();
        assert!(off < 3 * rgb.len() as u64, "off by {off} over {} samples", rgb.len());
    }

    #[test]
    fn missing_huffman_tables_are_those_of_the_standard() {
        // The encoder writes the standard's own tables, so that leaving them out changes nothing.
        let bare = without_tables(&encoded());
        assert!(bare.len() + 400 < encoded().len());
        assert_eq!(decode(&bare).unwrap(), decode(&encoded()).unwrap());
        let padded = [bare, vec![0; 500]].concat();
        assert_eq!(decode(&padded).unwrap(), decode(&encoded()).unwrap());
    }

    #[test]
    fn damage_is_an_error_of_the_frame() {
        let sound = encoded();
        let mut ruined = sound.clone();
        let middle = sound.len() - 300;
        ruined[middle..middle + 200].fill(0xFF);
        for jpeg in [&[][..], &sound[..1], &sound[..2], &sound[..200], &sound[..sound.len() - 300], &ruined] {
            let error = decode(jpeg).unwrap_err();
            assert!(matches!(error, Error::Frame(_)), "{error}");
            assert_eq!(error.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn another_size_is_an_error_before_anything_is_decoded() {
        let mut rgb = vec![0; 3 * 16 * 16];
        let error = Mjpeg::default().decode(&encoded(), 16, 16, &mut rgb).unwrap_err();
        assert!(error.to_string().contains("48x32 in a stream of 16x16"), "{error}");
    }
}
