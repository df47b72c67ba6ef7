//! TIFF: do the tags, and JPEG data inside, claim more than they may?

use super::{Limits, TRUNCATED, jpeg};

const COMPRESSION_TAG: u16 = 259;
const JPEG_COMPRESSION: u32 = 7;

/// Checks the first directory (the only one decoded): every tag's values must fit in the file.
///
/// The decoder allocates for a tag by its count, and for JPEG-compressed strips by the size in
/// the JPEG header, which is checked against `limits` too.
pub fn check(bytes: &[u8], limits: &Limits) -> Result<(), String> {
    let read = Reader { bytes, big_endian: bytes.starts_with(b"MM") };
    let directory = read.u32(4).ok_or(TRUNCATED)? as usize;
    let entries = usize::from(read.u16(directory).ok_or(TRUNCATED)?);
    for i in 0..entries {
        let at = directory.saturating_add(2 + 12 * i);
        let (Some(tag), Some(kind), Some(count)) = (read.u16(at), read.u16(at + 2), read.u32(at + 4)) else {
            return Err(TRUNCATED.into());
        };
        if value_bytes(kind) * u64::from(count) > bytes.len() as u64 {
            return Err(format!("damaged: tag {tag} claims {count} values, more than the file holds"));
        }
        // A short is in the first two of the value's four bytes.
        let value = read.u16(at + 8).map(u32::from);
        if tag == COMPRESSION_TAG && value == Some(JPEG_COMPRESSION) {
            let pixels = jpeg::most_pixels(bytes);
            if pixels > limits.max_pixels {
                return Err(format!(
                    "JPEG data of {:.1} megapixels inside is over the limit",
                    pixels as f64 / 1e6
                ));
            }
        }
    }
    Ok(())
}

/// Bytes of one value of a TIFF field type; 1 for types that no one has defined.
fn value_bytes(kind: u16) -> u64 {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 1,
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl Reader<'_> {
    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one directory of one tag, and bytes behind it.
    fn file(tag: u16, kind: u16, count: u32, value: u16, behind: &[u8]) -> Vec<u8> {
        let mut bytes = [&b"II*\0"[..], &8u32.to_le_bytes(), &1u16.to_le_bytes()].concat();
        bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        bytes.extend(count.to_le_bytes());
        bytes.extend([value, 0].map(u16::to_le_bytes).concat());
        [bytes, behind.to_vec()].concat()
    }

    #[test]
    fn a_tag_that_claims_more_than_the_file_holds_is_refused() {
        let limits = Limits::default();
        assert_eq!(check(&file(273, 4, 5, 0, &[]), &limits), Ok(()));
        assert!(check(&file(273, 4, 1 << 30, 0, &[]), &limits).unwrap_err().contains("tag 273"));
        assert_eq!(check(b"II*\0\xFF\xFF\xFF\xFF", &limits), Err(TRUNCATED.into()));
    }

    #[test]
    fn oversized_jpeg_data_inside_is_refused() {
        let frame = [0xFF, 0xC0, 0, 17, 8, 0xFF, 0xFF, 0xFF, 0xFF, 3];
        let limits = Limits::default();
        assert!(check(&file(COMPRESSION_TAG, 3, 1, 7, &frame), &limits).unwrap_err().contains("megapixels"));
        assert_eq!(check(&file(COMPRESSION_TAG, 3, 1, 1, &frame), &limits), Ok(()));
    }
}
