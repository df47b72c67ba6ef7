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

mod analyse;
mod calibrate;
mod equalise;
mod layers;
mod observer;
mod plan;
mod qdq;
mod ranges;
mod samples;
pub(crate) mod weights;

pub use analyse::{Analysis, Sensitivity, analyse};
pub use observer::Observer;
pub use plan::{Float, Int8};
pub use qdq::Range;
pub use ranges::{Ends, Ranges, float_form};

use crate::bundle::{Bundle, Dtype};
use crate::vlm::Detector;
use crate::{Error, Result, backend};
use layers::Kind;
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
    let vlm = head.map(|head| head.build(&options.float)).transpose()?;
    Ok(Quantized { restorer: restorer.build(&options.float)?, vlm })
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
