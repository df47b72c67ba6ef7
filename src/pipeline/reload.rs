//! What changes while the loop runs: the configuration, the source, the model.
//!
//! Nothing that runs is given up before what follows has proved itself.

use super::Settings;
use super::models::{Loaded, Purpose, Watch, load_tested};
use super::shared::{Deadline, OpenSource, lock, spawn_behind};
use super::supervisor::{GRACE, Supervisor};
use crate::telemetry::Telemetry;
use crate::uri::without_secrets;
use crate::{Error, Result};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

const MODEL_FAULT: &str = "model";
const CONFIG_FAULT: &str = "configuration";

/// The thread that reads a source is given so long to let go of it before another opens it.
const LET_GO: Duration = Duration::from_millis(500);

/// Opens the source in use, and another once it is asked for: where that can't be opened, the
/// one before goes on.
pub(super) struct SourceSwitch {
    doors: Arc<Mutex<SourceDoors>>,
    live: bool,
}

struct SourceDoors {
    /// Opened before.
    proven: OpenSource,
    new: Option<OpenSource>,
    failed: bool,
}

impl SourceSwitch {
    pub(super) fn new(proven: OpenSource, live: bool) -> Self {
        Self { doors: Arc::new(Mutex::new(SourceDoors { proven, new: None, failed: false })), live }
    }

    /// Opens whichever source is wanted.
    pub(super) fn open(&self, telemetry: &Arc<Telemetry>) -> OpenSource {
        let (doors, live, telemetry) = (Arc::clone(&self.doors), self.live, Arc::clone(telemetry));
        Arc::new(move || {
            let (new, proven) = {
                let mut doors = lock(&doors);
                (doors.new.take(), Arc::clone(&doors.proven))
            };
            // Opening may take its time: not under the lock.
            let Some(new) = new else { return proven() };
            let opened = new().and_then(|source| match source.is_live() == live {
                true => Ok(source),
                false => Err(Error::Input("from a camera to a file or back only by a restart".into())),
            });
            match opened {
                Ok(source) => {
                    lock(&doors).proven = new;
                    Ok(source)
                }
                Err(e) => {
                    lock(&doors).failed = true;
                    telemetry.fault(CONFIG_FAULT, format!("source: {e}; the one before goes on"));
                    proven()
                }
            }
        })
    }

    fn change(&self, new: OpenSource) {
        let mut doors = lock(&self.doors);
        (doors.new, doors.failed) = (Some(new), false);
    }

    /// Whether the one that was asked for last could not be opened.
    fn failed(&self) -> bool {
        lock(&self.doors).failed
    }
}

/// The models that follow the first.
pub(super) struct Models {
    loaded: u64,
    watches: Vec<Watch>,
    loading: Option<mpsc::Receiver<Result<Loaded>>>,
    /// The last one that was loaded did not pass.
    failed: bool,
}

impl Models {
    pub(super) fn new(settings: &Settings) -> Self {
        let names = std::iter::once(&settings.model).chain(&settings.lighter);
        let watches = names.filter_map(|name| Watch::new(name)).collect();
        Self { loaded: 0, watches, loading: None, failed: false }
    }
}

impl Supervisor {
    /// Reads the configuration again, and takes what is new.
    pub(super) fn read_settings(&mut self) {
        match (self.reload)() {
            None => {}
            Some(Err(e)) => self.shared.telemetry.fault(CONFIG_FAULT, e),
            Some(Ok(settings)) => {
                self.shared.telemetry.mended(CONFIG_FAULT);
                self.apply(settings);
            }
        }
    }

    /// Changes what is changed, and leaves the rest running.
    fn apply(&mut self, new: Settings) {
        let old = std::mem::replace(&mut self.settings, new.clone());
        self.shared.set_detect_every(new.detect_every);
        if new.task != old.task
            && let Err(e) = self.shared.controls().set_task(new.task.as_deref())
        {
            self.shared.telemetry.fault(CONFIG_FAULT, e);
        }
        if new.scales != old.scales {
            lock(&self.changes).scales = Some(new.scales.clone());
        }
        if new.cores != old.cores {
            log::warn!("the board's cores and threads are other ones: they are used after a restart");
        }
        let running = self.outputs.uris();
        for uri in running.iter().filter(|uri| !new.sinks.contains(uri)) {
            let at = Instant::now() + GRACE;
            self.outputs.remove(uri, &Deadline { at, controls: self.shared.controls(), grace: GRACE });
        }
        for uri in new.sinks.iter().filter(|uri| !running.contains(uri)) {
            if let Err(e) = self.outputs.add_when_it_opens(uri, self.fps) {
                self.shared.telemetry.fault(&without_secrets(uri), e);
            }
        }
        if new.source != old.source || self.source.failed() {
            self.source.change(new.doors().source);
            self.exchange_capture(LET_GO);
        }
        let same_model = new.model == old.model
            && new.lighter == old.lighter
            && new.restore.dtype == old.restore.dtype
            && new.restore.backend == old.restore.backend
            && new.restore.strength == old.restore.strength;
        // One that failed is tried again: that is what the signal was sent for.
        if !same_model || self.models.failed {
            self.models.watches = Models::new(&new).watches;
            self.start_loading();
        }
    }

    /// Holds the rate that the user wants, else the source's own.
    pub(super) fn hold_fps(&mut self) {
        let wanted = self.settings.fps.or(self.shared.source_fps()).unwrap_or(self.settings.fallback_fps);
        if (wanted - self.fps).abs() > 1e-6 {
            self.fps = wanted;
            lock(&self.changes).fps = Some(wanted);
            self.shared.telemetry.update(|status| status.fps_target = wanted);
        }
    }

    /// Loads a bundle anew whose file was replaced.
    pub(super) fn look_after_models(&mut self, now: Instant) {
        // Each is asked: one that settles must not hide another.
        let replaced = self.models.watches.iter_mut().filter_map(|watch| watch.replaced(now).then_some(()));
        if replaced.count() > 0 {
            log::info!("the model's file is another: loading it");
            self.start_loading();
        }
    }

    fn start_loading(&mut self) {
        self.models.loaded += 1;
        let status = self.shared.telemetry.status();
        let purpose = Purpose {
            task: self.shared.controls().task(),
            size: status.size.into(),
            scale: if self.lossless || status.governor.scale <= 0.0 { 1.0 } else { status.governor.scale },
        };
        let (settings, number) = (self.settings.clone(), self.models.loaded);
        let (sender, receiver) = mpsc::channel();
        let work = move || drop(sender.send(load_tested(&settings, number, &purpose)));
        match spawn_behind("load model", &self.settings.cores.restore_cores, work) {
            Ok(_) => self.models.loading = Some(receiver),
            Err(e) => self.shared.telemetry.fault(MODEL_FAULT, e),
        }
    }

    /// Takes a model that was loaded aside, if it passed its test.
    pub(super) fn take_loaded(&mut self) {
        let outcome = match self.models.loading.as_ref().map(mpsc::Receiver::try_recv) {
            None | Some(Err(mpsc::TryRecvError::Empty)) => return,
            Some(Ok(outcome)) => outcome,
            Some(Err(mpsc::TryRecvError::Disconnected)) => Err(Error::Model("loading it panicked".into())),
        };
        self.models.loading = None;
        self.models.failed = outcome.is_err();
        match outcome {
            Ok(Loaded { model, eyes, prepared }) => {
                self.shared.telemetry.mended(MODEL_FAULT);
                let mut changes = lock(&self.changes);
                changes.model = Some((model, prepared));
                if self.lossless {
                    changes.eyes = Some(eyes);
                } else {
                    *lock(&self.eyes) = Some(eyes);
                }
            }
            Err(e) => self.shared.telemetry.fault(MODEL_FAULT, format!("{e}; the one before goes on")),
        }
    }
}
