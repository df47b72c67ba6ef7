//! Interleaved RGB to the buffer of an output device.

use super::colour::ToYuv;
use super::{Layout, PixelFormat};
use crate::{Error, Result};

/// Turns RGB into buffers of one layout.
#[derive(Debug)]
pub struct Packer {
    layout: Layout,
    to_yuv: ToYuv,
}

impl Packer {
    /// The formats that are written.
    pub const FORMATS: [PixelFormat; 2] = [PixelFormat::Yuyv, PixelFormat::Rgb3];

    /// One for that layout.
    ///
    /// # Errors
    /// [`Error::Input`] where its format is none of [`Packer::FORMATS`].
    pub fn new(layout: Layout) -> Result<Self> {
        if !Self::FORMATS.contains(&layout.format()) {
            let format = layout.format();
            return Err(Error::Input(format!("format {format} can't be written; there are yuyv and rgb3")));
        }
        Ok(Self { layout, to_yuv: ToYuv::new(layout.colour()) })
    }

    /// Writes a picture of `3·width·height` bytes to a buffer of at least
    /// [`Layout::bytes`]; what fills up its stride is left as it is.
    ///
    /// # Errors
    /// [`Error::Input`] where either length is another.
    pub fn pack(&self, rgb: &[u8], bytes: &mut [u8]) -> Result<()> {
        let (width, height) = self.layout.size();
        let (row, needed) = (3 * width as usize, self.layout.bytes());
        if rgb.len() != row * height as usize || bytes.len() < needed {
            let lengths = format!("{} bytes of RGB into {}", rgb.len(), bytes.len());
            return Err(Error::Input(format!("{lengths}, for {width}x{height} {}", self.layout.format())));
        }
        let used = self.layout.row();
        for (rgb, line) in rgb.chunks_exact(row).zip(bytes.chunks_mut(self.layout.stride())) {
            let line = &mut line[..used];
            match self.layout.format() {
                PixelFormat::Yuyv => self.yuyv(rgb, line),
                _ => line.copy_from_slice(rgb),
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn yuyv(&self, rgb: &[u8], line: &mut [u8]) {
        for (two, yuyv) in rgb.chunks_exact(6).zip(line.chunks_exact_mut(4)) {
            let (left, right) = ([two[0], two[1], two[2]], [two[3], two[4], two[5]]);
            let (u, v) = self.to_yuv.chroma(left, right);
            (yuyv[0], yuyv[1]) = (self.to_yuv.luma(left), u);
            (yuyv[2], yuyv[3]) = (self.to_yuv.luma(right), v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::colour::tests::COLOURS;
    use super::super::{Colour, Unpacker};
    use super::*;

    #[test]
    fn what_is_packed_unpacks_to_the_same_picture() {
        let (width, height) = (70, 6);
        // Pairs of pixels alike, for whose mean chroma is shared.
        let rgb: Vec<u8> = (0..width * height)
            .flat_map(|i| [(i / 2) as u8, (255 - i / 2) as u8, (i / 2 * 3) as u8])
            .collect();
        for (format, colour) in Packer::FORMATS.into_iter().flat_map(|f| COLOURS.map(|c| (f, c))) {
            let colour = if format == PixelFormat::Rgb3 { Colour::FULL } else { colour };
            let layout = Layout::new(format, width, height, 256, colour).unwrap();
            let mut bytes = vec![0xAA; layout.bytes()];
            Packer::new(layout).unwrap().pack(&rgb, &mut bytes).unwrap();
            assert!(bytes[layout.row()..256].iter().all(|byte| *byte == 0xAA), "{layout:?}");
            let mut back = vec![0; rgb.len()];
            Unpacker::new(layout).unpack(&bytes, &mut back).unwrap();
            let worst = rgb.iter().zip(&back).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(if format == PixelFormat::Rgb3 { 0 } else { 2 }), "{layout:?} {worst:?}");
        }
    }

    #[test]
    fn wrong_lengths_and_formats_are_refused() {
        let layout = Layout::new(PixelFormat::Yuyv, 4, 2, 0, Colour::WEBCAM).unwrap();
        let packer = Packer::new(layout).unwrap();
        assert!(packer.pack(&[0; 23], &mut [0; 16]).is_err());
        assert!(packer.pack(&[0; 24], &mut [0; 15]).is_err());
        let grey = Layout::new(PixelFormat::Grey, 4, 2, 0, Colour::WEBCAM).unwrap();
        assert!(Packer::new(grey).unwrap_err().to_string().contains("yuyv"));
    }
}
