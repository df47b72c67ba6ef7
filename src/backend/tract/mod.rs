//! tract, the CPU engine.

mod lower;
mod model;
mod operators;
mod session;
mod threads;

pub(crate) use model::Fact;
pub use model::Model;
pub use session::{Outputs, Session};

use crate::error::one_line;
use crate::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tract_onnx::prelude::TractResult;

/// tract's error chain as one line about `what`.
fn error(what: &str, e: &tract_onnx::prelude::TractError) -> Error {
    Error::Model(one_line(&format!("{what}: {e:#}")))
}

/// Runs a part of tract, which upholds its invariants by assertions that a file may be made to
/// break: a panic becomes an error. What the closure was working on must be dropped then.
fn guarded<T>(what: &str, work: impl FnOnce() -> TractResult<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome.map_err(|e| error(what, &e)),
        Err(_) => Err(Error::Model(format!("{what}: the engine gave up on it"))),
    }
}
