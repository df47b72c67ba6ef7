//! How large a picture may be, checked before memory is taken for it.

/// Bounds on the pictures that are opened, against damaged headers and decompression bombs.
///
/// All are checked on the file's header, before its pixels are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels; by default 66 million, twice 8K (7680x4320).
    pub max_pixels: u64,
    /// Most pixels along a side; by default 32768.
    pub max_side: u32,
    /// Most bytes for the file, and for decoding it: samples, the decoder's own buffers and the
    /// float planes together; by default 2 GiB, enough for `max_pixels` at 16 bits with alpha.
    pub max_alloc: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 7680 * 4320 * 2, max_side: 32768, max_alloc: 2 << 30 }
    }
}

/// The decoders count bytes in `u32` in places, so no limit reaches beyond this many pixels.
const MOST_PIXELS: u64 = (1 << 30) - 1;

impl Limits {
    /// Whether a picture of this size, with this many decoded bytes per pixel, may be decoded;
    /// or why not.
    pub(super) fn check(&self, width: u32, height: u32, bytes_per_pixel: u8) -> Result<(), String> {
        if width == 0 || height == 0 {
            return Err(format!("its header says {width}x{height} pixels (damaged file?)"));
        }
        if width.max(height) > self.max_side {
            return Err(format!("{width}x{height} is over the limit of {} pixels a side", self.max_side));
        }
        let pixels = u64::from(width) * u64::from(height);
        let most = self.max_pixels.min(MOST_PIXELS);
        if pixels > most {
            return Err(format!("{width}x{height} is over the limit of {:.1} megapixels", most as f64 / 1e6));
        }
        let needed = pixels.saturating_mul(working_bytes_per_pixel(bytes_per_pixel));
        if needed > self.max_alloc {
            let (needed, allowed) = (needed >> 20, self.max_alloc >> 20);
            return Err(format!(
                "{width}x{height} needs {needed} MiB to decode, over the limit of {allowed} MiB"
            ));
        }
        Ok(())
    }

    /// What the decoder of an accepted picture may take, given the bytes of its samples and file.
    ///
    /// Tighter than `max_alloc`, so that a tag that lies about its length is caught; the slack is
    /// for tiles that are larger than the picture.
    pub(super) fn for_decoder(&self, sample_bytes: u64, file_bytes: usize) -> image::Limits {
        const SLACK: u64 = 32 << 20;
        let budget = sample_bytes.saturating_mul(3).saturating_add(file_bytes as u64 + SLACK);
        let mut limits = image::Limits::no_limits();
        limits.max_alloc = Some(budget.min(self.max_alloc));
        limits
    }

    /// What a decoder may take for metadata before the picture's size is known.
    pub(super) fn for_header(&self) -> image::Limits {
        const METADATA: u64 = 64 << 20;
        let mut limits = image::Limits::no_limits();
        limits.max_alloc = Some(METADATA.min(self.max_alloc));
        limits
    }
}

/// The decoder's samples, its working copy of them, and four float planes.
fn working_bytes_per_pixel(decoded: u8) -> u64 {
    2 * u64::from(decoded) + 4 * size_of::<f32>() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_8k_picture_with_alpha_and_16_bits_is_within_the_default_limits() {
        assert_eq!(Limits::default().check(7680, 4320 * 2, 8), Ok(()));
    }

    #[test]
    fn each_limit_is_enforced_on_its_own() {
        let limits = Limits { max_pixels: 1000, max_side: 100, max_alloc: 20_000 };
        assert_eq!(limits.check(50, 15, 3), Ok(()));
        assert!(limits.check(101, 1, 1).unwrap_err().contains("100 pixels a side"));
        assert!(limits.check(50, 21, 1).unwrap_err().contains("megapixels"));
        assert!(limits.check(50, 19, 8).unwrap_err().contains("MiB"));
        assert!(limits.check(0, 5, 1).unwrap_err().contains("0x5"));
    }

    #[test]
    fn limits_of_the_caller_cannot_overflow_the_decoders() {
        let open = Limits { max_pixels: u64::MAX, max_side: u32::MAX, max_alloc: u64::MAX };
        assert!(open.check(u32::MAX, u32::MAX, 16).is_err());
        assert!(open.check(32768, 32768, 3).is_err());
    }
}
