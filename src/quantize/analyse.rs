//! What each layer costs by itself, and which ones to leave in float.

use super::layers::Kind;
use super::samples::{Pictures, Scene};
use super::{Float, Options, restorer_plan};
use crate::backend::{self, Input, Model};
use crate::bundle::{Bundle, Dtype};
use crate::eval::metrics::psnr;
use crate::plot::{self, Bar};
use crate::vlm::Detector;
use crate::{Error, Result};
use ndarray::{Axis, Ix4};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

/// Pictures that losses are measured on; others than those of the calibration.
const SCENES: usize = 12;

/// Layers in a picture.
const DRAWN: usize = 40;

/// The share of what a layer in float gains from which on its output alone is left in float.
const MOST_OF: f64 = 0.7;

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
    /// What to leave in float to meet the budget.
    pub float: Float,
    /// Mean PSNR with that in float.
    pub reached_db: f64,
}

impl Analysis {
    /// Draws what the costliest layers lose, coloured by kind, as SVG.
    ///
    /// # Errors
    /// [`Error::Io`] where the file can't be written.
    pub fn draw(&self, path: &Path) -> Result<()> {
        let bar = |layer: &Sensitivity| Bar {
            name: layer.layer.clone(),
            kind: layer.kind.to_owned(),
            value: layer.drop_db,
        };
        let drawn: Vec<Bar> = self.layers.iter().take(DRAWN).map(bar).collect();
        let which = match self.layers.get(DRAWN) {
            Some(next) => format!(
                " ({DRAWN} of {} layers; the others lose {:.3} dB at most)",
                self.layers.len(),
                next.drop_db
            ),
            None => String::new(),
        };
        plot::bars(path, &format!("PSNR lost by a layer alone in int8{which}"), "dB", &drawn)
    }
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
    let with = |float: &Float| measure(&plan.build(float)?.onnx);

    let float_db = measure(&plan.float())?;
    let int8_db = with(&options.float)?;
    let mut layers = Vec::new();
    for layer in plan.layers.iter().filter(|layer| !options.float.layers.contains(&layer.name)) {
        let mut others = Float { layers: everything.clone(), ..options.float.clone() };
        others.layers.remove(&layer.name);
        layers.push(Sensitivity {
            layer: layer.name.clone(),
            kind: match layer.kind {
                Kind::Pointwise => "pointwise",
                Kind::Spatial => "spatial",
                Kind::Depthwise => "depthwise",
                Kind::Linear => "linear",
            },
            drop_db: float_db - with(&others)?,
        });
        tick("each layer alone");
    }
    layers.sort_by(|a, b| b.drop_db.total_cmp(&a.drop_db));
    let (float, reached_db) = meet(budget, float_db, int8_db, &layers, &options.float, with)?;
    Ok(Analysis { float_db, int8_db, layers, float, reached_db })
}

/// The costliest layers whose float form, or that of their outputs where it does as much, brings
/// the loss below the budget.
fn meet(
    budget: f64,
    float_db: f64,
    int8_db: f64,
    layers: &[Sensitivity],
    asked: &Float,
    with: impl Fn(&Float) -> Result<f64>,
) -> Result<(Float, f64)> {
    let (mut float, mut reached) = (asked.clone(), int8_db);
    for layer in layers {
        if float_db - reached <= budget {
            break;
        }
        let (mut output, mut whole) = (float.clone(), float.clone());
        output.outputs.insert(layer.layer.clone());
        whole.layers.insert(layer.layer.clone());
        let (by_output, by_whole) = (with(&output)?, with(&whole)?);
        let enough = by_output - reached >= MOST_OF * (by_whole - reached);
        (float, reached) = if enough { (output, by_output) } else { (whole, by_whole) };
    }
    Ok((float, reached))
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
