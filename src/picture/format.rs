//! The picture formats that are read and written.

use crate::{Error, Result};
use image::ImageFormat;
use std::path::Path;

/// A picture file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// PNG: 8 and 16 bits, alpha, ICC, EXIF.
    Png,
    /// JPEG: 8 bits, lossy, ICC, EXIF.
    Jpeg,
    /// WebP: 8 bits, alpha, ICC, EXIF; read in both kinds, written lossless.
    WebP,
    /// TIFF: 8 and 16 bits, alpha, ICC.
    Tiff,
    /// BMP: 8 bits, alpha.
    Bmp,
}

impl Format {
    /// The file name extensions of pictures, in lower case, without the dot.
    pub const EXTENSIONS: [&str; 7] = ["png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp"];

    /// The format that a file name asks for by its extension, in any case; `None` for any other.
    pub fn of_extension(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" => Some(Self::Jpeg),
            "webp" => Some(Self::WebP),
            "tif" | "tiff" => Some(Self::Tiff),
            "bmp" => Some(Self::Bmp),
            _ => None,
        }
    }

    /// The format to save `path` in; call it before long work to find a bad name early.
    ///
    /// # Errors
    /// [`Error::Picture`] with the list of extensions where the name has none of them.
    pub fn for_saving(path: &Path) -> Result<Self> {
        Self::of_extension(path).ok_or_else(|| {
            let found = match path.extension() {
                Some(extension) => format!("cannot write .{} files", extension.to_string_lossy()),
                None => "the name to save as has no extension".into(),
            };
            Error::picture(path, format!("{found}; use one of .{}", Self::EXTENSIONS.join(", .")))
        })
    }

    /// The format that the first bytes of a file show, whatever its name; or why there is none.
    pub(super) fn of_content(bytes: &[u8]) -> Result<Self, String> {
        const READ: &str = "PNG, JPEG, WebP, TIFF and BMP are read";
        if bytes.is_empty() {
            return Err("the file is empty".into());
        }
        match image::guess_format(bytes) {
            Ok(ImageFormat::Png) => Ok(Self::Png),
            Ok(ImageFormat::Jpeg) => Ok(Self::Jpeg),
            Ok(ImageFormat::WebP) => Ok(Self::WebP),
            Ok(ImageFormat::Tiff) => Ok(Self::Tiff),
            Ok(ImageFormat::Bmp) => Ok(Self::Bmp),
            Ok(other) => {
                Err(format!("{} files are not supported; {READ}", format!("{other:?}").to_uppercase()))
            }
            Err(_) => Err(format!("not a known picture format; {READ}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_extension_has_a_format_in_any_case() {
        for extension in Format::EXTENSIONS {
            assert!(Format::of_extension(Path::new(&format!("a.{extension}"))).is_some());
            assert!(Format::of_extension(Path::new(&format!("A.{}", extension.to_uppercase()))).is_some());
        }
    }

    #[test]
    fn an_unknown_extension_is_told_which_ones_are_allowed() {
        for name in ["out.gif", "out", "out.", ".png"] {
            let message = Format::for_saving(Path::new(name)).unwrap_err().to_string();
            assert!(message.contains(".png, .jpg, .jpeg, .webp, .tif, .tiff, .bmp"), "{message}");
            assert!(message.contains(name) && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn content_that_is_no_picture_says_what_is_read() {
        for (bytes, expected) in [
            (&b""[..], "empty"),
            (b"hello there", "not a known"),
            (b"GIF89a.....", "GIF files are not supported"),
        ] {
            let reason = Format::of_content(bytes).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
