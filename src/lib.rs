pub mod arch;
pub mod atomic_file;
pub mod backend;
mod error;
pub mod frame;
pub mod onnx;
pub mod weights;
pub use error::{Error, Result};
