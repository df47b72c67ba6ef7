//! What V4L2 says about a format's pixels, as the conversions take it.

use super::raw::Format;
use crate::Result;
use crate::frame::{Colour, Layout, Matrix, PixelFormat, Range};

// `enum v4l2_colorspace`.
const REC709: u32 = 3;
const JPEG: u32 = 7;
const BT2020: u32 = 10;
const DCI_P3: u32 = 12;

/// The arrangement of a format's pixels.
///
/// # Errors
/// [`crate::Error::Input`] where no frame can have that size or stride.
pub(crate) fn layout(pixels: PixelFormat, format: &Format) -> Result<Layout> {
    Layout::new(pixels, format.width, format.height, format.stride as usize, colour(pixels, format))
}

/// The meaning of the samples, with the defaults of `V4L2_MAP_YCBCR_ENC_DEFAULT` and
/// `V4L2_MAP_QUANTIZATION_DEFAULT`, grey excepted: by those it would be limited, but cameras
/// that deliver it (infrared, machine vision) pass their sensor's 8 bits on.
fn colour(pixels: PixelFormat, format: &Format) -> Colour {
    let matrix = match (format.encoding, format.colorspace) {
        (2 | 4, _) | (0, REC709 | DCI_P3) => Matrix::Bt709,
        (6 | 7, _) | (0, BT2020) => Matrix::Bt2020,
        // 601, xvYCC of 601, sYCC. SMPTE 240M, of the first HDTV, is nearest to 709.
        (8, _) | (0, 2) => Matrix::Bt709,
        _ => Matrix::Bt601,
    };
    let is_yuv = matches!(pixels, PixelFormat::Yuyv | PixelFormat::Uyvy | PixelFormat::Nv12);
    let range = match format.quantization {
        1 => Range::Full,
        2 => Range::Limited,
        _ if is_yuv && format.colorspace != JPEG => Range::Limited,
        _ => Range::Full,
    };
    Colour { matrix, range }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_and_ranges_are_those_that_v4l2_states() {
        let colour = |pixels, colorspace, encoding, quantization| {
            let format = Format { colorspace, encoding, quantization, ..Format::default() };
            let colour = colour(pixels, &format);
            (colour.matrix, colour.range)
        };
        let yuyv = PixelFormat::Yuyv;
        // sRGB with nothing stated is what webcams say.
        assert_eq!(colour(yuyv, 8, 0, 0), (Matrix::Bt601, Range::Limited));
        assert_eq!(colour(yuyv, 8, 0, 1), (Matrix::Bt601, Range::Full));
        assert_eq!(colour(yuyv, 8, 2, 0), (Matrix::Bt709, Range::Limited));
        assert_eq!(colour(yuyv, REC709, 0, 0), (Matrix::Bt709, Range::Limited));
        assert_eq!(colour(yuyv, REC709, 1, 0), (Matrix::Bt601, Range::Limited));
        assert_eq!(colour(yuyv, BT2020, 0, 0), (Matrix::Bt2020, Range::Limited));
        assert_eq!(colour(yuyv, JPEG, 0, 0), (Matrix::Bt601, Range::Full));
        assert_eq!(colour(PixelFormat::Rgb3, 8, 0, 0).1, Range::Full);
        assert_eq!(colour(PixelFormat::Rgb3, REC709, 0, 2).1, Range::Limited);
        assert_eq!(colour(PixelFormat::Grey, 8, 0, 0).1, Range::Full);
        assert_eq!(colour(PixelFormat::Grey, 8, 0, 2).1, Range::Limited);
        assert_eq!(colour(yuyv, 999, 999, 999), (Matrix::Bt601, Range::Limited));
    }

    #[test]
    fn the_stride_is_the_drivers() {
        let format = Format { width: 640, height: 360, stride: 1536, ..Format::default() };
        assert_eq!(layout(PixelFormat::Yuyv, &format).unwrap().stride(), 1536);
        assert!(layout(PixelFormat::Rgb3, &format).is_err());
    }
}
