//! TensorRT's messages: to the log, and the newest errors kept for ours.
#![allow(unsafe_code)]

use crate::error::one_line;
use std::collections::VecDeque;
use std::ffi::{CStr, c_char};
use std::panic;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// Errors that are kept.
const KEPT: usize = 32;

/// Characters of a message that are kept.
const LONGEST: usize = 400;

/// The log's target.
const TARGET: &str = "tensorrt";

struct Errors {
    /// Of the next.
    number: u64,
    newest: VecDeque<(u64, ThreadId, String)>,
}

static ERRORS: Mutex<Errors> = Mutex::new(Errors { number: 0, newest: VecDeque::new() });

fn errors() -> MutexGuard<'static, Errors> {
    ERRORS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What TensorRT calls, from any of its threads.
pub(super) extern "C" fn receive(severity: i32, message: *const c_char) {
    // A logger that panics must not unwind into TensorRT.
    let _ = panic::catch_unwind(|| {
        if message.is_null() {
            return;
        }
        // SAFETY: TensorRT's messages end in a zero and live as long as the call.
        let message = unsafe { CStr::from_ptr(message) };
        take(severity, &message.to_string_lossy());
    });
}

fn take(severity: i32, message: &str) {
    let message: String = one_line(message).chars().take(LONGEST).collect();
    match severity {
        // kINTERNAL_ERROR and kERROR: whoever asked gets them in an error.
        0 | 1 => {
            log::debug!(target: TARGET, "error: {message}");
            let mut errors = errors();
            let number = errors.number;
            errors.number += 1;
            errors.newest.push_back((number, thread::current().id(), message));
            if errors.newest.len() > KEPT {
                errors.newest.pop_front();
            }
        }
        2 => log::warn!(target: TARGET, "{message}"),
        3 => log::debug!(target: TARGET, "{message}"),
        _ => log::trace!(target: TARGET, "{message}"),
    }
}

/// A moment; errors are asked for from there on.
pub(super) struct Mark(u64);

impl Mark {
    pub fn now() -> Self {
        Self(errors().number)
    }

    /// The errors of this thread since.
    pub fn own(&self) -> Option<String> {
        let here = thread::current().id();
        self.since(|thread| thread == here)
    }

    /// The errors of this thread since, or else those of others: TensorRT has threads of its own.
    pub fn any(&self) -> Option<String> {
        self.own().or_else(|| self.since(|_| true))
    }

    /// The first, which is often the cause, and the last.
    fn since(&self, of: impl Fn(ThreadId) -> bool) -> Option<String> {
        let errors = errors();
        let mut texts = errors
            .newest
            .iter()
            .filter(|(number, thread, _)| *number >= self.0 && of(*thread))
            .map(|(_, _, text)| text.as_str());
        let first = texts.next()?;
        Some(match texts.next_back() {
            Some(last) if last != first => format!("{first}; {last}"),
            _ => first.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::shim;
    use super::*;

    /// The errors are the process's: who gives some and looks for those of others does so alone.
    static ALONE: Mutex<()> = Mutex::new(());

    fn alone() -> MutexGuard<'static, ()> {
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[test]
    fn an_error_is_found_by_the_thread_that_it_came_to_and_by_others() {
        let _alone = alone();
        let mark = Mark::now();
        assert_eq!(mark.own(), None);
        thread::spawn(|| take(1, "from a thread of\n TensorRT")).join().unwrap();
        assert_eq!(mark.own(), None);
        take(2, "a warning");
        assert_eq!(mark.own(), None);
        take(1, "cause");
        take(0, "between");
        take(1, "last");
        assert_eq!(mark.own().unwrap(), "cause; last");
        let later = Mark::now();
        assert_eq!(later.own(), None);
        thread::spawn(move || assert!(mark.any().unwrap().contains("TensorRT"))).join().unwrap();
    }

    #[test]
    fn the_shim_passes_on_what_its_logger_gets() {
        let _alone = alone();
        for major in [10, 11] {
            let api = shim::api(major).unwrap();
            // SAFETY: a logger is called as TensorRT calls it, by its vtable: `log` is the first
            // function of ILogger in 10, and the fifth, after those of IVersionedInterface (two,
            // and two destructors), in 11.
            unsafe {
                (api.set_log)(receive);
                let logger = (api.logger)();
                type Method = unsafe extern "C" fn(shim::Handle, i32, *const c_char);
                let vtable = *logger.cast::<*const Method>();
                let mark = Mark::now();
                let log = *vtable.add(if major == 10 { 0 } else { 4 });
                log(logger, 1, c"said by the library".as_ptr());
                assert_eq!(mark.own().unwrap(), "said by the library");
            }
        }
    }
}
