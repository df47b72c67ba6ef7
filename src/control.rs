//! What users ask of a running loop: by a page's buttons, a pin, a signal.

use crate::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// Bytes of a task's words.
const MAX_WORDS: usize = 200;

/// The switches of a loop, set by any thread and read by the loop's between two frames.
///
/// They hold what is asked for; [`crate::telemetry::Status`] says what is done about it.
#[derive(Debug, Default)]
pub struct Controls {
    bypass: AtomicBool,
    task: Mutex<Option<Arc<str>>>,
    reload: AtomicBool,
    stop: AtomicBool,
    /// When the end was asked for by somebody.
    asked: OnceLock<Instant>,
}

impl Controls {
    /// Whether frames shall pass untouched.
    pub fn bypass(&self) -> bool {
        self.bypass.load(Ordering::Relaxed)
    }

    /// Lets frames pass untouched, or restores them again.
    pub fn set_bypass(&self, on: bool) {
        self.bypass.store(on, Ordering::Relaxed);
    }

    /// Turns bypass on or off, as a button does; gives what it is now.
    pub fn toggle_bypass(&self) -> bool {
        !self.bypass.fetch_xor(true, Ordering::Relaxed)
    }

    /// The task or prompt to restore for, in the user's words; what is detected where none.
    pub fn task(&self) -> Option<Arc<str>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Restores for a task or prompt, or again for what is detected. Whether the bundle knows
    /// those words is the loop's to find out.
    ///
    /// # Errors
    /// [`Error::Input`] for words that are empty, over 200 bytes, or hold control characters.
    pub fn set_task(&self, words: Option<&str>) -> Result<()> {
        let words = words.map(str::trim);
        if words.is_some_and(|w| w.is_empty() || w.len() > MAX_WORDS || w.contains(char::is_control)) {
            return Err(Error::Input(format!("a task is 1 to {MAX_WORDS} bytes of text in one line")));
        }
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = words.map(Arc::from);
        Ok(())
    }

    /// Asks for the configuration and the bundle to be read again.
    pub fn request_reload(&self) {
        self.reload.store(true, Ordering::Release);
    }

    /// Whether that was asked since the last call.
    pub fn take_reload(&self) -> bool {
        self.reload.swap(false, Ordering::Acquire)
    }

    /// Asks the loop to end, within a second.
    pub fn stop(&self) {
        self.asked.get_or_init(Instant::now);
        self.wind_up();
    }

    /// Lets the loop end because its frames have: what is under way may take its time.
    pub(crate) fn wind_up(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// When somebody first asked for the end.
    pub fn stop_asked(&self) -> Option<Instant> {
        self.asked.get().copied()
    }

    /// Whether it shall end.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_keep_what_was_asked() {
        let controls = Controls::default();
        assert!(controls.toggle_bypass() && controls.bypass());
        controls.set_bypass(false);
        controls.set_task(Some(" dehaze ")).unwrap();
        assert_eq!((controls.bypass(), controls.task().as_deref()), (false, Some("dehaze")));
        controls.request_reload();
        assert!(controls.take_reload() && !controls.take_reload());
        controls.wind_up();
        assert!(controls.stopped() && controls.stop_asked().is_none());
        controls.stop();
        assert!(controls.stop_asked().is_some());
    }

    #[test]
    fn words_that_no_task_has_change_nothing() {
        let controls = Controls::default();
        controls.set_task(Some("derain")).unwrap();
        for words in ["", "  ", "a\nb", &"x".repeat(201)] {
            assert!(controls.set_task(Some(words)).is_err(), "{words:?}");
        }
        assert_eq!(controls.task().as_deref(), Some("derain"));
        controls.set_task(None).unwrap();
        assert_eq!(controls.task(), None);
    }
}
