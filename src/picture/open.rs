//! From a file's bytes to a [`Picture`].

use super::{Format, Limits, Picture, metadata, pixels, precheck};
use crate::{Error, Result};
use image::codecs::{
    bmp::BmpDecoder, jpeg::JpegDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder,
};
use image::{DynamicImage, ImageDecoder, ImageError, ImageResult};
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

impl Picture {
    /// Opens a PNG, JPEG, WebP, TIFF or BMP file, told apart by content and not by name.
    ///
    /// The first frame of an animation counts. Grey, palette and CMYK files become RGB; an ICC
    /// profile that isn't for RGB is left out with a warning. Float samples are clamped to 0..=1.
    ///
    /// # Errors
    /// [`Error::Io`] where the file can't be read; [`Error::Picture`] where it is empty, no
    /// picture, truncated, damaged, of an unsupported kind, or over the `limits`.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self> {
        Self::decode(&read(path, limits)?, path, limits)
    }

    /// [`Picture::open`] for bytes at hand; `name` is for the messages alone.
    ///
    /// Takes any bytes at all without a panic, so this is a fuzz target's whole body:
    ///
    /// ```
    /// # use vlunet::picture::{Limits, Picture};
    /// # let data = b"any bytes";
    /// let limits = Limits { max_pixels: 1 << 20, max_alloc: 64 << 20, ..Limits::default() };
    /// let _ = Picture::decode(data, "fuzz".as_ref(), &limits);
    /// ```
    ///
    /// # Errors
    /// [`Error::Picture`], as [`Picture::open`].
    pub fn decode(bytes: &[u8], name: &Path, limits: &Limits) -> Result<Self> {
        guarded(name, || decode_unguarded(bytes, name, limits))
    }
}

/// Turns a decoder's panic into an error: one damaged file must not end a batch of thousands.
///
/// None is known; `precheck` keeps the one there was from its decoder.
fn guarded<T>(name: &Path, decode: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(Error::picture(name, "damaged in a way that its decoder can't handle")))
}

/// [`Picture::decode`] without the net under the decoders, for tests that look for their panics.
pub(super) fn decode_unguarded(bytes: &[u8], name: &Path, limits: &Limits) -> Result<Picture> {
    let because = |reason: String| Error::picture(name, reason);
    let failed = |error: ImageError| Error::picture(name, explained(&error));

    let format = Format::of_content(bytes).map_err(because)?;
    precheck::check(format, bytes, limits).map_err(because)?;
    let mut decoder = decoder_of(format, bytes, limits).map_err(failed)?;
    let (width, height) = decoder.dimensions();
    limits.check(width, height, decoder.color_type().bytes_per_pixel()).map_err(because)?;

    // Before `set_limits`, whose budget for the samples of a small TIFF is too small for its
    // profile.
    let icc_profile = optional(decoder.icc_profile(), "ICC profile", name);
    let (exif, orientation) = metadata::upright_exif(optional(decoder.exif_metadata(), "EXIF data", name));
    let orientation = match orientation {
        Some(orientation) => orientation,
        // TIFF keeps it in a tag of its own.
        None => decoder.orientation().map_err(failed)?,
    };

    decoder.set_limits(limits.for_decoder(decoder.total_bytes(), bytes.len())).map_err(failed)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    image.apply_orientation(orientation);

    let (planes, alpha) = pixels::split(&image);
    let icc_profile = metadata::fitting_icc_profile(icc_profile, name);
    Ok(Picture { planes, alpha, depth: pixels::depth_of(&image), icc_profile, exif })
}

fn decoder_of<'a>(
    format: Format,
    bytes: &'a [u8],
    limits: &Limits,
) -> ImageResult<Box<dyn ImageDecoder + 'a>> {
    let reader = Cursor::new(bytes);
    Ok(match format {
        Format::Png => Box::new(PngDecoder::with_limits(reader, limits.for_header())?),
        Format::Jpeg => Box::new(JpegDecoder::new(reader)?),
        Format::WebP => Box::new(WebPDecoder::new(reader)?),
        Format::Tiff => Box::new(TiffDecoder::new(reader)?),
        Format::Bmp => Box::new(BmpDecoder::new(reader)?),
    })
}

/// Metadata that can't be read is worth a warning, not the picture.
fn optional(found: ImageResult<Option<Vec<u8>>>, what: &str, name: &Path) -> Option<Vec<u8>> {
    found.unwrap_or_else(|error| {
        log::warn!("{}: {what} left out: {}", name.display(), explained(&error));
        None
    })
}

fn explained(error: &ImageError) -> String {
    match error {
        ImageError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => precheck::TRUNCATED.into(),
        ImageError::Limits(_) => "needs more memory than the limits allow (damaged file?)".into(),
        other => other.to_string(),
    }
}

/// The file's bytes; at most `max_alloc` of them are ever read, whatever kind of file it is.
fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let info = file.metadata().map_err(Error::io("read", path))?;
    if info.is_dir() {
        return Err(Error::picture(path, "this is a folder, not a picture"));
    }
    let mut bytes = Vec::new();
    if info.len() <= limits.max_alloc {
        file.take(limits.max_alloc.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(Error::io("read", path))?;
    }
    if info.len().max(bytes.len() as u64) > limits.max_alloc {
        let allowed = limits.max_alloc >> 20;
        return Err(Error::picture(path, format!("the file is over the limit of {allowed} MiB")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoders_panic_is_one_clear_line() {
        let result: Result<()> = guarded(Path::new("a.png"), || panic!("from inside a decoder"));
        assert!(result.unwrap_err().to_string().starts_with("picture a.png: damaged"));
    }
}
