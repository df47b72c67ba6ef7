//! Running the float model over pictures, to see what values its tensors take.

use super::observer::Histogram;
use crate::backend::{self, Input, Model};
use crate::onnx::edit::Edit;
use crate::{Error, Result};
use ndarray::{ArrayD, ArrayViewD, Axis};
use std::collections::BTreeMap;

/// One input of the model, by name.
pub(super) type Sample = Vec<(&'static str, ArrayD<f32>)>;

/// What a tensor's values were.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) histogram: Histogram,
    /// The largest magnitude in each channel.
    pub(super) highest: Vec<f32>,
    sums: Vec<f64>,
    /// Values per channel.
    count: u64,
}

impl Seen {
    fn add(&mut self, values: ArrayViewD<'_, f32>) -> Result<()> {
        self.histogram.add(values.iter().copied())?;
        // Pictures are [1, C, H, W]; rows of features have their channels last.
        let axis = Axis(if values.ndim() == 4 { 1 } else { values.ndim().saturating_sub(1) });
        let channels = values.shape().get(axis.0).copied().unwrap_or(0);
        self.highest.resize(channels, 0.0);
        self.sums.resize(channels, 0.0);
        for (channel, plane) in values.axis_iter(axis).enumerate() {
            self.highest[channel] = plane.iter().fold(self.highest[channel], |most, x| most.max(x.abs()));
            self.sums[channel] += plane.iter().map(|x| f64::from(*x)).sum::<f64>();
        }
        self.count += (values.len() / channels.max(1)) as u64;
        Ok(())
    }

    /// The mean of each channel.
    pub(super) fn means(&self) -> Vec<f32> {
        self.sums.iter().map(|sum| (sum / self.count.max(1) as f64) as f32).collect()
    }
}

/// Runs the model over samples of one shape; what the named values of its graph were.
///
/// # Errors
/// [`Error::Model`] where a value is no finite number, or the engine fails.
pub(super) fn calibrate(
    graph: &Edit,
    values: &[String],
    samples: &[Sample],
    options: &backend::Options,
    tick: &dyn Fn(),
) -> Result<BTreeMap<String, Seen>> {
    let mut seen: BTreeMap<String, Seen> =
        values.iter().map(|name| (name.clone(), Seen::default())).collect();
    let Some(first) = samples.first() else {
        return Err(Error::Input("there are no pictures to calibrate with".into()));
    };
    let mut tapped = graph.clone();
    tapped.tap(&values.iter().filter(|name| !is_input(first, name)).cloned().collect::<Vec<_>>());
    let model = Model::open(&tapped.into_bytes(), "the model to quantize", options)?;
    let shapes: Vec<(&str, &[usize])> = first.iter().map(|(name, tensor)| (*name, tensor.shape())).collect();
    let mut session = model.session(&shapes)?;
    // In the order in which they are computed, so that the first bad one is named.
    let computed = graph.nodes().iter().flat_map(|node| &node.output);
    let order: Vec<String> = first
        .iter()
        .map(|(input, _)| (*input).to_owned())
        .chain(computed.cloned())
        .filter(|name| seen.contains_key(name))
        .collect();
    for sample in samples {
        let inputs: Vec<(&str, Input<'_>)> =
            sample.iter().map(|(name, tensor)| (*name, Input::F32(tensor.view()))).collect();
        let outputs = session.run(&inputs)?;
        for name in &order {
            let Some(seen) = seen.get_mut(name) else { continue };
            let given = sample.iter().find(|(input, _)| input == name).map(|(_, tensor)| tensor.view());
            let values = given.map_or_else(|| outputs.get(name), Ok)?;
            seen.add(values).map_err(|e| match e {
                Error::Model(why) => Error::Model(format!("{name} can't be quantized: {why}")),
                other => other,
            })?;
        }
        tick();
    }
    Ok(seen)
}

fn is_input(sample: &Sample, name: &str) -> bool {
    sample.iter().any(|(input, _)| *input == name)
}
