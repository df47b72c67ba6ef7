//! YUV in three planes, as video files and Y4M have it, to interleaved RGB and back.

use super::colour::{ToRgb, ToYuv};
use super::{Colour, Range};
use crate::{Error, Result};

/// How much smaller than Y the planes U and V are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subsampling {
    /// Y alone.
    Mono,
    /// Half as wide and half as high, rounded up.
    Yuv420,
    /// Half as wide, rounded up.
    Yuv422,
    /// As large.
    Yuv444,
}

impl Subsampling {
    /// Width and height of U and V for those of Y.
    pub fn chroma_size(self, width: usize, height: usize) -> (usize, usize) {
        match self {
            Self::Mono => (0, 0),
            Self::Yuv420 => (width.div_ceil(2), height.div_ceil(2)),
            Self::Yuv422 => (width.div_ceil(2), height),
            Self::Yuv444 => (width, height),
        }
    }
}

/// Writes the RGB of planes Y, U and V, each without gaps, to `rgb`, `3·width·height` bytes.
/// Every pixel takes the U and V that cover it.
///
/// # Errors
/// [`Error::Input`] where a plane or `rgb` has another length than the size demands.
pub fn planar_to_rgb(
    [y, u, v]: [&[u8]; 3],
    (width, height): (usize, usize),
    subsampling: Subsampling,
    colour: Colour,
    rgb: &mut [u8],
) -> Result<()> {
    let (across, down) = subsampling.chroma_size(width, height);
    let pixels = width * height;
    if y.len() != pixels || u.len() != across * down || v.len() != u.len() || rgb.len() != 3 * pixels {
        return Err(Error::Input(format!("planes that are none of {width}x{height} {subsampling:?}")));
    }
    if pixels == 0 {
        return Ok(());
    }
    let to_rgb = ToRgb::new(colour);
    let rows = y.chunks_exact(width).zip(rgb.chunks_exact_mut(3 * width));
    for (row, (y, rgb)) in rows.enumerate() {
        let chroma_row = if subsampling == Subsampling::Yuv420 { row / 2 } else { row };
        let (u, v) = match subsampling {
            Subsampling::Mono => (u, v),
            _ => (&u[across * chroma_row..][..across], &v[across * chroma_row..][..across]),
        };
        let pixels = y.iter().zip(rgb.as_chunks_mut::<3>().0);
        match subsampling {
            Subsampling::Mono => {
                let full = colour.range == Range::Full;
                pixels.for_each(|(&y, rgb)| *rgb = [if full { y } else { to_rgb.stretch(y) }; 3]);
            }
            Subsampling::Yuv444 => {
                for ((&y, rgb), (&u, &v)) in pixels.zip(u.iter().zip(v)) {
                    *rgb = to_rgb.pixel(y, to_rgb.chroma(u, v));
                }
            }
            Subsampling::Yuv420 | Subsampling::Yuv422 => {
                let pairs = y.chunks(2).zip(rgb.chunks_mut(6));
                for ((y, rgb), (&u, &v)) in pairs.zip(u.iter().zip(v)) {
                    let chroma = to_rgb.chroma(u, v);
                    for (&y, rgb) in y.iter().zip(rgb.as_chunks_mut::<3>().0) {
                        *rgb = to_rgb.pixel(y, chroma);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Turns interleaved RGB into planes Y, U, V at 4:2:0; U and V are of the mean of the pixels
/// that they cover. The planes keep their memory.
///
/// # Errors
/// [`Error::Input`] where `rgb` isn't `3·width·height` bytes.
pub fn rgb_to_planar_420(
    rgb: &[u8],
    (width, height): (usize, usize),
    colour: Colour,
    [y, u, v]: &mut [Vec<u8>; 3],
) -> Result<()> {
    if rgb.len() != 3 * width * height || rgb.is_empty() {
        return Err(Error::Input(format!("{} bytes for the RGB of {width}x{height} pixels", rgb.len())));
    }
    let (across, down) = Subsampling::Yuv420.chroma_size(width, height);
    y.resize(width * height, 0);
    u.resize(across * down, 0);
    v.resize(across * down, 0);
    let to_yuv = ToYuv::new(colour);
    for (y, rgb) in y.iter_mut().zip(rgb.as_chunks::<3>().0) {
        *y = to_yuv.luma(*rgb);
    }
    let chroma_rows = u.chunks_exact_mut(across).zip(v.chunks_exact_mut(across));
    for (rows, (u, v)) in rgb.chunks(6 * width).zip(chroma_rows) {
        let (above, below) = rows.split_at(3 * width);
        let (above, below) = (above.as_chunks::<3>().0, below.as_chunks::<3>().0);
        // The last row of an odd height covers itself alone, and so does the last column.
        let below = if below.is_empty() { above } else { below };
        let squares = above.chunks(2).zip(below.chunks(2));
        for ((above, below), (u, v)) in squares.zip(u.iter_mut().zip(v)) {
            let column = |x: usize| {
                let (a, b) = (above[x.min(above.len() - 1)], below[x.min(below.len() - 1)]);
                // Rounded up, then down, so that the mean of four has no bias.
                std::array::from_fn(|c| {
                    (u16::from(a[c]) + u16::from(b[c]) + (x as u16 & 1)).div_euclid(2) as u8
                })
            };
            (*u, *v) = to_yuv.chroma(column(0), column(1));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Matrix;

    const COLOUR: Colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };

    #[test]
    fn smooth_pictures_survive_the_way_through_420_at_any_size() {
        for (width, height) in [(16, 8), (15, 7), (1, 1), (2, 1), (1, 3)] {
            let rgb: Vec<u8> = (0..height)
                .flat_map(|y| (0..width).flat_map(move |x| [40 + 6 * x, 90 + 9 * y, 200 - 4 * x]))
                .map(|value| value as u8)
                .collect();
            let mut planes = [vec![], vec![], vec![]];
            rgb_to_planar_420(&rgb, (width, height), COLOUR, &mut planes).unwrap();
            let mut back = vec![0; rgb.len()];
            let views = [&planes[0][..], &planes[1][..], &planes[2][..]];
            planar_to_rgb(views, (width, height), Subsampling::Yuv420, COLOUR, &mut back).unwrap();
            let worst = rgb.iter().zip(&back).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(12), "{width}x{height}: {worst:?}");
        }
    }

    #[test]
    fn each_subsampling_finds_its_chroma() {
        // Red, as BT.601 in limited range has it, left of grey.
        let (y, red, grey) = ([81u8, 81, 81, 126], (90u8, 240u8), (128u8, 128u8));
        for (subsampling, at) in
            [(Subsampling::Yuv444, [red, red, red, grey]), (Subsampling::Yuv422, [red; 4])]
        {
            let count = subsampling.chroma_size(2, 2);
            let chroma: Vec<(u8, u8)> = match subsampling {
                Subsampling::Yuv444 => at.to_vec(),
                _ => vec![red; count.0 * count.1],
            };
            let (u, v): (Vec<u8>, Vec<u8>) = chroma.into_iter().unzip();
            let mut rgb = [0; 12];
            planar_to_rgb([&y, &u, &v], (2, 2), subsampling, COLOUR, &mut rgb).unwrap();
            assert!(rgb[0] >= 252 && rgb[1] <= 3 && rgb[2] <= 3, "{subsampling:?}: {rgb:?}");
            let last = &rgb[9..];
            let is_grey = last.iter().all(|value| value.abs_diff(last[0]) <= 1);
            assert_eq!(is_grey, subsampling == Subsampling::Yuv444, "{subsampling:?}: {rgb:?}");
        }
        let mut rgb = [0; 12];
        planar_to_rgb([&[16, 235, 126, 16], &[], &[]], (2, 2), Subsampling::Mono, COLOUR, &mut rgb).unwrap();
        assert_eq!((rgb[0], rgb[3], rgb[6]), (0, 255, 128));
    }

    #[test]
    fn planes_of_another_size_are_refused() {
        let mut rgb = [0; 12];
        let mut convert = |y: &[u8], u: &[u8], v: &[u8]| {
            planar_to_rgb([y, u, v], (2, 2), Subsampling::Yuv420, COLOUR, &mut rgb)
        };
        assert!(convert(&[0; 4], &[0; 1], &[0; 1]).is_ok());
        assert!(convert(&[0; 3], &[0; 1], &[0; 1]).is_err());
        assert!(convert(&[0; 4], &[0; 2], &[0; 1]).is_err());
        assert!(rgb_to_planar_420(&[0; 11], (2, 2), COLOUR, &mut [vec![], vec![], vec![]]).is_err());
    }
}
