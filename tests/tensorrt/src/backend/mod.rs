//! As in the program.

#[path = "../../../../src/backend/tensorrt/mod.rs"]
pub mod tensorrt;
