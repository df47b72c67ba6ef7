//! PNG: is the palette made of whole colours?

/// The signature; chunks follow.
const SIGNATURE_BYTES: usize = 8;

/// Refuses a palette whose length isn't a multiple of three, or that has over 256 colours.
///
/// `png` 0.18.1 panics on such a length. What comes after the palette is left to the decoder.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    let mut rest = bytes.get(SIGNATURE_BYTES..).unwrap_or_default();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        match after.first_chunk() {
            Some(b"PLTE") if !length.is_multiple_of(3) || length > 3 * 256 => {
                return Err(format!("damaged: a palette of {length} bytes"));
            }
            Some(b"IDAT") => break,
            _ => {}
        }
        // The chunk's kind before its data, the checksum behind.
        rest = after.get(length.saturating_add(8)..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::tests::files;

    #[test]
    fn a_palette_of_broken_colours_is_refused() {
        let with_palette = |bytes: &[u8]| {
            files::png(files::png_header(1, 1, 8, 3), &[files::png_chunk(b"PLTE", bytes)], &[0, 0])
        };
        assert_eq!(check(&with_palette(&[1; 6])), Ok(()));
        for length in [1, 2, 8, 62, 771] {
            assert!(check(&with_palette(&vec![1; length])).unwrap_err().contains("palette"), "{length}");
        }
    }
}
