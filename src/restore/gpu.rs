//! A bundle's restorer on an NVIDIA GPU.

use super::Options;
use crate::Result;
use crate::arch::DEGRADATION_DIM;
use crate::backend::gpu::{Built, Gpu, GpuModel, OnStep, Search};
use crate::backend::{self, Processor};
use crate::bundle::{Bundle, Dtype};
use std::sync::atomic::{AtomicBool, Ordering};

/// What an engine computes in where nothing else is asked for: twice as fast as float32, and nearer to it
/// than int8.
const DTYPE: Dtype = Dtype::F16;

/// What a restorer takes, for a picture of this shape.
pub(super) fn shapes(picture: &[usize; 4]) -> [(&'static str, &[usize]); 2] {
    [("image", picture), ("degradation", &[1, DEGRADATION_DIM])]
}

/// Whether a GPU that restored has failed: what CUDA reports then, it reports until the process ends.
static LOST: AtomicBool = AtomicBool::new(false);

/// Has every restorer that is opened from now on run on the CPU.
pub(super) fn give_up() {
    LOST.store(true, Ordering::Relaxed);
}

/// Whether a GPU is there that restorers may run on.
pub(crate) fn is_there(options: &Options) -> bool {
    options.backend.processor != Processor::Cpu && !LOST.load(Ordering::Relaxed) && Gpu::open().is_ok()
}

/// The engines of a bundle's restorer.
pub struct Engines {
    model: GpuModel,
    multiple: usize,
}

impl Engines {
    /// For the GPU of this machine, in float16 where no number format is given.
    ///
    /// # Errors
    /// [`crate::Error::Gpu`] where there is no GPU that can be used, [`crate::Error::Bundle`] where the bundle
    /// lacks the variant that an engine is built from.
    pub fn open(bundle: &Bundle, dtype: Option<Dtype>, options: &backend::Options) -> Result<Self> {
        let model = model(bundle, dtype, options)?;
        Ok(Self { model, multiple: bundle.manifest().config.multiple() })
    }

    /// What they run on, for people.
    pub fn describe(&self) -> String {
        self.model.describe()
    }

    /// Builds the engine for pictures of a size, where it isn't there; none where `on_step` stopped it.
    ///
    /// # Errors
    /// [`crate::Error::Gpu`] with TensorRT's own words, [`crate::Error::Io`] where the engine can't be kept.
    pub fn build(
        &self,
        [width, height]: [usize; 2],
        search: &Search,
        on_step: OnStep<'_>,
    ) -> Result<Option<Built>> {
        let side = |side: usize| side.next_multiple_of(self.multiple);
        self.model.build(&shapes(&[1, 3, side(height), side(width)]), search, on_step)
    }
}

/// A bundle's restorer on the GPU, where one is asked for or there.
pub(super) fn on_gpu(bundle: &Bundle, options: &Options) -> Result<Option<GpuModel>> {
    let processor = options.backend.processor;
    if processor == Processor::Cpu || LOST.load(Ordering::Relaxed) {
        return Ok(None);
    }
    match model(bundle, options.dtype, &options.backend) {
        Ok(model) => Ok(Some(model)),
        Err(e) if processor == Processor::Gpu => Err(e),
        Err(e) => {
            // A machine without a GPU is no news.
            let level = if Gpu::is_expected() { log::Level::Debug } else { log::Level::Warn };
            log::log!(level, "{e}; the CPU restores");
            Ok(None)
        }
    }
}

fn model(bundle: &Bundle, dtype: Option<Dtype>, options: &backend::Options) -> Result<GpuModel> {
    let gpu = Gpu::open()?;
    let dtype = dtype.unwrap_or(DTYPE);
    let variant = gpu.variant(dtype);
    let onnx = bundle.read(&bundle.variant(Some(variant))?.restorer)?;
    GpuModel::new(gpu, onnx, dtype, options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn a_machine_without_a_gpu_restores_on_the_cpu_and_says_why_where_it_must_not() {
        if Gpu::open().is_ok() {
            eprintln!("skipped: this machine has a GPU with TensorRT");
            return;
        }
        let Ok(bundle) = Bundle::find("nano") else {
            eprintln!("skipped: this build has no embedded model");
            return;
        };
        let options = |processor| Options {
            backend: backend::Options { processor, threads: 1, ..Default::default() },
            ..Options::default()
        };
        assert!(on_gpu(&bundle, &options(Processor::Cpu)).unwrap().is_none());
        assert!(on_gpu(&bundle, &options(Processor::Auto)).unwrap().is_none());
        let Err(error) = on_gpu(&bundle, &options(Processor::Gpu)) else { panic!("a GPU out of nothing") };
        let text = error.to_string();
        assert!(matches!(error, Error::Gpu(_)) && text.lines().count() == 1, "{text}");
    }
}
