//! From a [`Picture`] to a file.

use super::{BitDepth, Format, Picture, pixels};
use crate::{Error, Result, atomic_file};
use image::codecs::{
    bmp::BmpEncoder, jpeg::JpegEncoder, png::PngEncoder, tiff::TiffEncoder, webp::WebPEncoder,
};
use image::{DynamicImage, ImageEncoder, ImageError, ImageResult};
use ndarray::Axis;
use std::borrow::Cow;
use std::io::{Seek, Write};
use std::path::Path;

/// How pictures are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaveOptions {
    /// Quality of JPEG files, 1..=100; by default 92. Values outside are taken to the nearest.
    pub jpeg_quality: u8,
}

impl Default for SaveOptions {
    fn default() -> Self {
        Self { jpeg_quality: 92 }
    }
}

impl Picture {
    /// Writes the picture in the format of the path's extension, whole or not at all.
    ///
    /// Samples are clamped to 0..=1 (NaN is 0) and rounded to nearest. 16 bits are kept in PNG and
    /// TIFF, 8 are written elsewhere. JPEG has no alpha, so transparent pixels are laid over
    /// white, with a warning. ICC profiles go into all but BMP, EXIF data into PNG, JPEG and WebP;
    /// a warning says what a format can't hold. WebP is written lossless.
    ///
    /// # Errors
    /// [`Error::Picture`] for an unknown extension, an alpha plane of another size, or a size that
    /// the format can't hold; [`Error::Io`] where the file can't be written.
    pub fn save(&self, path: &Path, options: &SaveOptions) -> Result<()> {
        let format = Format::for_saving(path)?;
        let (planes, height, width) = self.planes.dim();
        if planes != 3 || width == 0 || height == 0 {
            return Err(Error::picture(
                path,
                format!("cannot save pixels of shape [{planes}, {height}, {width}]"),
            ));
        }
        if self.alpha.as_ref().is_some_and(|alpha| alpha.dim() != (height, width)) {
            return Err(Error::picture(path, format!("its alpha plane is not {width}x{height}")));
        }
        let picture = if format == Format::Jpeg { self.over_white(path) } else { Cow::Borrowed(self) };
        let sixteen = self.depth == BitDepth::Sixteen && matches!(format, Format::Png | Format::Tiff);
        let image = pixels::join(&picture, picture.alpha.as_ref().map(|a| a.view()), sixteen)
            .ok_or_else(|| Error::picture(path, format!("{width}x{height} is too large to save")))?;
        atomic_file::write(path, |file| {
            picture.encode(&image, format, options, file, path).map_err(|error| match error {
                ImageError::IoError(e) => Error::io("write", path)(e),
                other => Error::picture(path, format!("cannot write {width}x{height} pixels: {other}")),
            })
        })
    }

    fn encode(
        &self,
        image: &DynamicImage,
        format: Format,
        options: &SaveOptions,
        mut file: impl Write + Seek,
        path: &Path,
    ) -> ImageResult<()> {
        match format {
            Format::Png => image.write_with_encoder(self.described(PngEncoder::new(file), format, path)),
            Format::Jpeg => {
                let encoder = JpegEncoder::new_with_quality(file, options.jpeg_quality);
                image.write_with_encoder(self.described(encoder, format, path))
            }
            Format::WebP => {
                image.write_with_encoder(self.described(WebPEncoder::new_lossless(file), format, path))
            }
            Format::Tiff => image.write_with_encoder(self.described(TiffEncoder::new(file), format, path)),
            Format::Bmp => image.write_with_encoder(self.described(BmpEncoder::new(&mut file), format, path)),
        }
    }

    /// Gives an encoder the metadata that it can write, and warns of the rest.
    fn described<E: ImageEncoder>(&self, mut encoder: E, format: Format, path: &Path) -> E {
        // A JPEG segment's length is 16 bits; the encoder would wrap it around, or fail late.
        const JPEG_EXIF: usize = 0xFFFF - 2 - 6;
        const JPEG_ICC: usize = (0xFFFF - 2 - 14) * 255;
        let fits = |bytes: &[u8], most: usize| format != Format::Jpeg || bytes.len() <= most;
        let left_out =
            |what: &str| log::warn!("{}: {what} left out, {format:?} can't hold it", path.display());
        if let Some(icc) = &self.icc_profile
            && !(fits(icc, JPEG_ICC) && encoder.set_icc_profile(icc.clone()).is_ok())
        {
            left_out("ICC profile");
        }
        if let Some(exif) = &self.exif
            && !(fits(exif, JPEG_EXIF) && encoder.set_exif_metadata(exif.clone()).is_ok())
        {
            left_out("EXIF data");
        }
        encoder
    }

    /// The picture without alpha: laid over white where it isn't opaque.
    fn over_white(&self, path: &Path) -> Cow<'_, Self> {
        let Some(alpha) = &self.alpha else { return Cow::Borrowed(self) };
        let mut opaque = self.clone();
        opaque.alpha = None;
        if alpha.iter().any(|&a| pixels::unit(a) < 1.0) {
            log::warn!("{}: transparent pixels laid over white, JPEG can't hold them", path.display());
            for mut plane in opaque.planes.axis_iter_mut(Axis(0)) {
                plane.zip_mut_with(alpha, |v, &a| *v = 1.0 - pixels::unit(a) * (1.0 - pixels::unit(*v)));
            }
        }
        Cow::Owned(opaque)
    }
}
