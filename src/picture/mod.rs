//! Picture files in and out, and the comparison pictures made from them.
//!
//! ```no_run
//! use std::path::Path;
//! use vlunet::picture::{Limits, Picture, SaveOptions};
//!
//! # fn main() -> vlunet::Result<()> {
//! let mut picture = Picture::open(Path::new("dashcam.jpg"), &Limits::default())?;
//! picture.planes.mapv_inplace(|v| v.powf(0.8));
//! picture.save(Path::new("brighter.jpg"), &SaveOptions::default())?;
//! # Ok(())
//! # }
//! ```

pub mod compare;
pub mod folder;
mod format;
mod lettering;
mod limits;
mod metadata;
mod open;
mod pixels;
mod precheck;
mod save;
pub mod sheet;
#[cfg(test)]
mod tests;

pub use format::Format;
pub use limits::Limits;
pub use save::SaveOptions;

use crate::frame::Planes;
use ndarray::Array2;

/// A decoded picture with what its file said about it.
///
/// The pixels stand upright: an EXIF or TIFF orientation is applied on opening, and the kept
/// EXIF data says "upright". An embedded EXIF thumbnail stays as it was in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The pixels, `[3, H, W]`, RGB in 0..=1, encoded as in the file (sRGB where there is no
    /// `icc_profile`). Grey files give three equal planes.
    pub planes: Planes,
    /// Opacity, `[H, W]` in 0..=1, not multiplied into the pixels; `None` where the file has none.
    pub alpha: Option<Array2<f32>>,
    /// How many bits per sample the file had, and a saved file gets where its format can.
    pub depth: BitDepth,
    /// The ICC profile, byte for byte as in the file; always one for RGB pixels.
    pub icc_profile: Option<Vec<u8>>,
    /// The EXIF data from its TIFF header on, without a leading `Exif\0\0`.
    pub exif: Option<Vec<u8>>,
}

/// Bits per sample of a picture file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BitDepth {
    /// At most 8 bits.
    Eight,
    /// 16 bits; also what 32-bit float files count as.
    Sixteen,
}

impl Picture {
    /// An opaque 8-bit picture without metadata from planes `[3, H, W]`, RGB in 0..=1.
    pub fn new(planes: Planes) -> Self {
        Self { planes, alpha: None, depth: BitDepth::Eight, icc_profile: None, exif: None }
    }

    /// Pixels per row.
    pub fn width(&self) -> usize {
        self.planes.dim().2
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.planes.dim().1
    }
}
