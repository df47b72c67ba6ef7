//! What the live loop tells about itself: written by its threads, read by whoever shows it.

mod durations;
mod status;

pub use durations::{Durations, Percentiles};
pub use status::{BoardState, Detected, Dropped, Fault, Governed, InstalledModel, Stages, State, Status};

use crate::control::Controls;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The one place that the loop's threads report to.
///
/// Writers hold the lock for a few assignments; [`Telemetry::status`] copies the whole.
pub struct Telemetry {
    started: Instant,
    status: Mutex<Status>,
    controls: Controls,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { started: Instant::now(), status: Mutex::default(), controls: Controls::default() }
    }
}

impl Telemetry {
    /// The state as it is now.
    pub fn status(&self) -> Status {
        let mut status = self.lock().clone();
        status.uptime_s = self.started.elapsed().as_secs_f64();
        status
    }

    /// Changes what is told.
    pub fn update<T>(&self, change: impl FnOnce(&mut Status) -> T) -> T {
        change(&mut self.lock())
    }

    /// Reports trouble of a kind (`camera`, `model`, a sink's URI); it stays active until
    /// [`Telemetry::mended`]. The first time, and after it was mended, it is logged.
    pub fn fault(&self, kind: &str, message: impl std::fmt::Display) {
        let last_s = self.started.elapsed().as_secs_f64();
        let mut status = self.lock();
        let fault = status.faults.entry(kind.to_owned()).or_default();
        let news = !std::mem::replace(&mut fault.active, true);
        fault.message = message.to_string();
        (fault.count, fault.last_s) = (fault.count + 1, last_s);
        drop(status);
        if news {
            log::warn!("{kind}: {message}");
        }
    }

    /// [`Telemetry::fault`] for trouble that lasts: it counts once, however often it is reported
    /// before it is mended.
    pub fn lasting_fault(&self, kind: &str, message: impl std::fmt::Display) {
        if let Some(fault) = self.lock().faults.get_mut(kind).filter(|fault| fault.active) {
            fault.message = message.to_string();
            return;
        }
        self.fault(kind, message);
    }

    /// Reports that trouble of a kind is over.
    pub fn mended(&self, kind: &str) {
        let mended = self.lock().faults.get_mut(kind).is_some_and(|f| std::mem::take(&mut f.active));
        if mended {
            log::warn!("{kind}: working again");
        }
    }

    /// What users ask of the loop: whoever shows the state has the buttons too.
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
