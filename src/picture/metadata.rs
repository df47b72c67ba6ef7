//! ICC profiles and EXIF data as files give them.

use image::metadata::Orientation;
use std::path::Path;

/// The profile, where it describes RGB pixels; else `None` and a warning.
///
/// Pixels are always RGB here, also from CMYK and grey files. A profile for other channels would
/// make the saved file invalid, so it goes; the values stay as decoded and count as sRGB. For
/// grey that shows only as a slightly different tone curve.
pub fn fitting_icc_profile(profile: Option<Vec<u8>>, name: &Path) -> Option<Vec<u8>> {
    const HEADER_BYTES: usize = 128;
    let profile = profile.filter(|p| !p.is_empty())?;
    let sound = profile.len() >= HEADER_BYTES && profile.get(36..40) == Some(b"acsp");
    match profile.get(16..20) {
        Some(b"RGB ") if sound => Some(profile),
        Some(space) if sound => {
            let space = String::from_utf8_lossy(space).trim().to_owned();
            log::warn!(
                "{}: ICC profile left out, it is for {space} and the pixels are RGB now",
                name.display()
            );
            None
        }
        _ => {
            log::warn!("{}: ICC profile left out, it is damaged", name.display());
            None
        }
    }
}

/// EXIF data from its TIFF header on, and the orientation that it held and holds no more.
///
/// Some WebP writers keep JPEG's `Exif\0\0` in front, which hides the orientation from readers
/// that go by the standard; it goes.
pub fn upright_exif(exif: Option<Vec<u8>>) -> (Option<Vec<u8>>, Option<Orientation>) {
    let Some(mut exif) = exif else { return (None, None) };
    if exif.starts_with(b"Exif\0\0") {
        exif.drain(..6);
    }
    if exif.is_empty() {
        return (None, None);
    }
    let orientation = Orientation::remove_from_exif_chunk(&mut exif);
    (Some(exif), orientation)
}
