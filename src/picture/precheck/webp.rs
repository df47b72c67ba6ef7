//! WebP: do the chunks lie inside the file, and the frames inside the picture?

use super::TRUNCATED;

/// The chunks that the decoder reads into memory by their stated length, or decodes.
const READ_CHUNKS: [&[u8; 4]; 8] = [b"ICCP", b"EXIF", b"XMP ", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L"];
/// `RIFF`, its length, `WEBP`.
const RIFF_HEADER: usize = 12;
/// Bytes of an animation frame's chunk before the chunks inside it.
const FRAME_HEADER: usize = 16;

/// Checks every chunk's length against the file, and every frame's size against the picture's.
///
/// The decoder allocates for both before it compares them.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    // Only the extended kind states a size of its own, which its frames can disagree with.
    let canvas = match chunk_at(bytes, RIFF_HEADER) {
        Some((b"VP8X", _, [_, _, _, _, w0, w1, w2, h0, h1, h2, ..])) => {
            let side = |low: u8, middle: u8, high: u8| u32::from_le_bytes([low, middle, high, 0]) + 1;
            Some((side(*w0, *w1, *w2), side(*h0, *h1, *h2)))
        }
        _ => None,
    };
    check_chunks(bytes, RIFF_HEADER, canvas)
}

fn check_chunks(bytes: &[u8], mut position: usize, canvas: Option<(u32, u32)>) -> Result<(), String> {
    while let Some((kind, length, body)) = chunk_at(bytes, position) {
        if READ_CHUNKS.contains(&kind) && body.len() < length {
            return Err(TRUNCATED.into());
        }
        if let (Some((width, height)), Some((w, h))) = (canvas, frame_size(kind, body))
            && (w > width || h > height)
        {
            return Err(format!("damaged: a {w}x{h} frame in a {width}x{height} picture"));
        }
        if kind == b"ANMF" {
            check_chunks(body, FRAME_HEADER, canvas)?;
        }
        // Chunks start at even offsets.
        position = position.saturating_add(8).saturating_add(length).saturating_add(length % 2);
    }
    Ok(())
}

/// The kind, the stated length and the body (shorter in a truncated file) of a chunk.
fn chunk_at(bytes: &[u8], position: usize) -> Option<(&[u8; 4], usize, &[u8])> {
    let (kind, rest) = bytes.get(position..)?.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    Some((kind, length, rest.get(..length).unwrap_or(rest)))
}

/// The width and height that the header of a compressed frame states.
fn frame_size(kind: &[u8; 4], body: &[u8]) -> Option<(u32, u32)> {
    const SIDE: u32 = 0x3FFF;
    match (kind, body) {
        (b"VP8 ", &[_, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1, ..]) => {
            let side = |low, high| u32::from(u16::from_le_bytes([low, high])) & SIDE;
            Some((side(w0, w1), side(h0, h1)))
        }
        (b"VP8L", &[0x2F, a, b, c, d, ..]) => {
            let sides = u32::from_le_bytes([a, b, c, d]);
            Some(((sides & SIDE) + 1, (sides >> 14 & SIDE) + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = [&kind[..], &(body.len() as u32).to_le_bytes(), body].concat();
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    }

    fn extended(chunks: &[Vec<u8>]) -> Vec<u8> {
        // A 16x8 picture.
        let header = chunk(b"VP8X", &[0, 0, 0, 0, 15, 0, 0, 7, 0, 0]);
        [&b"RIFF\0\0\0\0WEBP"[..], &header, &chunks.concat()].concat()
    }

    fn lossy(width: u16, height: u16) -> Vec<u8> {
        let [w0, w1] = width.to_le_bytes();
        let [h0, h1] = height.to_le_bytes();
        chunk(b"VP8 ", &[0, 0, 0, 0x9D, 1, 0x2A, w0, w1, h0, h1, 0])
    }

    #[test]
    fn a_frame_larger_than_its_picture_is_refused_also_in_an_animation() {
        assert_eq!(check(&extended(&[lossy(16, 8)])), Ok(()));
        assert!(check(&extended(&[lossy(16383, 8)])).unwrap_err().contains("16383x8 frame"));
        let frame = chunk(b"ANMF", &[vec![0; FRAME_HEADER], lossy(16, 9)].concat());
        assert!(check(&extended(&[frame])).unwrap_err().contains("16x9 frame"));
        let lossless = chunk(b"VP8L", &[0x2F, 0xFF, 0xFF, 0xFF, 0x0F]);
        assert!(check(&extended(&[lossless])).unwrap_err().contains("16384x16384 frame"));
    }

    #[test]
    fn a_chunk_that_claims_more_than_the_file_holds_is_refused() {
        let mut exif = chunk(b"EXIF", &[1, 2, 3, 4]);
        assert_eq!(check(&extended(&[exif.clone()])), Ok(()));
        exif[7] = 0xFF;
        assert_eq!(check(&extended(&[exif])), Err(TRUNCATED.into()));
    }
}
