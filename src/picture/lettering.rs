//! Small text in pictures, in fixed-width bitmap letters enlarged by whole factors.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::iso_8859_1::{FONT_6X10, FONT_8X13, FONT_9X15, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::text::{Baseline, Text};
use embedded_graphics::{Drawable, Pixel};
use image::{Rgb, RgbImage};
use std::convert::Infallible;

/// Letters of one size.
#[derive(Clone, Copy)]
pub struct Lettering {
    font: &'static MonoFont<'static>,
    scale: u32,
}

impl Lettering {
    /// Letters of about `height` pixels, and never less than 10.
    pub fn of_height(height: u32) -> Self {
        let (font, scale) = match height {
            0..=11 => (&FONT_6X10, 1),
            12..=13 => (&FONT_8X13, 1),
            14..=17 => (&FONT_9X15, 1),
            18..=29 => (&FONT_10X20, 1),
            _ => (&FONT_10X20, (height + 10) / 20),
        };
        Self { font, scale }
    }

    /// The next smaller letters; `None` for the smallest.
    fn smaller(self) -> Option<Self> {
        match (self.height(), self.scale) {
            (0..=10, _) => None,
            (11..=13, _) => Some(Self::of_height(10)),
            (14..=15, _) => Some(Self::of_height(13)),
            (_, 1) => Some(Self::of_height(15)),
            (_, scale) => Some(Self { scale: scale - 1, ..self }),
        }
    }

    /// Pixels from the top of one line to the bottom.
    pub fn height(self) -> u32 {
        self.font.character_size.height * self.scale
    }

    /// Pixels that `text` is wide.
    pub fn width(self, text: &str) -> u32 {
        text.chars().count() as u32 * self.letter_width()
    }

    fn letter_width(self) -> u32 {
        self.font.character_size.width * self.scale
    }

    /// The largest letters of at most this size, in which `text` is at most `width` wide; the
    /// smallest there are where none is.
    pub fn shrunk_to(self, text: &str, width: u32) -> Self {
        let mut letters = self;
        while letters.width(text) > width
            && let Some(smaller) = letters.smaller()
        {
            letters = smaller;
        }
        letters
    }

    /// `text` in one line of at most `width` pixels: its end gives way to two dots.
    pub fn cut(self, text: &str, width: u32) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let letters = (width / self.letter_width()) as usize;
        let kept: String = text.chars().take(letters.saturating_sub(2)).collect();
        kept.trim_end().chars().chain("..".chars()).take(letters).collect()
    }

    /// `text` broken at spaces into lines of at most `width` pixels.
    pub fn wrapped(self, text: &str, width: u32) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            match lines.last_mut() {
                Some(line) if self.width(line) + self.letter_width() + self.width(word) <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines.iter().map(|line| self.cut(line, width)).collect()
    }

    /// Writes `text` with its upper left corner at (`x`, `y`); what lies outside is left out, and
    /// letters beyond Latin-1 become question marks.
    pub fn write(self, picture: &mut RgbImage, text: &str, (x, y): (u32, u32), ink: Rgb<u8>) {
        let style = MonoTextStyle::new(self.font, BinaryColor::On);
        let mut page = Page { picture, origin: (x, y), scale: self.scale, ink };
        let Ok(_) = Text::with_baseline(text, Point::zero(), style, Baseline::Top).draw(&mut page);
    }
}

/// Where letters are drawn: each of their pixels is a square of `scale` pixels a side.
struct Page<'a> {
    picture: &'a mut RgbImage,
    origin: (u32, u32),
    scale: u32,
    ink: Rgb<u8>,
}

impl OriginDimensions for Page<'_> {
    fn size(&self) -> Size {
        Size::new(self.picture.width(), self.picture.height())
    }
}

impl DrawTarget for Page<'_> {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, colour) in pixels {
            let (Ok(x), Ok(y), BinaryColor::On) = (u32::try_from(x), u32::try_from(y), colour) else {
                continue;
            };
            let (left, top) = (self.origin.0 + x * self.scale, self.origin.1 + y * self.scale);
            for (dx, dy) in (0..self.scale).flat_map(|dy| (0..self.scale).map(move |dx| (dx, dy))) {
                if let Some(pixel) = self.picture.get_pixel_mut_checked(left + dx, top + dy) {
                    *pixel = self.ink;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stay_near_the_height_asked_for() {
        for asked in 10..300 {
            let got = Lettering::of_height(asked).height();
            assert!(got.abs_diff(asked) <= 10, "{asked} gave {got}");
        }
    }

    #[test]
    fn text_is_shrunk_cut_and_wrapped_to_its_width() {
        let large = Lettering::of_height(200);
        for width in [60, 100, 333, 1000, 5000] {
            let fitting = large.shrunk_to("twenty letters  long", width);
            assert!(fitting.width("twenty letters  long") <= width || fitting.height() == 10);
            assert!(fitting.height() <= large.height());
        }
        let small = Lettering::of_height(10);
        assert_eq!(small.cut("fog and rain", 60), "fog and..");
        assert_eq!(small.cut("fog", 60), "fog");
        assert_eq!(small.cut("fog", 0), "");
        assert_eq!(small.wrapped("fog 14.2 dB -> 19.8 dB", 72), ["fog 14.2 dB", "-> 19.8 dB"]);
    }

    #[test]
    fn writing_leaves_ink_inside_its_box_only_and_never_fails_at_an_edge() {
        let letters = Lettering::of_height(40);
        let mut picture = RgbImage::new(200, 100);
        letters.write(&mut picture, "ab", (10, 20), Rgb([255; 3]));
        let inked: Vec<_> = picture.enumerate_pixels().filter(|(_, _, p)| p.0 == [255; 3]).collect();
        assert!(inked.len() > 100);
        let inside =
            |x, y| (10..10 + letters.width("ab")).contains(&x) && (20..20 + letters.height()).contains(&y);
        assert!(inked.iter().all(|&(x, y, _)| inside(x, y)));
        letters.write(&mut picture, "over the edge", (190, 90), Rgb([255; 3]));
    }
}
