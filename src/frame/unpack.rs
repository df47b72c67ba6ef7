//! A camera's buffer to interleaved RGB.
//!
//! The loops work on slices of constant length without bounds checks inside, which LLVM turns
//! into vector code (on AVX-512 ten times as fast as without).

use super::colour::{Range, ToRgb};
use super::mjpeg::Mjpeg;
use super::{Layout, PixelFormat};
use crate::{Error, Result};

/// Turns buffers of one layout into RGB.
#[derive(Debug)]
pub struct Unpacker {
    layout: Layout,
    to_rgb: ToRgb,
    mjpeg: Mjpeg,
}

impl Unpacker {
    /// One for that layout.
    pub fn new(layout: Layout) -> Self {
        Self { layout, to_rgb: ToRgb::new(layout.colour()), mjpeg: Mjpeg::default() }
    }

    /// The layout that it reads.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Writes the pixels of a buffer to `rgb`, `3·width·height` bytes; bytes of the buffer
    /// beyond the frame don't matter.
    ///
    /// # Errors
    /// [`Error::Frame`] where the buffer is too short or its JPEG is damaged or of another
    /// size: `rgb` then holds a part of it, and the next frame may be whole.
    /// [`Error::Input`] where `rgb` has another length.
    pub fn unpack(&mut self, bytes: &[u8], rgb: &mut [u8]) -> Result<()> {
        let (width, height) = self.layout.size();
        let (across, down) = (width as usize, height as usize);
        if rgb.len() != 3 * across * down {
            let length = rgb.len();
            return Err(Error::Input(format!("{length} bytes for the RGB of {width}x{height} pixels")));
        }
        let needed = self.layout.bytes();
        if bytes.len() < needed {
            let (format, length) = (self.layout.format(), bytes.len());
            return Err(Error::Frame(format!("{length} of {needed} bytes of {width}x{height} {format}")));
        }
        let (to_rgb, stride) = (&self.to_rgb, self.layout.stride());
        let narrow = self.layout.colour().range == Range::Limited;
        match self.layout.format() {
            PixelFormat::Mjpeg => return self.mjpeg.decode(bytes, width, height, rgb),
            PixelFormat::Yuyv => self.rows(bytes, rgb, |row, rgb| {
                yuv422(to_rgb, row, rgb, |[y0, u, y1, v]| ([y0, y1], u, v));
            }),
            PixelFormat::Uyvy => self.rows(bytes, rgb, |row, rgb| {
                yuv422(to_rgb, row, rgb, |[u, y0, v, y1]| ([y0, y1], u, v));
            }),
            PixelFormat::Nv12 => {
                let (luma, chroma) = bytes.split_at(stride * down);
                for (y, rgb) in rgb.chunks_exact_mut(3 * across).enumerate() {
                    let chroma = &chroma[stride * (y / 2)..];
                    nv12(to_rgb, &luma[stride * y..][..across], &chroma[..across], rgb);
                }
            }
            PixelFormat::Grey if narrow => {
                self.rows(bytes, rgb, |row, rgb| grey(row, rgb, |y| to_rgb.stretch(y)));
            }
            PixelFormat::Grey => self.rows(bytes, rgb, |row, rgb| grey(row, rgb, |y| y)),
            PixelFormat::Rgb3 => self.rows(bytes, rgb, |row, rgb| rgb.copy_from_slice(row)),
            PixelFormat::Bgr3 => self.rows(bytes, rgb, |row, rgb| {
                for (bgr, rgb) in row.chunks_exact(3).zip(rgb.chunks_exact_mut(3)) {
                    (rgb[0], rgb[1], rgb[2]) = (bgr[2], bgr[1], bgr[0]);
                }
            }),
        }
        if narrow && matches!(self.layout.format(), PixelFormat::Rgb3 | PixelFormat::Bgr3) {
            rgb.iter_mut().for_each(|sample| *sample = to_rgb.stretch(*sample));
        }
        Ok(())
    }

    /// Gives each row of the buffer, without what fills up its stride, with that of the RGB.
    fn rows(&self, bytes: &[u8], rgb: &mut [u8], mut convert: impl FnMut(&[u8], &mut [u8])) {
        let across = self.layout.size().0 as usize;
        let rows = bytes.chunks(self.layout.stride());
        for (row, rgb) in rows.zip(rgb.chunks_exact_mut(3 * across)) {
            convert(&row[..self.layout.row()], rgb);
        }
    }
}

#[inline(always)]
fn yuv422(to_rgb: &ToRgb, row: &[u8], rgb: &mut [u8], order: impl Fn([u8; 4]) -> ([u8; 2], u8, u8)) {
    for (four, rgb) in row.chunks_exact(4).zip(rgb.chunks_exact_mut(6)) {
        let ([y0, y1], u, v) = order([four[0], four[1], four[2], four[3]]);
        two_pixels(to_rgb, [y0, y1], u, v, rgb);
    }
}

#[inline(always)]
fn nv12(to_rgb: &ToRgb, luma: &[u8], chroma: &[u8], rgb: &mut [u8]) {
    let pairs = luma.chunks_exact(2).zip(chroma.chunks_exact(2));
    for ((y, uv), rgb) in pairs.zip(rgb.chunks_exact_mut(6)) {
        two_pixels(to_rgb, [y[0], y[1]], uv[0], uv[1], rgb);
    }
}

#[inline(always)]
fn two_pixels(to_rgb: &ToRgb, y: [u8; 2], u: u8, v: u8, rgb: &mut [u8]) {
    let chroma = to_rgb.chroma(u, v);
    let ([r0, g0, b0], [r1, g1, b1]) = (to_rgb.pixel(y[0], chroma), to_rgb.pixel(y[1], chroma));
    (rgb[0], rgb[1], rgb[2], rgb[3], rgb[4], rgb[5]) = (r0, g0, b0, r1, g1, b1);
}

#[inline(always)]
fn grey(row: &[u8], rgb: &mut [u8], level: impl Fn(u8) -> u8) {
    for (&y, rgb) in row.iter().zip(rgb.chunks_exact_mut(3)) {
        let level = level(y);
        (rgb[0], rgb[1], rgb[2]) = (level, level, level);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Colour;
    use super::super::colour::tests::{COLOURS, reference};
    use super::*;

    /// Bytes without a pattern.
    fn noise(length: usize) -> Vec<u8> {
        (0..length as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    }

    /// Y, U, V of a pixel as the format's definition places them, one pixel at a time.
    fn yuv_at(layout: &Layout, bytes: &[u8], x: usize, y: usize) -> [u8; 3] {
        let (stride, rows) = (layout.stride(), layout.size().1 as usize);
        let row = &bytes[stride * y..];
        let pair = 4 * (x / 2);
        match layout.format() {
            PixelFormat::Yuyv => [row[2 * x], row[pair + 1], row[pair + 3]],
            PixelFormat::Uyvy => [row[2 * x + 1], row[pair], row[pair + 2]],
            PixelFormat::Nv12 => {
                let uv = &bytes[stride * rows + stride * (y / 2) + 2 * (x / 2)..];
                [row[x], uv[0], uv[1]]
            }
            _ => [row[x], 128, 128],
        }
    }

    #[test]
    fn every_yuv_format_stride_range_and_matrix_follows_the_formulas() {
        let formats = [PixelFormat::Yuyv, PixelFormat::Uyvy, PixelFormat::Nv12, PixelFormat::Grey];
        for (format, colour) in formats.into_iter().flat_map(|f| COLOURS.map(|c| (f, c))) {
            // Widths below, at and above what a vector takes.
            for (width, height, gap) in [(2, 2, 0), (34, 4, 0), (70, 6, 22), (128, 2, 64)] {
                let packed = Layout::new(format, width, height, 0, colour).unwrap();
                let layout = Layout::new(format, width, height, packed.stride() + gap, colour).unwrap();
                let bytes = noise(layout.bytes());
                let mut rgb = vec![0; 3 * (width * height) as usize];
                Unpacker::new(layout).unpack(&bytes, &mut rgb).unwrap();
                for (i, pixel) in rgb.chunks_exact(3).enumerate() {
                    let [y, u, v] = yuv_at(&layout, &bytes, i % width as usize, i / width as usize);
                    for (ours, exact) in pixel.iter().zip(reference(colour, y, u, v)) {
                        assert!((f64::from(*ours) - exact).abs() < 0.54, "{layout:?} pixel {i}");
                    }
                }
            }
        }
    }

    #[test]
    fn rgb_and_bgr_are_taken_as_they_are_or_stretched() {
        for (format, order) in [(PixelFormat::Rgb3, [0, 1, 2]), (PixelFormat::Bgr3, [2, 1, 0])] {
            for (colour, level) in [
                (Colour::FULL, (|c| c) as fn(u8) -> u8),
                (Colour::WEBCAM, |c| ((f64::from(c) - 16.0) * 255.0 / 219.0).round().clamp(0.0, 255.0) as u8),
            ] {
                let layout = Layout::new(format, 5, 3, 19, colour).unwrap();
                let bytes = noise(layout.bytes());
                let mut rgb = vec![0; 45];
                Unpacker::new(layout).unpack(&bytes, &mut rgb).unwrap();
                for (i, pixel) in rgb.chunks_exact(3).enumerate() {
                    let from = &bytes[19 * (i / 5) + 3 * (i % 5)..];
                    assert_eq!(pixel, order.map(|c| level(from[c])), "{format} pixel {i}");
                }
            }
        }
    }

    #[test]
    fn short_buffers_are_damaged_frames_and_long_ones_are_not() {
        for format in PixelFormat::ALL.into_iter().filter(|f| *f != PixelFormat::Mjpeg) {
            let layout = Layout::new(format, 8, 4, 40, Colour::WEBCAM).unwrap();
            let mut unpacker = Unpacker::new(layout);
            let (mut rgb, bytes) = (vec![0; 96], noise(layout.bytes() + 100));
            for length in 0..layout.bytes() {
                let error = unpacker.unpack(&bytes[..length], &mut rgb).unwrap_err();
                assert!(matches!(error, Error::Frame(_)), "{format} {length}: {error}");
            }
            unpacker.unpack(&bytes[..layout.bytes()], &mut rgb).unwrap();
            unpacker.unpack(&bytes, &mut rgb).unwrap();
            assert!(matches!(unpacker.unpack(&bytes, &mut rgb[1..]), Err(Error::Input(_))));
        }
    }
}
