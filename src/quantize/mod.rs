//! Int8 models: post-training quantization of a bundle, with its loss known.
//!
//! The float model is shown degraded pictures, each with the d_I that its VLM head sees in it; from
//! the values that go through its layers the ranges are taken that int8 stands for. Weights
//! get one scale for each output channel. What is left in float: LayerNorm, L2 normalisation,
//! softmax, the products of the attention, r, the D-GDM's Linear and the final residual.
//!
//! The result is standard ONNX with QuantizeLinear and DequantizeLinear, which any engine reads.
//!
//! ```no_run
//! use vlunet::bundle::Bundle;
//! use vlunet::quantize::{Options, quantize};
//!
//! let bundle = Bundle::find("nano")?;
//! let quantized = quantize(&bundle, "photos".as_ref(), &Options::default(), &|_| {})?;
//! println!("{} layers in int8", quantized.restorer.layers.len());
//! # Ok::<(), vlunet::Error>(())
//! ```

mod agreement;
mod analyse;
mod calibrate;
mod equalise;
mod f16;
mod layers;
mod observer;
mod ops;
mod plan;
mod qdq;
mod ranges;
mod samples;
pub(crate) mod weights;

pub use agreement::Agreement;
pub use analyse::{Analysis, Sensitivity, analyse};
pub use f16::Half;
pub use observer::Observer;
pub use ops::{Operations, operations};
pub use plan::{Float, Int8};
pub use qdq::Range;
pub use ranges::{Ends, Ranges, float_form};

use crate::bundle::{Bundle, Dtype, FileEntry, Golden};
use crate::vlm::{Detector, preprocess};
use crate::{Error, Result, backend};
use calibrate::Sample;
use layers::Kind;
use ndarray::{Axis, Ix4};
use plan::Plan;
use samples::Pictures;
use std::path::Path;

/// How a model is quantized.
#[derive(Clone, Debug)]
pub struct Options {
    /// How ranges are chosen.
    pub observer: Observer,
    /// Pictures to calibrate with.
    pub pictures: usize,
    /// Side of the squares that the restorer is shown, a multiple of 64 pixels.
    pub side: u32,
    /// Equalises channels between layers first.
    pub equalise: bool,
    /// Makes up for what rounding weights does to the mean of their layer's output.
    pub correct_bias: bool,
    /// Activations that are never negative become uint8, of which TensorRT takes none.
    pub unsigned: bool,
    /// Rounds what goes into sums, too: ONNX Runtime runs a layer on integers only if it gives
    /// some.
    pub round_sums: bool,
    /// What stays in float.
    pub float: Float,
    /// How the float model runs.
    pub backend: backend::Options,
}

impl Default for Options {
    /// Percentiles over 64 squares of 128 pixels, with everything that helps.
    fn default() -> Self {
        Self {
            observer: Observer::default(),
            pictures: 64,
            side: 128,
            equalise: true,
            correct_bias: true,
            unsigned: false,
            round_sums: false,
            float: Float::default(),
            backend: backend::Options::default(),
        }
    }
}

/// A bundle's models in int8.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// The restorer.
    pub restorer: Int8,
    /// The VLM head, where the bundle has one.
    pub vlm: Option<Int8>,
    /// How close they are to the float32 models: restorer, and VLM head.
    pub agreement: (Agreement, Option<Agreement>),
}

/// Quantizes a bundle's float32 models, calibrated with the clean pictures in a folder, which are
/// degraded on the way. `tick` hears of what is being done.
///
/// # Errors
/// [`Error::Bundle`] where the bundle has no float32 variant or no VLM head, [`Error::Input`]
/// where the folder has no picture that is large enough or a layer to keep doesn't exist,
/// [`Error::Model`] where a model is quantized already or gives values that are no numbers.
pub fn quantize(
    bundle: &Bundle,
    pictures: &Path,
    options: &Options,
    tick: &dyn Fn(&str),
) -> Result<Quantized> {
    let pictures = Pictures::of_folder(pictures, options.side, options.pictures)?;
    let restorer = restorer_plan(bundle, &pictures, options, tick)?;
    let head = match (&bundle.manifest().vlm, &bundle.variant(Some(Dtype::F32))?.vlm) {
        (Some(head), Some(entry)) => {
            let samples = pictures.for_head(head)?;
            let tick = || tick("the VLM head");
            Some(Plan::new(&bundle.read(entry)?, &samples, options, |_| true, &tick)?)
        }
        _ => None,
    };
    let named = |name: &String| restorer.names(name) || head.as_ref().is_some_and(|head| head.names(name));
    let Float { layers, outputs } = &options.float;
    if let Some(unknown) = layers.union(outputs).find(|name| !named(name)) {
        return Err(Error::Input(format!(
            "no layer is named {unknown}; `vlunet quantize --analyse` lists them"
        )));
    }
    let [golden, golden_of_head] = golden_samples(bundle)?;
    let build = |plan: &Plan, golden: &[Sample]| {
        let int8 = plan.build(&options.float)?;
        let samples = [plan.shown.as_slice(), golden];
        let agreement = Agreement::of(&plan.float(), &int8.onnx, samples, &options.backend)?;
        Ok::<_, Error>((int8, agreement))
    };
    let (restorer, close) = build(&restorer, &golden)?;
    let (vlm, head_close) = head.map(|head| build(&head, &golden_of_head)).transpose()?.unzip();
    Ok(Quantized { restorer, vlm, agreement: (close, head_close) })
}

/// A bundle's models in float16.
#[derive(Clone, Debug)]
pub struct Halved {
    /// The restorer.
    pub restorer: Half,
    /// The VLM head, where the bundle has one.
    pub vlm: Option<Half>,
    /// How close they are to the float32 models: restorer, and VLM head.
    pub agreement: (Agreement, Option<Agreement>),
}

/// Puts a bundle's float32 models in float16. Layers that get too large for it on the bundle's
/// golden frame stay in float32, as do those that lose too much.
///
/// # Errors
/// [`Error::Bundle`] where the bundle has no float32 variant, [`Error::Model`] where that isn't of
/// float32, or has weights beyond float16's range.
pub fn halve(bundle: &Bundle, options: &backend::Options) -> Result<Halved> {
    let variant = bundle.variant(Some(Dtype::F32))?;
    let [for_restorer, for_head] = golden_samples(bundle)?;
    let halve = |entry: &FileEntry, golden: &[Sample]| {
        let onnx = bundle.read(entry)?;
        let half = f16::halve(&onnx, golden, options)?;
        let agreement = Agreement::of(&onnx, &half.onnx, [&[], golden], options)?;
        Ok::<_, Error>((half, agreement))
    };
    let (restorer, close) = halve(&variant.restorer, &for_restorer)?;
    let (vlm, head_close) = variant.vlm.as_ref().map(|entry| halve(entry, &for_head)).transpose()?.unzip();
    Ok(Halved { restorer, vlm, agreement: (close, head_close) })
}

/// The golden frame as input of the restorer and of the VLM head; none where there is none.
fn golden_samples(bundle: &Bundle) -> Result<[Vec<Sample>; 2]> {
    let Some(Golden { image, degradation, .. }) = bundle.golden()? else { return Ok([vec![], vec![]]) };
    let head = match (&bundle.manifest().vlm, image.view().into_dimensionality::<Ix4>()) {
        (Some(head), Ok(batch)) if batch.dim().0 == 1 => {
            let planes = batch.index_axis(Axis(0), 0);
            let squares = preprocess(planes, head.config.image_size, &head.preprocessing)?;
            let inputs = squares.into_iter().map(|square| square.insert_axis(Axis(0)).into_dyn());
            inputs.map(|image| vec![("image", image)]).collect()
        }
        _ => vec![],
    };
    Ok([vec![vec![("image", image), ("degradation", degradation)]], head])
}

fn restorer_plan(
    bundle: &Bundle,
    pictures: &Pictures,
    options: &Options,
    tick: &dyn Fn(&str),
) -> Result<Plan> {
    let variant = bundle.variant(Some(Dtype::F32))?;
    let mut detector = Detector::open(bundle, Some(Dtype::F32), &options.backend)?;
    let samples = pictures.for_restorer(&mut detector)?;
    // The D-GDM's Linear and its prompts stay in float.
    let wanted = |layer: &layers::Layer| layer.kind != Kind::Linear;
    Plan::new(&bundle.read(&variant.restorer)?, &samples, options, wanted, &|| tick("the restorer"))
}
