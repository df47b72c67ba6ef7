//! Running a model: a [`Model`] is opened from ONNX bytes, a [`Session`] runs it at one set of
//! input shapes.
//!
//! tract runs on every CPU. (TensorRT, for Jetson GPUs, joins it here; neither knows pictures
//! or VLU-Net.)
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

mod kernels;
mod tract;

pub(crate) use tract::Fact;
pub use tract::{Model, Outputs, Session};

use ndarray::ArrayViewD;

/// How a model runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Threads that one run may use (0 counts as 1); all sessions of a model share them.
    pub threads: usize,
}

impl Default for Options {
    /// One thread per CPU core that this process may use.
    fn default() -> Self {
        Self { threads: std::thread::available_parallelism().map_or(1, usize::from) }
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
