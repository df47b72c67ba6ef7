//! The image tower of a VLM head: a network of convolutions whose pixels are summed up as statistics,
//! and linear layers on those.
//!
//! [`recognise_tower`](super::recognise_tower) reads it out of a graph as a [`Tower`]; a [`Head`] packs
//! that for the processor, and a [`Session`] has the memory for it. Its pictures are small, so that a
//! plane is one row of pixels to the kernels (see [`flat`]), which threads share in chunks.

mod block;
mod description;
mod flat;
mod head;
mod int_block;
mod int_patches;
mod linear;
mod patches;
mod row;
mod session;
#[cfg(test)]
mod tests;

pub(super) use description::{Block, Patches, RowStep, Stage, Tower};
pub(crate) use head::Head;
pub(crate) use session::Session;
