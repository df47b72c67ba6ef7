//! Pictures (SVG) of what was measured: curves over steps, what was taken for what, how far
//! probabilities can be believed, and bars.

mod bars;
mod curves;
mod matrix;
mod reliability;

pub use bars::{Bar, bars};
pub use curves::{Axis, Curve, curves};
pub use matrix::matrix;
pub use reliability::{Reliability, reliability};

use crate::{Error, Result, atomic_file};
use plotters::prelude::{DrawingAreaErrorKind, IntoDrawingArea, SVGBackend, WHITE};
use plotters::{coord::Shift, drawing::DrawingArea};
use std::path::Path;

/// Font of all text.
const FONT: &str = "sans-serif";

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

type Outcome = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Draws on white and writes the file, whole or not at all.
fn write(path: &Path, size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Outcome) -> Result<()> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let drawn = area.fill(&WHITE).and_then(|()| draw(&area)).and_then(|()| area.present());
        drawn.map_err(|e| Error::Input(format!("drawing {}: {e}", path.display())))?;
    }
    atomic_file::write_bytes(path, svg.as_bytes())
}
