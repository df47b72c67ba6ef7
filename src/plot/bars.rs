//! Values of named things as horizontal bars, coloured by kind.

use super::{FONT, write};
use crate::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

/// One bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What stands beside it.
    pub name: String,
    /// What its colour stands for.
    pub kind: String,
    /// Its length; below zero, it goes to the left. What isn't finite has none.
    pub value: f64,
}

/// Height of a bar with the space to the next, in pixels.
const ROW: i32 = 20;

/// Room for the names on the left, for values on either side, and for title and legend above.
const LEFT: i32 = 390;
const VALUE: i32 = 66;
const TOP: i32 = 72;

/// Length of the bars between the smallest and the largest value.
const LENGTH: i32 = 420;

/// Draws bars from top to bottom, with their values in `unit` to three digits.
///
/// # Errors
/// [`crate::Error::Io`] where the file can't be written.
pub fn bars(path: &Path, title: &str, unit: &str, bars: &[Bar]) -> Result<()> {
    let values = || bars.iter().map(|bar| bar.value).filter(|value| value.is_finite());
    let (low, high) = values().fold((0.0f64, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
    let scale = f64::from(LENGTH) / (high - low).max(f64::MIN_POSITIVE);
    let left_of_zero = if low < 0.0 { VALUE } else { 0 };
    let zero = LEFT + left_of_zero + (-low * scale) as i32;
    let size = (LEFT + left_of_zero + LENGTH + VALUE + 16, TOP + ROW * bars.len() as i32 + 16);
    let mut kinds: Vec<&str> = Vec::new();
    for bar in bars {
        if !kinds.contains(&bar.kind.as_str()) {
            kinds.push(&bar.kind);
        }
    }
    let colour = |kind: &str| COLOURS[kinds.iter().position(|k| *k == kind).unwrap_or(0) % COLOURS.len()];
    write(path, (size.0 as u32, size.1 as u32), |area| {
        let text = |size: i32, anchor: HPos| {
            (FONT, size).into_font().color(&BLACK).pos(Pos::new(anchor, VPos::Center))
        };
        area.draw(&Text::new(title.to_owned(), (16, 22), text(18, HPos::Left)))?;
        let mut x = LEFT;
        for kind in &kinds {
            area.draw(&Rectangle::new([(x, 44), (x + 12, 56)], colour(kind).filled()))?;
            area.draw(&Text::new((*kind).to_owned(), (x + 18, 51), text(13, HPos::Left)))?;
            x += 36 + 8 * kind.len() as i32;
        }
        for (bar, at) in bars.iter().zip(0..) {
            let top = TOP + ROW * at;
            let middle = top + ROW / 2;
            area.draw(&Text::new(bar.name.clone(), (LEFT - 10, middle), text(12, HPos::Right)))?;
            if !bar.value.is_finite() {
                continue;
            }
            let end = zero + (bar.value * scale).round() as i32;
            let corners = [(zero.min(end), top + 3), (zero.max(end), top + ROW - 3)];
            area.draw(&Rectangle::new(corners, colour(&bar.kind).filled()))?;
            let (place, anchor) =
                if bar.value < 0.0 { (end - 6, HPos::Right) } else { (end + 6, HPos::Left) };
            let value = format!("{:.3} {unit}", bar.value);
            area.draw(&Text::new(value, (place, middle), text(12, anchor)))?;
        }
        let line = [(zero, TOP), (zero, TOP + ROW * bars.len() as i32)];
        area.draw(&PathElement::new(line, BLACK.mix(0.6)))
    })
}

/// Colours that are told apart by those who see no red or no green, too.
const COLOURS: [RGBColor; 4] =
    [RGBColor(22, 72, 130), RGBColor(217, 119, 6), RGBColor(20, 130, 120), RGBColor(140, 90, 160)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_size_and_sign_can_be_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bars.svg");
        let bar = |name: &str, kind: &str, value: f64| Bar { name: name.into(), kind: kind.into(), value };
        for values in [&[][..], &[0.0], &[0.2, -0.1, f64::NAN], &[1e300, -1e300], &[-1e-300]] {
            let drawn: Vec<Bar> = values.iter().map(|value| bar("output <3x3>", "spatial", *value)).collect();
            bars(&path, "what each layer costs", "dB", &drawn).unwrap();
            let svg = std::fs::read_to_string(&path).unwrap();
            assert!(svg.contains("what each layer costs") && !svg.contains("<3x3>"));
            assert_eq!(svg.matches("output").count(), values.len());
        }
    }
}
