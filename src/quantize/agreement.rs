//! How closely a model in few bits gives what the float32 one gives.

use super::calibrate::Sample;
use crate::backend::{self, Input, Model};
use crate::{Error, Result};
use ndarray::ArrayD;
use std::path::Path;

/// Samples that are compared.
pub(super) const COMPARED: usize = 8;

/// Agreement in dB below which a model is not what it was: a picture that is restored to 30 dB
/// loses 1 dB by it. Photographs calibrate nano to 43 dB, blank or dark pictures to 30 to 35.
const POOR: f64 = 36.0;

/// How close the outputs of two models are, in dB of PSNR with the largest value as the peak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// On pictures that the model was calibrated with, where there were any.
    pub pictures_db: Option<f64>,
    /// On the bundle's golden frame, which is of the kind that the model is for, where it has
    /// one.
    pub golden_db: Option<f64>,
}

impl Agreement {
    /// What is doubtful about a model that was calibrated with the pictures of this folder.
    pub fn doubts(&self, calibration: &Path) -> Vec<String> {
        let Self { pictures_db, golden_db } = *self;
        let mut doubts = Vec::new();
        let folder = calibration.display();
        if let Some(db) = pictures_db.filter(|db| *db < POOR) {
            doubts.push(format!(
                "it gives what float32 gives to {db:.1} dB only on pictures of {folder}: if they are of the kind \
                 that it is for, `--analyse` says which layers to --keep in float"
            ));
        }
        if let Some(db) = golden_db.filter(|db| *db < POOR) {
            doubts.push(format!(
                "its ranges do not fit the bundle's golden frame ({db:.1} dB to float32): calibrate with pictures \
                 of the kind that it is for, which those of {folder} are not"
            ));
        }
        doubts
    }

    /// Compares two models on both kinds of samples.
    pub(super) fn of(
        float: &[u8],
        other: &[u8],
        [pictures, golden]: [&[Sample]; 2],
        options: &backend::Options,
    ) -> Result<Self> {
        let measure = |samples: &[Sample]| match samples {
            [] => Ok(None),
            _ => psnr(float, other, &samples[..samples.len().min(COMPARED)], options).map(Some),
        };
        Ok(Self { pictures_db: measure(pictures)?, golden_db: measure(golden)? })
    }
}

fn psnr(float: &[u8], other: &[u8], samples: &[Sample], options: &backend::Options) -> Result<f64> {
    let expected = outputs(float, samples, options)?;
    let found = outputs(other, samples, options)?;
    let pairs = || expected.iter().zip(&found).flat_map(|(a, b)| a.iter().zip(b));
    let peak = pairs().fold(0.0f32, |peak, (a, _)| peak.max(a.abs()));
    let squares: f64 = pairs().map(|(a, b)| f64::from(a - b).powi(2)).sum();
    let error = squares / pairs().count().max(1) as f64;
    Ok(10.0 * (f64::from(peak).powi(2) / error.max(f64::MIN_POSITIVE)).log10())
}

/// What a model's first output is for each sample.
fn outputs(onnx: &[u8], samples: &[Sample], options: &backend::Options) -> Result<Vec<ArrayD<f32>>> {
    let model = Model::open(onnx, "the quantized model", options)?;
    let name = model.outputs().first().ok_or_else(|| Error::Model("it gives nothing".into()))?;
    let mut given = Vec::with_capacity(samples.len());
    let mut session = None;
    for sample in samples {
        let shapes: Vec<(&str, &[usize])> =
            sample.iter().map(|(name, tensor)| (*name, tensor.shape())).collect();
        let session = match &mut session {
            Some(session) => session,
            none => none.insert(model.session(&shapes)?),
        };
        let inputs: Vec<(&str, Input<'_>)> =
            sample.iter().map(|(name, tensor)| (*name, Input::F32(tensor.view()))).collect();
        given.push(session.run(&inputs)?.get(name)?.to_owned());
    }
    Ok(given)
}
