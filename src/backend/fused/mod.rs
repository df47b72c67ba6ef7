//! The restorer as a few fused blocks: an engine for this one network, beside tract, which runs
//! any.
//!
//! [`recognise`] reads a graph, block by block, into a [`Program`](program::Program); [`Network`] packs its weights
//! for the processor; a [`Session`] has the memory for one size of picture. A block goes down its picture
//! in strips of rows, four at a time, so that what lies between its layers stays in the cache.
//! docs/kernels.md draws it.

// A network has some dozens of stages: boxes would save nothing that is worth a jump.
#![allow(clippy::large_enum_variant)]

mod crew;
mod float;
mod int;
mod map;
mod memory;
mod network;
mod program;
mod recognise;
mod resample;
mod session;
mod strip;
#[cfg(test)]
mod tests;
pub(crate) mod tower;

pub(crate) use network::Network;
pub(crate) use recognise::{recognise, recognise_tower};
pub(crate) use session::Session;
