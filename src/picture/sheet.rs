//! Many small pictures on one page, in labelled rows.

use super::lettering::Lettering;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

const PAPER: Rgb<u8> = Rgb([244; 3]);
const HEADING_INK: Rgb<u8> = Rgb([24; 3]);
const CAPTION_INK: Rgb<u8> = Rgb([56; 3]);

/// One row of a [`contact_sheet`].
#[derive(Debug, Clone)]
pub struct SheetRow {
    /// The heading over the row.
    pub label: String,
    /// From left to right, each picture's caption and the picture.
    pub tiles: Vec<(String, RgbImage)>,
}

/// A page of rows of pictures on light grey: a heading over each row, a caption under each
/// picture ("fog 14.2 dB -> 19.8 dB").
///
/// Pictures are resized to `tile_width` pixels at their own proportions, letters are sized to
/// it, and captions wider than a picture are broken at spaces. Rows may differ in length. From
/// about 120 pixels on the text reads well.
///
/// ```
/// use image::RgbImage;
/// use vlunet::picture::sheet::{SheetRow, contact_sheet};
///
/// let tiles = vec![("before".into(), RgbImage::new(64, 48)), ("after".into(), RgbImage::new(64, 48))];
/// let page = contact_sheet(&[SheetRow { label: "fog".into(), tiles }], 200);
/// assert!(page.width() > 400 && page.height() > 150);
/// ```
pub fn contact_sheet(rows: &[SheetRow], tile_width: u32) -> RgbImage {
    let style = Style::for_tiles(tile_width.max(1));
    let rows: Vec<_> = rows.iter().map(|row| LaidOutRow::new(row, &style)).collect();
    let columns = rows.iter().map(|row| row.tiles.len()).max().unwrap_or(0) as u32;
    let width =
        style.margin + columns * (style.tile_width + style.gap) + style.margin.saturating_sub(style.gap);
    let height = 2 * style.margin + rows.iter().map(|row| row.height(&style)).sum::<u32>();
    let height = height - style.row_gap * u32::from(!rows.is_empty());

    let mut page = RgbImage::from_pixel(width, height, PAPER);
    let mut top = style.margin;
    for row in &rows {
        row.draw(&mut page, top, &style);
        top += row.height(&style);
    }
    page
}

/// Sizes that follow from the tiles' width, in pixels.
struct Style {
    tile_width: u32,
    margin: u32,
    gap: u32,
    row_gap: u32,
    text_gap: u32,
    heading: Lettering,
    caption: Lettering,
}

impl Style {
    fn for_tiles(tile_width: u32) -> Self {
        let heading = Lettering::of_height(tile_width / 13);
        let caption = Lettering::of_height(tile_width / 18);
        let margin = (tile_width / 12).max(8);
        let text_gap = (caption.height() / 3).max(3);
        Self {
            tile_width,
            margin,
            gap: (tile_width / 24).max(6),
            row_gap: margin,
            text_gap,
            heading,
            caption,
        }
    }
}

/// A row with its pictures at their final size and its captions in lines.
struct LaidOutRow<'a> {
    label: &'a str,
    tiles: Vec<(Vec<String>, RgbImage)>,
    picture_height: u32,
    caption_height: u32,
}

impl<'a> LaidOutRow<'a> {
    fn new(row: &'a SheetRow, style: &Style) -> Self {
        let lay_out = |(caption, picture): &(String, RgbImage)| {
            (style.caption.wrapped(caption, style.tile_width), of_width(picture, style.tile_width))
        };
        let tiles: Vec<_> = row.tiles.iter().map(lay_out).collect();
        let picture_height = tiles.iter().map(|(_, picture)| picture.height()).max().unwrap_or(0);
        let lines = tiles.iter().map(|(lines, _)| lines.len()).max().unwrap_or(0) as u32;
        let caption_height = lines * style.caption.height() + u32::from(lines > 0) * style.text_gap;
        Self { label: &row.label, tiles, picture_height, caption_height }
    }

    fn heading_height(&self, style: &Style) -> u32 {
        if self.label.is_empty() { 0 } else { style.heading.height() + style.text_gap }
    }

    fn height(&self, style: &Style) -> u32 {
        self.heading_height(style) + self.picture_height + self.caption_height + style.row_gap
    }

    fn draw(&self, page: &mut RgbImage, top: u32, style: &Style) {
        let room = page.width().saturating_sub(2 * style.margin);
        let label = style.heading.cut(self.label, room);
        style.heading.write(page, &label, (style.margin, top), HEADING_INK);
        let top = top + self.heading_height(style);
        let mut left = style.margin;
        for (lines, picture) in &self.tiles {
            imageops::replace(page, picture, i64::from(left), i64::from(top));
            let mut below = top + picture.height() + style.text_gap;
            for line in lines {
                style.caption.write(page, line, (left, below), CAPTION_INK);
                below += style.caption.height();
            }
            left += style.tile_width + style.gap;
        }
    }
}

/// `picture` at this width and its own proportions.
fn of_width(picture: &RgbImage, width: u32) -> RgbImage {
    let (own_width, own_height) = picture.dimensions();
    if own_width == width || own_width == 0 || own_height == 0 {
        return picture.clone();
    }
    let height = u64::from(own_height) * u64::from(width) / u64::from(own_width);
    imageops::resize(picture, width, (height as u32).max(1), FilterType::CatmullRom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(label: &str, tiles: usize, colour: [u8; 3]) -> SheetRow {
        let tile = |i| (format!("tile {i} of the row"), RgbImage::from_pixel(40, 30, Rgb(colour)));
        SheetRow { label: label.into(), tiles: (0..tiles).map(tile).collect() }
    }

    #[test]
    fn every_tile_of_every_row_is_on_the_page_at_its_width() {
        let page = contact_sheet(&[row("fog", 3, [200, 0, 0]), row("rain", 2, [0, 0, 200])], 160);
        let count = |colour| page.pixels().filter(|p| p.0 == colour).count();
        assert_eq!(count([200, 0, 0]), 3 * 160 * 120);
        assert_eq!(count([0, 0, 200]), 2 * 160 * 120);
    }

    #[test]
    fn headings_and_captions_are_written_in_their_inks_on_paper() {
        let page = contact_sheet(&[row("fog", 1, [200, 0, 0])], 160);
        for (ink, least) in [(HEADING_INK, 30), (CAPTION_INK, 100)] {
            assert!(page.pixels().filter(|&&p| p == ink).count() > least);
        }
        let edge = (0..page.width())
            .all(|x| *page.get_pixel(x, 0) == PAPER && *page.get_pixel(x, page.height() - 1) == PAPER);
        assert!(edge && (0..page.height()).all(|y| *page.get_pixel(page.width() - 1, y) == PAPER));
    }

    #[test]
    fn odd_input_gives_a_page_all_the_same() {
        for width in [0, 1, 7, 33] {
            let tall =
                SheetRow { label: "x".repeat(300), tiles: vec![("y ".repeat(80), RgbImage::new(1, 9))] };
            let empty = SheetRow { label: String::new(), tiles: vec![(String::new(), RgbImage::new(0, 0))] };
            let page = contact_sheet(&[tall, empty, row("none", 0, [0; 3])], width);
            assert!(page.width() > 0 && page.height() > 0);
        }
        assert!(contact_sheet(&[], 200).width() > 0);
    }
}
