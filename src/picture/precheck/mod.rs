//! What a file must show before its decoder sees it.
//!
//! The decoders take a file's word for some lengths and allocate on it, one fills what a truncated
//! file lacks with grey, and one panics on a broken palette. These checks read a few bytes of the file's structure and
//! allocate nothing.

mod jpeg;
mod png;
mod tiff;
mod webp;

use super::{Format, Limits};

/// What is said of any file that stops before its data does.
pub const TRUNCATED: &str = "the file ends too early (truncated?)";

/// Whether the file's structure holds together; or why not.
pub fn check(format: Format, bytes: &[u8], limits: &Limits) -> Result<(), String> {
    match format {
        Format::Jpeg => jpeg::check(bytes),
        Format::WebP => webp::check(bytes),
        Format::Tiff => tiff::check(bytes, limits),
        Format::Png => png::check(bytes),
        // Its decoder checks as it goes.
        Format::Bmp => Ok(()),
    }
}
