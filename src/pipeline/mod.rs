//! The live loop: source → detect and restore → sinks, each on its own thread.
//!
//! ```text
//! capture ──► worker ──► sink, sink, …      hand-overs hold one frame, the newest
//!    └─────► sight: looks twice a second, keeps d_I
//!             workshop: plans restorers aside
//!             restore aside: a GPU's restorer, while the worker makes the next frame ready
//! ```
//!
//! A live source's frames are dropped rather than queued, so a frame is never older than it
//! takes to restore it and the one before. A file's frames wait for each other, and none is lost.
//! Whatever fails, frames go on: untouched where they can't be restored.
//!
//! All time here is [`std::time::Instant`]'s: setting the clock changes nothing. (A model file's
//! modification time is only compared with what it was.)
//!
//! ```no_run
//! use std::sync::Arc;
//! use vlunet::pipeline::{self, Hooks, Settings};
//!
//! let settings = Settings::new("synthetic:road?weather=rain", vec!["null:".into()]);
//! let summary = pipeline::run(settings, &Arc::default(), Hooks::default())?;
//! println!("{} frames", summary.frames_out);
//! # Ok::<(), vlunet::Error>(())
//! ```

mod aside;
mod capture;
mod flight;
mod governor;
mod mailbox;
mod models;
mod outputs;
mod reload;
mod scene;
mod settings;
mod shared;
mod sight;
mod supervisor;
#[cfg(test)]
mod tests;
mod worker;
mod workshop;

pub use governor::{Governor, Level};
pub use settings::Settings;
pub use shared::{Doors, OpenSink, OpenSource};
pub use supervisor::{Hooks, Summary, run, run_through};
