//! A table of shares as squares, dark where they are high.

use super::{FONT, write};
use crate::Result;
use ndarray::ArrayView2;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

/// Side of a square, in pixels.
const CELL: i32 = 76;

/// Room for the names on the left and above.
const LEFT: i32 = 120;
const TOP: i32 = 84;

/// Draws counts by row and column: each square shows its count, and is as dark as its share of
/// the row. `rows` says what the rows are, `columns` the same of the columns.
///
/// # Errors
/// [`crate::Error::Io`] where the file can't be written.
pub fn matrix(
    path: &Path,
    title: &str,
    [rows, columns]: [&str; 2],
    names: &[String],
    counts: ArrayView2<'_, u32>,
) -> Result<()> {
    let side = CELL * names.len() as i32;
    let size = ((LEFT + side + 24) as u32, (TOP + side + 40) as u32);
    write(path, size, |area| {
        let text = |size: i32, colour: RGBColor, anchor: HPos| {
            (FONT, size).into_font().color(&colour).pos(Pos::new(anchor, VPos::Center))
        };
        area.draw(&Text::new(title.to_owned(), (16, 22), text(18, BLACK, HPos::Left)))?;
        area.draw(&Text::new(
            format!("{columns} →"),
            (LEFT + side / 2, TOP - 38),
            text(14, BLACK, HPos::Center),
        ))?;
        area.draw(&Text::new(format!("{rows} ↓"), (16, TOP - 14), text(14, BLACK, HPos::Left)))?;
        for (at, name) in names.iter().enumerate() {
            let middle = CELL * at as i32 + CELL / 2;
            let (left, above) = (text(13, BLACK, HPos::Right), text(13, BLACK, HPos::Center));
            area.draw(&Text::new(name.clone(), (LEFT - 10, TOP + middle), left))?;
            area.draw(&Text::new(name.clone(), (LEFT + middle, TOP - 14), above))?;
        }
        for (y, row) in counts.outer_iter().enumerate() {
            let total = row.sum().max(1);
            for (x, count) in row.iter().enumerate() {
                let share = f64::from(*count) / f64::from(total);
                let corner = (LEFT + CELL * x as i32, TOP + CELL * y as i32);
                let far = (corner.0 + CELL - 2, corner.1 + CELL - 2);
                area.draw(&Rectangle::new([corner, far], shade(share).filled()))?;
                let ink = if share > 0.5 { WHITE } else { BLACK };
                let middle = (corner.0 + CELL / 2, corner.1 + CELL / 2);
                if *count > 0 {
                    let (upper, lower) = ((middle.0, middle.1 - 9), (middle.0, middle.1 + 11));
                    let percent = format!("{:.0} %", 100.0 * share);
                    area.draw(&Text::new(percent, upper, text(16, ink, HPos::Center)))?;
                    area.draw(&Text::new(count.to_string(), lower, text(12, ink, HPos::Center)))?;
                }
            }
        }
        Ok(())
    })
}

/// From nearly white to a dark blue.
fn shade(share: f64) -> RGBColor {
    let between = |from: f64, to: f64| (from + (to - from) * share.clamp(0.0, 1.0)) as u8;
    RGBColor(between(243.0, 22.0), between(246.0, 72.0), between(250.0, 130.0))
}
