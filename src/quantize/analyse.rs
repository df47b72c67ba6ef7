//! What each layer costs by itself, and which ones to leave in float.

use super::layers::Kind;
use super::samples::{Pictures, Scene};
use super::{Options, restorer_plan};
use crate::backend::{self, Input, Model};
use crate::bundle::{Bundle, Dtype};
use crate::eval::metrics::psnr;
use crate::vlm::Detector;
use crate::{Error, Result};
use ndarray::{Axis, Ix4};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

/// Pictures that losses are measured on; others than those of the calibration.
const SCENES: usize = 12;

/// What rounding one layer alone costs.
#[derive(Clone, Debug, Serialize)]
pub struct Sensitivity {
    /// The layer's node.
    pub layer: String,
    /// What it is: `pointwise`, `spatial`, `depthwise`.
    pub kind: &'static str,
    /// The loss of mean PSNR against the clean pictures, in dB; may be below zero.
    pub drop_db: f64,
}

/// What an analysis found.
#[derive(Clone, Debug, Serialize)]
pub struct Analysis {
    /// Mean PSNR of the float32 model, in dB.
    pub float_db: f64,
    /// That of all layers in int8.
    pub int8_db: f64,
    /// Each layer alone in int8, the costliest first.
    pub layers: Vec<Sensitivity>,
    /// Layers to leave in float to meet the budget, in the order in which they were taken.
    pub keep: Vec<String>,
    /// Mean PSNR with those in float.
    pub kept_db: f64,
}

/// Measures each layer of a bundle's restorer, and finds the fewest layers to leave in float so
/// that no more than `budget` dB are lost, by taking the costliest first.
///
/// # Errors
/// As [`super::quantize`].
pub fn analyse(
    bundle: &Bundle,
    pictures: &Path,
    options: &Options,
    budget: f64,
    tick: &dyn Fn(&str),
) -> Result<Analysis> {
    let calibration = Pictures::of_folder(pictures, options.side, options.pictures)?;
    let plan = restorer_plan(bundle, &calibration, options, tick)?;
    let mut detector = Detector::open(bundle, Some(Dtype::F32), &options.backend)?;
    let scenes = Pictures::beside(pictures, options.side, options.pictures, SCENES)?.scenes(&mut detector)?;
    let measure = |onnx: &[u8]| mean_psnr(onnx, &scenes, &options.backend);
    let everything: BTreeSet<String> = plan.layers.iter().map(|layer| layer.name.clone()).collect();
    let with = |keep: &BTreeSet<String>| measure(&plan.build(keep)?.onnx);

    let float_db = measure(&plan.float())?;
    let int8_db = with(&options.keep)?;
    let mut layers = Vec::new();
    for layer in plan.layers.iter().filter(|layer| !options.keep.contains(&layer.name)) {
        let mut keep = everything.clone();
        keep.remove(&layer.name);
        layers.push(Sensitivity {
            layer: layer.name.clone(),
            kind: match layer.kind {
                Kind::Pointwise => "pointwise",
                Kind::Spatial => "spatial",
                Kind::Depthwise => "depthwise",
                Kind::Linear => "linear",
            },
            drop_db: float_db - with(&keep)?,
        });
        tick("each layer alone");
    }
    layers.sort_by(|a, b| b.drop_db.total_cmp(&a.drop_db));
    let (keep, kept_db) = meet(budget, float_db, int8_db, &layers, &options.keep, with)?;
    Ok(Analysis { float_db, int8_db, layers, keep, kept_db })
}

/// The costliest layers whose float form brings the loss below the budget.
fn meet(
    budget: f64,
    float_db: f64,
    int8_db: f64,
    layers: &[Sensitivity],
    asked: &BTreeSet<String>,
    with: impl Fn(&BTreeSet<String>) -> Result<f64>,
) -> Result<(Vec<String>, f64)> {
    let (mut all, mut taken, mut reached) = (asked.clone(), Vec::new(), int8_db);
    for layer in layers {
        if float_db - reached <= budget {
            break;
        }
        all.insert(layer.layer.clone());
        taken.push(layer.layer.clone());
        reached = with(&all)?;
    }
    Ok((taken, reached))
}

fn mean_psnr(onnx: &[u8], scenes: &[Scene], options: &backend::Options) -> Result<f64> {
    let model = Model::open(onnx, "the model to quantize", options)?;
    let Some(first) = scenes.first() else {
        return Err(Error::Input("there are no pictures to measure with".into()));
    };
    let shapes: Vec<(&str, &[usize])> =
        first.inputs.iter().map(|(name, tensor)| (*name, tensor.shape())).collect();
    let mut session = model.session(&shapes)?;
    let mut sum = 0.0;
    for scene in scenes {
        let inputs: Vec<(&str, Input<'_>)> =
            scene.inputs.iter().map(|(name, tensor)| (*name, Input::F32(tensor.view()))).collect();
        let outputs = session.run(&inputs)?;
        let restored = outputs.get("restored")?.into_dimensionality::<Ix4>();
        let restored = restored.map_err(|_| Error::Model("it gives no picture".into()))?;
        let restored = restored.index_axis(Axis(0), 0).mapv(|value| value.clamp(0.0, 1.0));
        sum += psnr(restored.view(), scene.clean.view());
    }
    Ok(sum / scenes.len() as f64)
}
