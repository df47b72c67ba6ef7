//! The journal as pictures.

use super::RunFolder;
use super::journal::{Event, Journal};
use crate::Result;
use crate::plot::{Axis, Curve, curves};
use std::collections::BTreeMap;

/// Draws a run's loss and its PSNR on held-out pictures.
///
/// # Errors
/// [`crate::Error::Io`] where the journal can't be read or a picture not written.
pub fn draw(folder: &RunFolder) -> Result<()> {
    let mut loss = Curve { name: "loss".into(), points: Vec::new() };
    let mut by_task: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for event in Journal::read(&folder.journal())? {
        match event {
            Event::Train { step, loss: value, .. } => loss.points.push((step as f64, f64::from(value))),
            Event::Validation { step, psnr, .. } => {
                for (task, [before, after]) in psnr {
                    by_task.entry(task).or_default().push((step as f64, after - before));
                }
            }
        }
    }
    curves(&folder.loss_curve(), "Training loss", "loss", Axis::Linear, &[loss])?;
    let gains: Vec<Curve> = by_task.into_iter().map(|(name, points)| Curve { name, points }).collect();
    curves(&folder.psnr_curve(), "Held-out pictures: what restoring gains", "dB", Axis::Linear, &gains)
}
