//! What a user asks of a running loop: by a button, a page, a signal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Wishes, written by whoever has them and read by the loop.
#[derive(Debug, Default)]
pub struct Controls {
    bypass: AtomicBool,
    stop: AtomicBool,
    reload: AtomicBool,
    task: Mutex<Option<String>>,
}

impl Controls {
    /// Lets frames pass untouched, or no longer.
    pub fn set_bypass(&self, bypass: bool) {
        self.bypass.store(bypass, Ordering::Relaxed);
    }

    /// Switches the bypass over; gives what it is now.
    pub fn toggle_bypass(&self) -> bool {
        !self.bypass.fetch_xor(true, Ordering::Relaxed)
    }

    /// Whether frames are to pass untouched.
    pub fn bypass(&self) -> bool {
        self.bypass.load(Ordering::Relaxed)
    }

    /// Names the task or prompt to restore by; none for what is detected.
    pub fn set_task(&self, words: Option<String>) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }

    /// The task or prompt that was named.
    pub fn task(&self) -> Option<String> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for the configuration to be read again.
    pub fn reload(&self) {
        self.reload.store(true, Ordering::Relaxed);
    }

    /// Whether that was asked for since the last call.
    pub fn take_reload(&self) -> bool {
        self.reload.swap(false, Ordering::Relaxed)
    }

    /// Asks for a clean end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether a clean end was asked for.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
