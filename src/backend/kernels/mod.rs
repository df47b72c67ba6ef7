//! The loops that the time goes into. They know slices of numbers: neither tensors nor tract.
//!
//! Each has a portable form, which the compiler vectorises for what the processor has, and forms
//! written for instructions that it can't find by itself. All give the same numbers.

pub(crate) mod float;
pub(crate) mod int8;
mod prefetch;
mod shared;

pub(crate) use prefetch::{prefetch, prefetch_place};
pub(crate) use shared::Shared;

/// Runs a loop compiled for the widest vectors that this processor has.
#[inline(always)]
pub(crate) fn vectorised<R>(operation: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(operation)
}
