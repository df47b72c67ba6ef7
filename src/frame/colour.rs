//! How Y, U and V stand for colours: the matrix and the range, and the arithmetic that they
//! amount to.
//!
//! With luma weights Kr and Kb, Kg = 1 − Kr − Kb, and Y in 0..=1, U and V in −½..=½:
//!
//! R = Y + 2(1 − Kr)V, B = Y + 2(1 − Kb)U, G = Y − 2(1 − Kb)(Kb/Kg)U − 2(1 − Kr)(Kr/Kg)V
//!
//! (Rec. ITU-R BT.601-7, 2.5; BT.709-6, 3). In limited range Y is 16..=235 and U, V are
//! 16..=240; in full range they are 0..=255.

/// The weights that luma is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// Standard definition, webcams, JPEG.
    Bt601,
    /// High definition: HDMI, most video files.
    Bt709,
    /// Ultra-high definition, constant luminance not included.
    Bt2020,
}

impl Matrix {
    /// Kr and Kb.
    pub const fn weights(self) -> (f64, f64) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            Self::Bt2020 => (0.2627, 0.0593),
        }
    }
}

/// The numbers that black and white are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// 16 and 235; chroma 16..=240.
    Limited,
    /// 0 and 255.
    Full,
}

/// What samples mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// The weights that luma is made with.
    pub matrix: Matrix,
    /// The numbers that black and white are; holds for RGB and grey, too.
    pub range: Range,
}

impl Colour {
    /// What webcams deliver as YUV where they state nothing.
    pub const WEBCAM: Self = Self { matrix: Matrix::Bt601, range: Range::Limited };
    /// RGB as pictures have it.
    pub const FULL: Self = Self { matrix: Matrix::Bt601, range: Range::Full };
}

/// From here on a video file is in high definition.
const HD_HEIGHT: u32 = 720;

impl Colour {
    /// What players take a video file of that height for where it states nothing.
    pub const fn of_video(height: u32) -> Self {
        let matrix = if height < HD_HEIGHT { Matrix::Bt601 } else { Matrix::Bt709 };
        Self { matrix, range: Range::Limited }
    }
}

/// Fixed point with this many bits behind the point: the factors stay below 2¹⁵, so that
/// compilers find multiplications of 16-bit lanes.
const SHIFT: u32 = 13;
const HALF: i32 = 1 << (SHIFT - 1);

fn fixed(value: f64) -> i32 {
    (value * f64::from(1 << SHIFT)).round() as i32
}

/// Factors from Y, U, V bytes to R, G, B bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ToRgb {
    black: i32,
    luma: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

/// The part of R, G and B that two pixels with the same U and V share, rounding included.
#[derive(Clone, Copy)]
pub(super) struct Chroma {
    red: i32,
    green: i32,
    blue: i32,
}

impl ToRgb {
    pub(super) fn new(colour: Colour) -> Self {
        let (kr, kb) = colour.matrix.weights();
        let kg = 1.0 - kr - kb;
        let (black, luma, chroma) = match colour.range {
            Range::Limited => (16, 255.0 / 219.0, 255.0 / 224.0),
            Range::Full => (0, 1.0, 1.0),
        };
        let (red, blue) = (2.0 * (1.0 - kr) * chroma, 2.0 * (1.0 - kb) * chroma);
        Self {
            black,
            luma: fixed(luma),
            red_v: fixed(red),
            green_u: fixed(-blue * kb / kg),
            green_v: fixed(-red * kr / kg),
            blue_u: fixed(blue),
        }
    }

    #[inline(always)]
    pub(super) fn chroma(&self, u: u8, v: u8) -> Chroma {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        Chroma {
            red: self.red_v * v + HALF,
            green: self.green_u * u + self.green_v * v + HALF,
            blue: self.blue_u * u + HALF,
        }
    }

    #[inline(always)]
    pub(super) fn pixel(&self, y: u8, chroma: Chroma) -> [u8; 3] {
        let y = self.luma * (i32::from(y) - self.black);
        [y + chroma.red, y + chroma.green, y + chroma.blue].map(|sum| (sum >> SHIFT).clamp(0, 255) as u8)
    }

    /// A sample of grey or RGB, stretched from its range to 0..=255.
    #[inline(always)]
    pub(super) fn stretch(&self, sample: u8) -> u8 {
        ((self.luma * (i32::from(sample) - self.black) + HALF) >> SHIFT).clamp(0, 255) as u8
    }
}

/// Factors from R, G, B bytes to Y, U, V bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ToYuv {
    black: i32,
    /// Of R, G, B for Y.
    y: [i32; 3],
    /// The same for U and V.
    u: [i32; 3],
    v: [i32; 3],
}

impl ToYuv {
    pub(super) fn new(colour: Colour) -> Self {
        let (kr, kb) = colour.matrix.weights();
        let kg = 1.0 - kr - kb;
        let (black, luma, chroma) = match colour.range {
            Range::Limited => (16, 219.0 / 255.0, 224.0 / 255.0),
            Range::Full => (0, 1.0, 1.0),
        };
        let (u, v) = (chroma / (2.0 * (1.0 - kb)), chroma / (2.0 * (1.0 - kr)));
        Self {
            black,
            y: [luma * kr, luma * kg, luma * kb].map(fixed),
            u: [-u * kr, -u * kg, u * (1.0 - kb)].map(fixed),
            v: [v * (1.0 - kr), -v * kg, -v * kb].map(fixed),
        }
    }

    #[inline(always)]
    pub(super) fn luma(&self, rgb: [u8; 3]) -> u8 {
        let [r, g, b] = rgb.map(i32::from);
        let sum = self.y[0] * r + self.y[1] * g + self.y[2] * b + HALF;
        ((sum >> SHIFT) + self.black).clamp(0, 255) as u8
    }

    /// U and V of two pixels: of their mean.
    #[inline(always)]
    pub(super) fn chroma(&self, left: [u8; 3], right: [u8; 3]) -> (u8, u8) {
        let sum = |c: usize| i32::from(left[c]) + i32::from(right[c]);
        let (r, g, b) = (sum(0), sum(1), sum(2));
        let of = |k: [i32; 3]| {
            let sum = k[0] * r + k[1] * g + k[2] * b + 2 * HALF;
            ((sum >> (SHIFT + 1)) + 128).clamp(0, 255) as u8
        };
        (of(self.u), of(self.v))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const COLOURS: [Colour; 6] = {
        const fn both(matrix: Matrix) -> [Colour; 2] {
            [Colour { matrix, range: Range::Limited }, Colour { matrix, range: Range::Full }]
        }
        let [a, b, c] = [both(Matrix::Bt601), both(Matrix::Bt709), both(Matrix::Bt2020)];
        [a[0], a[1], b[0], b[1], c[0], c[1]]
    };

    /// The formulas above as they stand, in floats: R, G, B, not rounded.
    pub(crate) fn reference(colour: Colour, y: u8, u: u8, v: u8) -> [f64; 3] {
        let (kr, kb) = colour.matrix.weights();
        let kg = 1.0 - kr - kb;
        let (y, u, v) = (f64::from(y), f64::from(u) - 128.0, f64::from(v) - 128.0);
        let (y, u, v) = match colour.range {
            Range::Limited => ((y - 16.0) / 219.0, u / 224.0, v / 224.0),
            Range::Full => (y / 255.0, u / 255.0, v / 255.0),
        };
        let green = y - 2.0 * (1.0 - kb) * kb / kg * u - 2.0 * (1.0 - kr) * kr / kg * v;
        [y + 2.0 * (1.0 - kr) * v, green, y + 2.0 * (1.0 - kb) * u].map(|c| (255.0 * c).clamp(0.0, 255.0))
    }

    #[test]
    fn integers_stay_within_a_rounding_of_the_formulas() {
        for colour in COLOURS {
            let to_rgb = ToRgb::new(colour);
            let mut worst = 0.0_f64;
            for y in 0..=255 {
                for u in (0..=255).step_by(3) {
                    for v in (0..=255).step_by(3) {
                        let ours = to_rgb.pixel(y, to_rgb.chroma(u, v));
                        for (ours, exact) in ours.into_iter().zip(reference(colour, y, u, v)) {
                            worst = worst.max((f64::from(ours) - exact).abs());
                        }
                    }
                }
            }
            // Half a step is rounding itself; the rest is what 13 bits leave out.
            assert!(worst < 0.54, "{colour:?}: off by {worst}");
        }
    }

    #[test]
    fn known_colours_come_out() {
        for colour in COLOURS {
            let to_rgb = ToRgb::new(colour);
            let (black, white) = if colour.range == Range::Limited { (16, 235) } else { (0, 255) };
            assert_eq!(to_rgb.pixel(black, to_rgb.chroma(128, 128)), [0; 3], "{colour:?}");
            assert_eq!(to_rgb.pixel(white, to_rgb.chroma(128, 128)), [255; 3], "{colour:?}");
            assert_eq!((to_rgb.stretch(black), to_rgb.stretch(white)), (0, 255));
        }
        // 75 % colour bars of BT.601, as in its studio code words.
        let bars = ToRgb::new(Colour::WEBCAM);
        for (yuv, rgb) in [((65, 100, 212), [191, 0, 0]), ((112, 72, 58), [0, 191, 0])] {
            let ours = bars.pixel(yuv.0, bars.chroma(yuv.1, yuv.2));
            assert!(ours.iter().zip(rgb).all(|(a, b): (&u8, u8)| a.abs_diff(b) <= 1), "{ours:?}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for colour in COLOURS {
            let (to_yuv, to_rgb) = (ToYuv::new(colour), ToRgb::new(colour));
            for r in (0..=255).step_by(15) {
                for g in (0..=255).step_by(15) {
                    for b in (0..=255).step_by(15) {
                        let rgb = [r, g, b].map(|c: u16| c as u8);
                        let (u, v) = to_yuv.chroma(rgb, rgb);
                        let back = to_rgb.pixel(to_yuv.luma(rgb), to_rgb.chroma(u, v));
                        // Y, U and V are each rounded once on the way.
                        assert!(back.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 2), "{rgb:?} {back:?}");
                    }
                }
            }
        }
    }
}
