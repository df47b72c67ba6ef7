//! Where the pixels of a frame lie in a buffer, and how big that is.

use super::{Colour, PixelFormat};
use crate::{Error, Result};

/// The most pixels that a side may have.
const MAX_SIDE: u32 = 16_384;

/// The arrangement of a frame in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    format: PixelFormat,
    width: u32,
    height: u32,
    stride: usize,
    colour: Colour,
}

impl Layout {
    /// Rows of `stride` bytes, of which the last may end with its last pixel; 0 means rows
    /// without gaps. For NV12 it is the stride of both planes; JPEG has none.
    ///
    /// # Errors
    /// [`Error::Input`] where a side is 0 or over 16384, a row doesn't fit in the stride, or
    /// the size is odd where the format shares chroma between pixels.
    pub fn new(format: PixelFormat, width: u32, height: u32, stride: usize, colour: Colour) -> Result<Self> {
        let fail = |reason: &str| Err(Error::Input(format!("{width}x{height} {format}: {reason}")));
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return fail("sides are 1 to 16384 pixels");
        }
        let (wide, tall) = match format {
            PixelFormat::Yuyv | PixelFormat::Uyvy => (2, 1),
            PixelFormat::Nv12 => (2, 2),
            _ => (1, 1),
        };
        if !width.is_multiple_of(wide) || !height.is_multiple_of(tall) {
            return fail("two pixels share their chroma, so the size must be even; ask for another size");
        }
        let row = row_bytes(format, width);
        let stride = match (format, stride) {
            (PixelFormat::Mjpeg, _) => 0,
            (_, 0) => row,
            (_, stride) if stride < row => return fail(&format!("rows take {row} bytes and have {stride}")),
            (_, stride) => stride,
        };
        Ok(Self { format, width, height, stride, colour })
    }

    /// The pixel format.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Pixels across and down.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Bytes from the start of a row to that of the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// What the samples mean.
    pub fn colour(&self) -> Colour {
        self.colour
    }

    /// Bytes of a row that are pixels.
    pub(super) fn row(&self) -> usize {
        row_bytes(self.format, self.width)
    }

    /// The fewest bytes that a whole frame takes; 1 for JPEG.
    pub fn bytes(&self) -> usize {
        let rows = self.height as usize;
        match self.format {
            PixelFormat::Mjpeg => 1,
            PixelFormat::Nv12 => self.stride * (rows + rows / 2 - 1) + self.row(),
            _ => self.stride * (rows - 1) + self.row(),
        }
    }
}

fn row_bytes(format: PixelFormat, width: u32) -> usize {
    let width = width as usize;
    match format {
        PixelFormat::Yuyv | PixelFormat::Uyvy => 2 * width,
        PixelFormat::Nv12 | PixelFormat::Grey => width,
        PixelFormat::Rgb3 | PixelFormat::Bgr3 => 3 * width,
        PixelFormat::Mjpeg => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_strides_that_no_frame_can_have_are_refused() {
        let new = |format, width, height, stride| Layout::new(format, width, height, stride, Colour::WEBCAM);
        for (layout, said) in [
            (new(PixelFormat::Yuyv, 3, 2, 0), "even"),
            (new(PixelFormat::Uyvy, 1, 1, 0), "even"),
            (new(PixelFormat::Nv12, 4, 3, 0), "even"),
            (new(PixelFormat::Grey, 0, 3, 0), "1 to 16384"),
            (new(PixelFormat::Mjpeg, 4, 65_535, 0), "1 to 16384"),
            (new(PixelFormat::Rgb3, 4, 4, 11), "12 bytes"),
        ] {
            let message = layout.unwrap_err().to_string();
            assert!(message.contains(said), "{message}");
        }
        assert_eq!(new(PixelFormat::Yuyv, 4, 3, 0).unwrap().bytes(), 24);
        assert_eq!(new(PixelFormat::Yuyv, 4, 3, 10).unwrap().bytes(), 28);
        assert_eq!(new(PixelFormat::Nv12, 4, 4, 0).unwrap().bytes(), 24);
        assert_eq!(new(PixelFormat::Nv12, 4, 4, 6).unwrap().bytes(), 34);
        assert_eq!(new(PixelFormat::Mjpeg, 5, 3, 0).unwrap().bytes(), 1);
    }
}
