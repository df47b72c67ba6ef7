//! tract, the CPU engine.

mod lower;
mod model;
mod operators;
mod session;

pub(crate) use model::Fact;
pub use model::Model;
pub use session::{Outputs, Session};

use crate::error::one_line;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use tract_onnx::prelude::{TractResult, multithread::Executor};

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

/// The threads that models share: one pool for each number of threads.
fn executor(threads: usize) -> Executor {
    static POOLS: Mutex<BTreeMap<usize, Executor>> = Mutex::new(BTreeMap::new());
    if threads <= 1 {
        return Executor::SingleThread;
    }
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    pools.entry(threads).or_insert_with(|| Executor::multithread_with_name(threads, "vlunet")).clone()
}
