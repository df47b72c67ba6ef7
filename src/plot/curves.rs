//! Curves over the steps of a run.

use super::{FONT, write};
use crate::Result;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use std::ops::Range;
use std::path::Path;

/// A named line.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What it shows.
    pub name: String,
    /// Step and value; what isn't finite is left out.
    pub points: Vec<(f64, f64)>,
}

/// How values are spread over the height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// In equal steps.
    Linear,
    /// In equal ratios, for values above 0.
    Logarithmic,
}

const SIZE: (u32, u32) = (900, 480);

/// Draws curves over steps into one picture.
///
/// # Errors
/// [`crate::Error::Io`] where the file can't be written.
pub fn curves(path: &Path, title: &str, value: &str, axis: Axis, curves: &[Curve]) -> Result<()> {
    let usable = |point: &&(f64, f64)| {
        point.0.is_finite() && point.1.is_finite() && (axis == Axis::Linear || point.1 > 0.0)
    };
    let points: Vec<Vec<(f64, f64)>> =
        curves.iter().map(|curve| curve.points.iter().filter(usable).copied().collect()).collect();
    let all = || points.iter().flatten();
    let steps = around(all().map(|point| point.0), 0.0);
    write(path, SIZE, |area| match axis {
        Axis::Linear => {
            let values = around(all().map(|point| point.1), 0.05);
            draw(area, title, value, steps, values, curves, &points)
        }
        Axis::Logarithmic => {
            let logarithms = around(all().map(|point| point.1.ln()), 0.05);
            let values = logarithms.start.exp()..logarithms.end.exp();
            draw(area, title, value, steps, values.log_scale(), curves, &points)
        }
    })
}

/// The range of values, with a share of it to spare at both ends; never empty.
fn around(values: impl Iterator<Item = f64>, margin: f64) -> Range<f64> {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    if low > high {
        return 0.0..1.0;
    }
    let spare = ((high - low) * margin).max(if high > low { 0.0 } else { 0.5 });
    low - spare..high + spare
}

fn draw<Y>(
    area: &super::Area<'_>,
    title: &str,
    value: &str,
    steps: Range<f64>,
    values: Y,
    curves: &[Curve],
    points: &[Vec<(f64, f64)>],
) -> super::Outcome
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 18))
        .margin(14)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(steps, values)?;
    chart
        .configure_mesh()
        .x_desc("step")
        .y_desc(value)
        .label_style((FONT, 13))
        .x_label_formatter(&|step| format!("{step:.0}"))
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (at, (curve, points)) in curves.iter().zip(points).enumerate() {
        let colour = Palette99::pick(at).to_rgba();
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
            .label(&curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    let legend = (FONT, 13);
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).label_font(legend).draw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_has_diverged_or_not_begun_can_still_be_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.svg");
        let curve = |points: &[(f64, f64)]| Curve { name: "loss".into(), points: points.to_vec() };
        for axis in [Axis::Linear, Axis::Logarithmic] {
            for points in [&[][..], &[(1.0, 2.0)], &[(1.0, 2.0), (2.0, f64::NAN), (3.0, 0.0)]] {
                curves(&path, "a run", "loss", axis, &[curve(points)]).unwrap();
                assert!(std::fs::read_to_string(&path).unwrap().contains("a run"));
            }
        }
    }
}
