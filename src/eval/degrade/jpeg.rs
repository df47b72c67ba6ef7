//! What saving as JPEG leaves of a picture.

use image::RgbImage;
use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::{DynamicImage, ExtendedColorType};
use std::io::Cursor;

/// A picture that was saved as JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jpeg {
    /// The encoder's quality, 1..=100: 90 can hardly be seen, 10 is blocks.
    pub quality: u8,
}

impl Jpeg {
    /// The picture after saving and opening. One that no JPEG can hold (a side of 0, or over
    /// 65535 pixels) comes back as it is.
    pub fn apply(&self, rgb: &RgbImage) -> RgbImage {
        self.saved_and_opened(rgb).unwrap_or_else(|| rgb.clone())
    }

    fn saved_and_opened(&self, rgb: &RgbImage) -> Option<RgbImage> {
        let mut bytes = Vec::new();
        let (width, height) = rgb.dimensions();
        JpegEncoder::new_with_quality(&mut bytes, self.quality.clamp(1, 100))
            .encode(rgb, width, height, ExtendedColorType::Rgb8)
            .ok()?;
        let decoder = JpegDecoder::new(Cursor::new(bytes)).ok()?;
        Some(DynamicImage::from_decoder(decoder).ok()?.into_rgb8())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_quality_loses_more_and_empty_pictures_pass() {
        let rgb = RgbImage::from_fn(64, 48, |x, y| {
            let wave = 100.0 + 60.0 * (x as f32 / 5.0).sin() + 40.0 * ((x * y) as f32 / 90.0).cos();
            image::Rgb([wave as u8, (wave * 0.7) as u8, (y * 5) as u8])
        });
        let loss = |quality| {
            let saved = Jpeg { quality }.apply(&rgb);
            saved.iter().zip(rgb.iter()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>()
        };
        assert!(loss(10) > 1.5 * loss(50) && loss(50) > 1.5 * loss(98));
        assert_eq!(Jpeg { quality: 0 }.apply(&RgbImage::new(0, 3)), RgbImage::new(0, 3));
    }
}
