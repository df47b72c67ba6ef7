//! As in the program: what the kernels call each other by.

#[path = "../../../../src/backend/kernels/mod.rs"]
pub mod kernels;
