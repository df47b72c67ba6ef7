//! The program's TensorRT backend, without the rest of it.
#![warn(clippy::unwrap_used, clippy::expect_used)]
#![deny(unsafe_code)]

pub mod backend;
#[path = "../../../src/error.rs"]
mod error;

pub use error::{Error, Result};
