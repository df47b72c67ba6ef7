//! Pictures to learn from: a library in memory, degraded anew for every round.
//!
//! [`Library`] holds the pictures, [`Mix`] says what becomes of which and how often, [`Rounds`]
//! makes the samples of each round, [`Loader`] does so ahead of time, and [`cut`] takes batches
//! of patches from them. Everything is a function of a seed and an index, on any number of
//! threads, so a run can go on where it stopped.
//!
//! [`pack`] makes one file of a set to travel in, and [`synthesise`] makes pictures where there
//! are none.

mod batch;
mod gather;
mod library;
mod loader;
mod mix;
mod pack;
mod round;
pub(in crate::train) mod seeds;
mod shard;
mod synthetic;
#[cfg(test)]
mod tests;

pub use batch::{Batch, cut};
pub use library::{Library, Opening, Pair, Set};
pub use loader::{Loader, Ready};
pub use mix::{Entry, Mix};
pub use pack::{Packed, Packing, pack};
pub use round::{Rounds, Sample};
pub(super) use seeds::derived;
pub use shard::{Limits as ShardLimits, Member, Role, read as read_shard};
pub use synthetic::synthesise;
