//! How well a restorer in training does on pictures that it has not learned from.

use crate::eval::metrics::psnr;
use crate::frame::Planes;
use crate::train::data::{Batch, Sample, cut};
use crate::train::guide::Guide;
use crate::train::network::VluNet;
use crate::train::parameters::Parameters;
use crate::{Error, Result};
use burn::tensor::{Device, Tensor, TensorData};
use std::collections::BTreeMap;

/// Largest side of a validation patch.
const LARGEST: usize = 192;

/// Patches that go through the network at once.
const AT_ONCE: usize = 4;

/// Stands for the infinite PSNR of equal pictures in a mean.
const EQUAL: f64 = 100.0;

/// Held-out pictures, degraded once and for all.
pub struct Validation {
    batch: Batch,
    tasks: Vec<String>,
    d: Vec<Vec<f32>>,
}

impl Validation {
    /// One patch of each sample, of sides that are multiples of `multiple`.
    ///
    /// # Errors
    /// [`Error::Input`] where there are no samples, or one is too small.
    pub fn new(samples: &[Sample], guide: &mut Guide, multiple: usize) -> Result<Self> {
        let least = samples.iter().map(|sample| sample.target.width().min(sample.target.height())).min();
        let side = (least.unwrap_or_default() as usize).min(LARGEST) / multiple * multiple;
        let batch = cut(samples, side, samples.len(), 0, 0)?;
        let vectors = |&at: &usize| {
            let vectors = guide.vectors(&samples[at])?;
            Ok(vectors.image.unwrap_or(vectors.text))
        };
        let d = batch.samples.iter().map(vectors).collect::<Result<_>>()?;
        let tasks = batch.samples.iter().map(|&at| samples[at].task.to_string()).collect();
        Ok(Self { batch, tasks, d })
    }

    /// Mean PSNR in dB by task, of the degraded and of the restored patches.
    ///
    /// # Errors
    /// [`Error::Train`] where the device gives no numbers back.
    pub fn score(
        &self,
        network: &VluNet,
        parameters: &Parameters,
        device: &Device,
    ) -> Result<BTreeMap<String, [f64; 2]>> {
        let side = self.batch.patch;
        let size = 3 * side * side;
        let mut scores: BTreeMap<String, Vec<[f64; 2]>> = BTreeMap::new();
        for from in (0..self.tasks.len()).step_by(AT_ONCE) {
            let to = (from + AT_ONCE).min(self.tasks.len());
            let input = &self.batch.input[from * size..to * size];
            let image = TensorData::new(input.to_vec(), [to - from, 3, side, side]);
            let d = TensorData::new(self.d[from..to].concat(), [to - from, self.d[from].len()]);
            let d = Tensor::<2>::from_data(d, device);
            let restored = network.restore(parameters, Tensor::<4>::from_data(image, device), &d);
            let restored = restored.clamp(0.0, 1.0).into_data().try_into_vec::<f32>();
            let restored = restored.map_err(|e| Error::Train(format!("validation: {e:?}")))?;
            for (index, task) in self.tasks[from..to].iter().enumerate() {
                let planes = |values: &[f32], at: usize| -> Planes {
                    Planes::from_shape_fn((3, side, side), |(c, y, x)| {
                        values[at * size + (c * side + y) * side + x]
                    })
                };
                let target = planes(&self.batch.target, from + index);
                let score = |picture: Planes| psnr(picture.view(), target.view()).min(EQUAL);
                let pair = [score(planes(&self.batch.input, from + index)), score(planes(&restored, index))];
                scores.entry(task.clone()).or_default().push(pair);
            }
        }
        let mean = |pairs: &[[f64; 2]], side: usize| {
            pairs.iter().map(|pair| pair[side]).sum::<f64>() / pairs.len() as f64
        };
        Ok(scores.into_iter().map(|(task, pairs)| (task, [mean(&pairs, 0), mean(&pairs, 1)])).collect())
    }
}
