//! A model on an NVIDIA GPU, where this build has TensorRT.
//!
//! An engine is for one GPU, one number format and one size. It is built once, which takes minutes, and
//! kept in the user's cache folder; docs/jetson.md.

#[cfg(not(all(feature = "tensorrt", target_os = "linux")))]
mod absent;
#[cfg(all(feature = "tensorrt", target_os = "linux"))]
mod present;

#[cfg(not(all(feature = "tensorrt", target_os = "linux")))]
pub use absent::{Gpu, GpuModel};
#[cfg(all(feature = "tensorrt", target_os = "linux"))]
pub use present::{Gpu, GpuModel};

#[cfg(not(all(feature = "tensorrt", target_os = "linux")))]
pub(super) use absent::GpuSession;
#[cfg(all(feature = "tensorrt", target_os = "linux"))]
pub(super) use present::GpuSession;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Whether builds that restoring has begun are given up.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Has the builds that restoring has begun, which take minutes, given up, so that a loop which ends leaves
/// no TensorRT at work; false lets them be again.
pub fn give_up_builds(ending: bool) {
    ENDING.store(ending, Ordering::Relaxed);
}

#[cfg(all(feature = "tensorrt", target_os = "linux"))]
fn is_ending() -> bool {
    ENDING.load(Ordering::Relaxed)
}

/// How an engine is sought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Bytes of GPU memory that a layer may work in; all where none are given.
    pub workspace: Option<u64>,
    /// How long TensorRT looks for fast kernels, 0 to 5; its own 3 where not given.
    pub level: Option<u8>,
    /// Builds also where an engine is there.
    pub anew: bool,
}

/// An engine that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Built {
    /// Bytes of its plan.
    pub bytes: usize,
    /// How long it took to build; none where it was there.
    pub took: Option<Duration>,
}

/// A step of a build: the phase, the step and how many there are. Gives false to stop it.
pub type OnStep<'a> = &'a (dyn Fn(&str, u32, u32) -> bool + Sync);
