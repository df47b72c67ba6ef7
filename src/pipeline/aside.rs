//! A restorer on a thread of its own.
//!
//! While it restores a frame, which a GPU does by itself, the frame before is handed out and the next one is
//! made ready: two are in flight.

use super::shared::{Guided, lock};
use crate::frame::Planes;
use crate::restore::Restorer;
use crate::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A restorer that works aside; it has ended when this is dropped, as the GPU's libraries must not be
/// at work while the program ends.
pub(super) struct Aside {
    /// None while it ends.
    work: Option<SyncSender<Work>>,
    done: Mutex<Receiver<Done>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.work = None;
        // One that panicked has ended, too.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A frame to restore.
pub(super) struct Work {
    /// `[3, H, W]`, at the restorer's size.
    pub(super) input: Planes,
    pub(super) guided: Arc<Guided>,
}

/// A frame that was restored.
pub(super) struct Done {
    /// What it was made from.
    pub(super) input: Planes,
    pub(super) restored: Result<Planes>,
    pub(super) took: Duration,
    /// Why the GPU doesn't restore any more.
    pub(super) lost_gpu: Option<String>,
    /// What restored, for people.
    pub(super) engine: String,
}

impl Aside {
    /// Starts the thread, where the caller's own runs; `bell` is rung after each frame.
    ///
    /// # Errors
    /// [`Error::Input`] where no thread can be started.
    pub(super) fn start(mut restorer: Restorer, bell: impl Fn() + Send + 'static) -> Result<Self> {
        // A frame is worked on, and one may be given before it is done.
        let (work, orders) = sync_channel::<Work>(1);
        let (finished, done) = channel();
        let mut engine = restorer.describe();
        let run = move || {
            for Work { input, guided } in orders {
                let start = Instant::now();
                // What the engine trips over costs this frame's restoration, not the thread.
                let restored = catch_unwind(AssertUnwindSafe(|| {
                    restorer.restore(input.view(), &guided.guidance.degradation)
                }))
                .unwrap_or_else(|_| Err(Error::Model("the restorer panicked, which is a bug".into())));
                let lost_gpu = restorer.take_lost_gpu();
                if lost_gpu.is_some() {
                    engine = restorer.describe();
                }
                let took = start.elapsed();
                let done = Done { input, restored, took, lost_gpu, engine: engine.clone() };
                if finished.send(done).is_err() {
                    return;
                }
                bell();
            }
        };
        let builder = thread::Builder::new().name("restore aside".into());
        let thread = builder
            .spawn(run)
            .map_err(|e| Error::Input(format!("no thread can be started to restore on: {e}")))?;
        Ok(Self { work: Some(work), done: Mutex::new(done), thread: Some(thread) })
    }

    /// Gives it a frame; the one before must have been taken.
    ///
    /// # Errors
    /// [`Error::Model`] where the thread is gone.
    pub(super) fn begin(&self, work: Work) -> Result<()> {
        self.work.as_ref().ok_or_else(gone)?.send(work).map_err(|_| gone())
    }

    /// The frame that it was given, if it is done.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(super) fn finished(&self) -> Result<Option<Done>> {
        match lock(&self.done).try_recv() {
            Ok(done) => Ok(Some(done)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(gone()),
        }
    }

    /// The same, when it is done.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(super) fn wait(&self) -> Result<Done> {
        lock(&self.done).recv().map_err(|_| gone())
    }
}

fn gone() -> Error {
    Error::Model("the thread that restores is gone, which is a bug".into())
}
