//! JPEG: is the file whole?

use super::TRUNCATED;

/// Start-of-scan: the compressed pixels follow.
const SOS: u8 = 0xDA;
/// End-of-image.
const EOI: u8 = 0xD9;

/// Finds the end-of-image marker behind the first scan.
///
/// The decoder renders what a truncated file lacks as flat grey, which would pass for a picture.
/// Segments before the scan are stepped over, as an EXIF thumbnail has an end marker of its own.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let Some(at) = rest.windows(2).position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xFF)) {
        let (marker, body) = (rest[at + 1], &rest[at + 2..]);
        if marker == SOS {
            // Inside the scan an FF is always followed by a zero or a restart marker.
            let complete = body.windows(2).any(|pair| pair == [0xFF, EOI]);
            return if complete { Ok(()) } else { Err(TRUNCATED.into()) };
        }
        rest = match *body {
            // Restart markers, start- and end-of-image have no body.
            _ if matches!(marker, 0x01 | 0xD0..=0xD9) => body,
            [high, low, ..] => body.get(usize::from(u16::from_be_bytes([high, low]))..).unwrap_or_default(),
            _ => break,
        };
    }
    Err(TRUNCATED.into())
}

/// The largest width times height that any JPEG frame header in `bytes` states.
///
/// For JPEG inside other files, where the pieces are found by their markers.
pub fn most_pixels(bytes: &[u8]) -> u64 {
    let sizes = bytes.windows(10).filter_map(|at| match *at {
        [0xFF, 0xC0..=0xC2, length_high, length, 8, h1, h0, w1, w0, components] => {
            let stated = u16::from_be_bytes([length_high, length]);
            let plausible = stated == 8 + 3 * u16::from(components);
            plausible
                .then(|| u64::from(u16::from_be_bytes([w1, w0])) * u64::from(u16::from_be_bytes([h1, h0])))
        }
        _ => None,
    });
    sizes.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_marker_of_a_thumbnail_does_not_count() {
        let thumbnail = [0xFF, 0xE1, 0, 6, 0xFF, SOS, 0xFF, EOI];
        let scan = [0xFF, SOS, 0, 2, 1, 2, 3, 0xFF, 0, 4];
        let cut = [&[0xFF, 0xD8][..], &thumbnail, &scan].concat();
        assert!(check(&cut).is_err());
        assert!(check(&[&cut[..], &[0xFF, EOI]].concat()).is_ok());
        assert!(check(&[0xFF, 0xD8, 0xFF]).is_err());
    }

    #[test]
    fn frame_headers_are_found_anywhere() {
        let frame = [7, 7, 0xFF, 0xC2, 0, 17, 8, 0x10, 0, 0x20, 0, 3, 0];
        assert_eq!(most_pixels(&frame), 0x1000 * 0x2000);
        assert_eq!(most_pixels(&frame[..9]), 0);
    }
}
