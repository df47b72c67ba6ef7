//! The sinks, each on a thread of its own behind a mailbox.

use super::mailbox::{Mailbox, Taken};
use super::shared::{Deadline, OpenSink, PATIENCE, Pulse, join_until, lock, spawn_swift};
use crate::sink::{Output, Sink};
use crate::telemetry::Telemetry;
use crate::uri::without_secrets;
use crate::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two attempts to open a sink that failed.
const RETRY: Duration = Duration::from_secs(2);

/// A sink that takes longer for one frame is told of.
const STALL: Duration = Duration::from_secs(5);

/// The kind of fault of a sink that is slow, which loses a file's frames no more than a fast one.
fn stalled(name: &str) -> String {
    format!("{name} stalls")
}

/// All sinks of a loop.
pub(super) struct Outputs {
    telemetry: Arc<Telemetry>,
    open: OpenSink,
    /// That the sinks' threads run on.
    cores: Vec<usize>,
    outlets: Mutex<Vec<Outlet>>,
    /// Where frames are put; apart from the rest, so that a sink that blocks holds nothing up.
    mailboxes: Mutex<Arc<[Slot]>>,
}

/// The hand-over to a sink: a frame, and when it was put there.
type Slot = Arc<Mailbox<(Output, Instant)>>;

struct Outlet {
    uri: String,
    /// The URI as it is told.
    name: String,
    mailbox: Slot,
    pulse: Arc<Pulse>,
    measures: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Outputs {
    pub(super) fn new(telemetry: Arc<Telemetry>, open: OpenSink, cores: Vec<usize>) -> Self {
        Self { telemetry, open, cores, outlets: Mutex::default(), mailboxes: Mutex::new(Arc::new([])) }
    }

    /// Opens a sink and starts its thread.
    ///
    /// # Errors
    /// Where it can't be opened.
    pub(super) fn add(&self, uri: &str, fps: f64) -> Result<()> {
        let first = (self.open)(uri, fps, &self.telemetry)?;
        self.start(uri, fps, Some(first))
    }

    /// The same for one that may not open yet: it is tried again until it does.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub(super) fn add_when_it_opens(&self, uri: &str, fps: f64) -> Result<()> {
        self.start(uri, fps, None)
    }

    fn start(&self, uri: &str, fps: f64, first: Option<Box<dyn Sink>>) -> Result<()> {
        let (mailbox, pulse) = (Slot::default(), Pulse::new());
        let measures = Arc::new(AtomicBool::new(false));
        let mut outlets = lock(&self.outlets);
        let mut feeder = Feeder {
            uri: uri.into(),
            name: without_secrets(uri),
            telemetry: Arc::clone(&self.telemetry),
            mailbox: Arc::clone(&mailbox),
            pulse: Arc::clone(&pulse),
            measures: Arc::clone(&measures),
            open: Arc::clone(&self.open),
            fps,
        };
        let thread = spawn_swift("sink", &self.cores, move || feeder.run(first))?;
        outlets.push(Outlet {
            uri: uri.into(),
            name: without_secrets(uri),
            mailbox,
            pulse,
            measures,
            thread,
        });
        self.list(&outlets);
        Ok(())
    }

    /// Ends a sink; false where there is none of that URI.
    pub(super) fn remove(&self, uri: &str, deadline: &Deadline<'_>) -> bool {
        let mut outlets = lock(&self.outlets);
        let Some(index) = outlets.iter().position(|outlet| outlet.uri == uri) else { return false };
        let outlet = outlets.remove(index);
        self.list(&outlets);
        drop(outlets);
        outlet.mailbox.close();
        let ended = join_until(outlet.thread, deadline);
        // Its trouble and its losses go with it.
        self.telemetry.update(|status| {
            status.dropped.sinks.remove(&outlet.name);
            status.faults.entry(outlet.name).and_modify(|fault| fault.active = false);
        });
        ended
    }

    /// The URIs of the sinks.
    pub(super) fn uris(&self) -> Vec<String> {
        lock(&self.outlets).iter().map(|outlet| outlet.uri.clone()).collect()
    }

    /// Hands a frame to all; waits for slow ones where none may be lost.
    pub(super) fn put(&self, output: Output, waiting: bool) {
        let now = Instant::now();
        let mailboxes = Arc::clone(&lock(&self.mailboxes));
        for mailbox in mailboxes.iter() {
            let item = (output.clone(), now);
            if waiting {
                mailbox.put_waiting(item);
            } else {
                mailbox.put(item);
            }
        }
    }

    /// Counts what was dropped, and tells of sinks that hang.
    pub(super) fn observe(&self) {
        for outlet in lock(&self.outlets).iter() {
            let dropped = outlet.mailbox.dropped();
            self.telemetry.update(|status| match status.dropped.sinks.get_mut(&outlet.name) {
                Some(count) => *count = dropped,
                None => drop(status.dropped.sinks.insert(outlet.name.clone(), dropped)),
            });
            let silence = outlet.pulse.silence();
            if silence > STALL {
                let waited = silence.as_secs();
                self.telemetry
                    .lasting_fault(&stalled(&outlet.name), format!("takes no frame since {waited} s"));
            } else {
                self.telemetry.mended(&stalled(&outlet.name));
            }
        }
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        lock(&self.outlets).iter().for_each(|outlet| outlet.mailbox.close());
    }

    /// Waits until the sinks have closed their files; tells of those that don't in time.
    pub(super) fn finish(&self, deadline: &Deadline<'_>) {
        self.close();
        let outlets = std::mem::take(&mut *lock(&self.outlets));
        for outlet in outlets {
            if !join_until(outlet.thread, deadline) {
                self.telemetry.fault(&outlet.name, "does not end: it is left to itself");
            }
        }
    }

    fn list(&self, outlets: &[Outlet]) {
        // One sink speaks for all: ages and hand-overs are taken at the first.
        for (index, outlet) in outlets.iter().enumerate() {
            outlet.measures.store(index == 0, Ordering::Relaxed);
        }
        *lock(&self.mailboxes) = outlets.iter().map(|outlet| Arc::clone(&outlet.mailbox)).collect();
        let names = outlets.iter().map(|outlet| outlet.name.clone()).collect();
        self.telemetry.update(|status| status.sinks = names);
    }
}

/// What runs on a sink's thread.
struct Feeder {
    uri: String,
    name: String,
    telemetry: Arc<Telemetry>,
    mailbox: Slot,
    pulse: Arc<Pulse>,
    measures: Arc<AtomicBool>,
    open: OpenSink,
    fps: f64,
}

impl Feeder {
    fn run(&mut self, first: Option<Box<dyn Sink>>) {
        let mut sink = first;
        let mut retry_at = Instant::now();
        let mut free = Instant::now();
        loop {
            self.pulse.beat();
            let (output, handed) = match self.mailbox.take(PATIENCE) {
                Taken::Item(item) => item,
                Taken::Nothing => continue,
                Taken::Closed => break,
            };
            if sink.is_none() && Instant::now() >= retry_at {
                match unpanicked(|| (self.open)(&self.uri, self.fps, &self.telemetry)) {
                    Ok(opened) => sink = Some(opened),
                    Err(e) => self.telemetry.fault(&self.name, e),
                }
                retry_at = Instant::now() + RETRY;
            }
            let Some(open) = &mut sink else {
                self.mailbox.lose();
                continue;
            };
            // While the frame before was still being written no hand-over could be made.
            let waited = handed.max(free).elapsed();
            let outcome = unpanicked(|| open.put(&output));
            let age = output.input.captured.elapsed();
            free = Instant::now();
            if self.measures.load(Ordering::Relaxed) {
                self.telemetry.update(|status| {
                    status.stage_ms.hand_over.add(waited);
                    status.age_ms.add(age);
                });
            }
            match outcome {
                Ok(()) => self.telemetry.mended(&self.name),
                Err(e) => {
                    self.mailbox.lose();
                    self.telemetry.fault(&self.name, e);
                    (sink, retry_at) = (None, Instant::now() + RETRY);
                }
            }
        }
        if let Some(Err(e)) = sink.map(|mut sink| unpanicked(|| sink.finish())) {
            self.telemetry.fault(&self.name, e);
        }
    }
}

/// A sink that panics is lost like one that fails.
fn unpanicked<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let panicked = |_| Err(Error::Input("it panicked, which is a bug".into()));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(panicked)
}
