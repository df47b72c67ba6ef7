//! One sample on its way into a shard.

use super::super::gather::{Files, Source};
use super::super::library::{Opening, clean, pair};
use super::super::shard::Role;
use super::{QUALITIES, member};
use crate::frame::{from_rgb8, resize_bicubic, to_rgb8};
use crate::{Error, Result};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, RgbImage};
use std::sync::Arc;

/// A sample by its name in the shard.
pub(super) struct Item {
    pub(super) set: String,
    pub(super) key: String,
    files: Files,
}

/// What becomes of a picture's size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) largest_side: Option<u32>,
    /// Factor of the sides, above 0 to 1.
    pub(super) shrink: f64,
}

/// No side becomes shorter than this to make a shard fit: patches are cut from what is left.
const LEAST_SIDE: f64 = 128.0;

/// A picture to pack: its pixels, and its file where that may be packed as it is.
struct Original {
    name: String,
    rgb: Arc<RgbImage>,
    jpeg: Option<Vec<u8>>,
}

impl Item {
    pub(super) fn new(set: &str, key: &str, files: Files) -> Self {
        Self { set: member::set(set), key: member::key(key), files }
    }

    /// Bytes in the shard at each of the [`QUALITIES`].
    ///
    /// # Errors
    /// What is wrong with the sample's files.
    pub(super) fn costs(&self, size: &Size, opening: &Opening) -> Result<[u64; QUALITIES.len()]> {
        let originals = self.originals(size, opening)?;
        let mut costs = [0; QUALITIES.len()];
        for (cost, quality) in costs.iter_mut().zip(QUALITIES) {
            for original in &originals {
                *cost += member::cost(&original.name, original.encode(quality)?.len());
            }
        }
        Ok(costs)
    }

    /// Names and bytes at a quality.
    ///
    /// # Errors
    /// As [`Self::costs`].
    pub(super) fn members(
        &self,
        size: &Size,
        opening: &Opening,
        quality: u8,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        let originals = self.originals(size, opening)?.into_iter();
        originals.map(|original| Ok((original.name.clone(), original.encode(quality)?))).collect()
    }

    fn originals(&self, size: &Size, opening: &Opening) -> Result<Vec<Original>> {
        let original = |role, rgb: Arc<RgbImage>, source: &Option<Source>| {
            let name = member::name(&self.set, &self.key, role);
            Ok(match size.shrunk(&rgb)? {
                Some(smaller) => Original { name, rgb: Arc::new(smaller), jpeg: None },
                None => Original { name, rgb, jpeg: source.as_ref().map_or(Ok(None), Source::jpeg)? },
            })
        };
        if self.files.clean.is_some() {
            // A set of both is refused when it is read; here each would shadow the other.
            if self.files.input.is_some() || self.files.target.is_some() {
                return Err(Error::Input(format!(
                    "set {}: {} is both a clean picture and of a pair",
                    self.set, self.key
                )));
            }
            return Ok(vec![original(Role::Clean, clean(&self.files, opening)?, &self.files.clean)?]);
        }
        let both = pair(&self.files, &self.set, opening)?;
        Ok(vec![
            original(Role::Input, both.input, &self.files.input)?,
            original(Role::Target, both.target, &self.files.target)?,
        ])
    }
}

impl Original {
    fn encode(&self, quality: u8) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let (width, height) = self.rgb.dimensions();
        JpegEncoder::new_with_quality(&mut bytes, quality)
            .encode(&self.rgb, width, height, ExtendedColorType::Rgb8)
            .map_err(|e| Error::picture(self.name.as_ref(), e))?;
        // Saving a JPEG once more loses something, so it must be worth it.
        let worth = bytes.len() + bytes.len() / 10;
        Ok(self.jpeg.as_ref().filter(|jpeg| jpeg.len() <= worth).cloned().unwrap_or(bytes))
    }
}

impl Size {
    /// The picture at this size; `None` where it keeps its own.
    fn shrunk(&self, rgb: &RgbImage) -> Result<Option<RgbImage>> {
        let (width, height) = (f64::from(rgb.width()), f64::from(rgb.height()));
        let fit = self.largest_side.map_or(1.0, |side| f64::from(side) / width.max(height));
        let least = (LEAST_SIDE / width.min(height)).min(1.0);
        let factor = fit.min(self.shrink.max(least)).min(1.0);
        if factor == 1.0 {
            return Ok(None);
        }
        let side = |length: f64| ((length * factor).round() as usize).max(1);
        let planes = resize_bicubic(from_rgb8(rgb).view(), side(height), side(width))?;
        Ok(Some(to_rgb8(planes.view())))
    }
}
