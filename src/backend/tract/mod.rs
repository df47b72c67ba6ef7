//! tract, the CPU engine.

mod model;
mod session;

pub use model::Model;
pub use session::{Outputs, Session};

use crate::Error;
use crate::error::one_line;

/// tract's error chain as one line about `what`.
fn error(what: &str, e: &tract_onnx::prelude::TractError) -> Error {
    Error::Model(one_line(&format!("{what}: {e:#}")))
}
