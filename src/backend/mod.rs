//! Running a model: a [`Model`] is opened from ONNX bytes, a [`Session`] runs it at one set of
//! input shapes.
//!
//! tract runs any model on every CPU. A restorer, or a VLM head's image tower, is recognised and runs
//! in fused blocks of ours instead (docs/kernels.md). [`gpu`] has the same for NVIDIA GPUs, by TensorRT.
//!
//! ```no_run
//! use ndarray::{ArrayD, IxDyn};
//! use vlunet::backend::{Input, Model, Options};
//!
//! let onnx = std::fs::read("vlm.f32.onnx").unwrap();
//! let model = Model::open(&onnx, "vlm", &Options::default())?;
//! let image = ArrayD::<f32>::zeros(IxDyn(&[1, 3, 224, 224]));
//! let mut session = model.session(&[("image", &[1, 3, 224, 224])])?;
//! let outputs = session.run(&[("image", Input::F32(image.view()))])?;
//! println!("{:?}", outputs.get("degradation")?.shape());
//! # Ok::<(), vlunet::Error>(())
//! ```

mod fused;
pub mod gpu;
mod kernels;
mod model;
mod peak;
mod reader;
mod session;
#[cfg(all(feature = "tensorrt", target_os = "linux"))]
pub mod tensorrt;
mod tract;

pub use model::Model;
pub use peak::{Peak, peak};
pub use session::{Block, Outputs, Session};
pub(crate) use tract::Fact;

use ndarray::ArrayViewD;

/// How a model runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Threads that one run may use (0 counts as 1); all sessions of a model share them.
    pub threads: usize,
    /// What runs it on a CPU.
    pub engine: Engine,
    /// Whether a restorer runs on a GPU.
    pub processor: Processor,
    /// The DLA core of a Jetson that its engines are for; the GPU alone where none is given.
    pub dla: Option<u32>,
}

/// Where a restorer runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Processor {
    /// On the CPU.
    #[default]
    Cpu,
    /// On an NVIDIA GPU where there is one with TensorRT and an engine for the size, else on the CPU.
    Auto,
    /// On an NVIDIA GPU; engines that aren't there are built.
    Gpu,
}

/// What runs a model on a CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// Fused blocks of ours where the model is a restorer or an image tower, else tract.
    #[default]
    Auto,
    /// tract, operator by operator.
    Tract,
}

impl Default for Options {
    /// One thread per CPU core that this process may use, and no GPU.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads, engine: Engine::Auto, processor: Processor::Cpu, dla: None }
    }
}

/// One input of a run.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// Floats: pictures, vectors.
    F32(ArrayViewD<'a, f32>),
    /// Integers: tokens.
    I64(ArrayViewD<'a, i64>),
}

impl Input<'_> {
    fn shape(&self) -> &[usize] {
        match self {
            Self::F32(view) => view.shape(),
            Self::I64(view) => view.shape(),
        }
    }
}
