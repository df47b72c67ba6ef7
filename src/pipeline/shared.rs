//! What the loop's threads share.

use super::mailbox::Mailbox;
use crate::board::affinity;
use crate::control::Controls;
use crate::frame::{Frame, FramePool};
use crate::sink::Sink;
use crate::source::Source;
use crate::telemetry::Telemetry;
use crate::vlm::Guidance;
use crate::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a thread waits before it looks whether it is still wanted.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// Opens the source, as often as it is lost.
pub type OpenSource = Arc<dyn Fn() -> Result<Box<dyn Source>> + Send + Sync>;

/// Opens the sink of a URI, for a frame rate.
pub type OpenSink = Arc<dyn Fn(&str, f64, &Arc<Telemetry>) -> Result<Box<dyn Sink>> + Send + Sync>;

/// Where frames come in and go out.
#[derive(Clone)]
pub struct Doors {
    /// Opens the source.
    pub source: OpenSource,
    /// Opens a sink.
    pub sink: OpenSink,
}

/// The state that more than one thread sees.
pub(super) struct Shared {
    pub(super) pool: FramePool,
    /// Frames for the worker.
    pub(super) frames: Mailbox<Arc<Frame>>,
    /// Frames for the VLM head.
    pub(super) looks: Mailbox<Arc<Frame>>,
    guidance: Mutex<Option<Arc<Guided>>>,
    detect_every_ms: AtomicU64,
    /// That the source states.
    source_fps: Mutex<Option<f64>>,
    pub(super) telemetry: Arc<Telemetry>,
}

/// What the VLM head of a model says is to be done.
#[derive(Debug)]
pub(super) struct Guided {
    /// Which model's d_I it is.
    pub(super) model: u64,
    pub(super) guidance: Guidance,
}

impl Shared {
    pub(super) fn new(telemetry: Arc<Telemetry>) -> Self {
        Self {
            pool: FramePool::default(),
            frames: Mailbox::default(),
            looks: Mailbox::default(),
            guidance: Mutex::default(),
            detect_every_ms: AtomicU64::new(500),
            source_fps: Mutex::default(),
            telemetry,
        }
    }

    /// What users ask for.
    pub(super) fn controls(&self) -> &Controls {
        self.telemetry.controls()
    }

    /// Time from one look of the VLM head to the next.
    pub(super) fn detect_every(&self) -> Duration {
        Duration::from_millis(self.detect_every_ms.load(Ordering::Relaxed))
    }

    pub(super) fn set_detect_every(&self, every: Duration) {
        let every = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
        self.detect_every_ms.store(every, Ordering::Relaxed);
    }

    pub(super) fn source_fps(&self) -> Option<f64> {
        *lock(&self.source_fps)
    }

    pub(super) fn set_source_fps(&self, fps: Option<f64>) {
        *lock(&self.source_fps) = fps;
    }

    pub(super) fn guide(&self, guided: Guided) {
        *lock(&self.guidance) = Some(Arc::new(guided));
    }

    pub(super) fn guidance(&self) -> Option<Arc<Guided>> {
        lock(&self.guidance).clone()
    }
}

/// Locks, whatever a thread that panicked left: every state behind our locks is whole between
/// any two statements.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread's sign of life, and its dismissal.
#[derive(Debug)]
pub(super) struct Pulse {
    start: Instant,
    last_beat_ms: AtomicU64,
    dismissed: AtomicBool,
}

impl Pulse {
    pub(super) fn new() -> Arc<Self> {
        let (last_beat_ms, dismissed) = (AtomicU64::new(0), AtomicBool::new(false));
        Arc::new(Self { start: Instant::now(), last_beat_ms, dismissed })
    }

    /// The thread lives.
    pub(super) fn beat(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_beat_ms.store(now, Ordering::Relaxed);
    }

    /// How long ago it last beat.
    pub(super) fn silence(&self) -> Duration {
        let last = Duration::from_millis(self.last_beat_ms.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(last)
    }

    /// Tells the thread that it isn't wanted any more.
    pub(super) fn dismiss(&self) {
        self.dismissed.store(true, Ordering::Relaxed);
    }

    pub(super) fn dismissed(&self) -> bool {
        self.dismissed.load(Ordering::Relaxed)
    }
}

/// Steps of `nice` by which threads that restore stand behind those that capture and hand out:
/// on few cores a frame that is ready must not wait until the next one is half restored. With 5
/// one in a hundred still did, for a time slice.
const BEHIND: i32 = 10;

/// [`spawn`] for work that takes long: it stands behind the others.
pub(super) fn spawn_behind(
    name: &str,
    cores: &[usize],
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>> {
    spawn(name, cores, move || {
        affinity::step_back(BEHIND);
        work();
    })
}

/// [`spawn`] for work that is short and in a hurry.
pub(super) fn spawn_swift(
    name: &str,
    cores: &[usize],
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>> {
    spawn(name, cores, move || {
        affinity::step_in();
        work();
    })
}

/// Starts a named thread on some cores (any where empty).
pub(super) fn spawn(
    name: &str,
    cores: &[usize],
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>> {
    let cores = cores.to_vec();
    let bound = move || {
        if let Err(e) = affinity::bind(&cores) {
            log::warn!("{e}");
        }
        work();
    };
    let builder = thread::Builder::new().name(name.into());
    builder.spawn(bound).map_err(|e| Error::Input(format!("no thread can be started for {name}: {e}")))
}

/// A point in time that comes closer when somebody asks for the end.
pub(super) struct Deadline<'a> {
    pub(super) at: Instant,
    pub(super) controls: &'a Controls,
    /// What is left then.
    pub(super) grace: Duration,
}

impl Deadline<'_> {
    fn passed(&self) -> bool {
        let asked = self.controls.stop_asked().map(|asked| asked + self.grace);
        Instant::now() >= asked.map_or(self.at, |asked| asked.min(self.at))
    }
}

/// Waits for a thread until a point in time; one that doesn't end is left to itself, false.
pub(super) fn join_until(handle: JoinHandle<()>, deadline: &Deadline<'_>) -> bool {
    while !handle.is_finished() {
        if deadline.passed() {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    handle.join().is_ok()
}
