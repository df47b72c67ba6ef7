//! Starts the loop's threads, watches over them, and ends them.

use super::Settings;
use super::capture;
use super::governor::Governor;
use super::models::{self, Loaded, Watch};
use super::outputs::Outputs;
use super::shared::{Doors, OpenSource, Pulse, Shared, join_until, lock, spawn};
use super::sight::{self, Eyes, Sight};
use super::worker::{Changes, Worker};
use crate::board::profile::Cpu;
use crate::board::thermal::Level as Heat;
use crate::source::Source;
use crate::telemetry::{BoardState, Percentiles, Status, Telemetry};
use crate::uri::without_secrets;
use crate::{Error, Result};
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks at everything.
const STEP: Duration = Duration::from_millis(20);
/// Between two measurements of rates.
const MEASURE: Duration = Duration::from_millis(500);
/// A thread that gives no sign of life for so long hangs in the driver or the engine.
const SILENCE: Duration = Duration::from_secs(3);
/// Capture threads given up before the watchdog is left to decide.
const ABANDONED: usize = 3;
/// From the wish to end until everything has ended.
const GRACE: Duration = Duration::from_millis(900);
/// The same for a file that has come to its end: its sinks may have much to write.
const FILE_GRACE: Duration = Duration::from_secs(60);

const MODEL_FAULT: &str = "model";
const STUCK_FAULT: &str = "capture thread";
const CONFIG_FAULT: &str = "configuration";

/// What the loop calls while it runs.
pub struct Hooks {
    /// The frame loop lives: called after every frame (true) and ten times a second while there
    /// is none, unless the loop can't go on. For the watchdog.
    pub alive: Box<dyn FnMut(bool) + Send>,
    /// The state, twice a second: for a display, an LED.
    pub observe: Box<dyn FnMut(&Status) + Send>,
    /// The board's state and what it allows, every two seconds.
    pub board: Box<dyn FnMut() -> (BoardState, Heat) + Send>,
    /// Reads the settings again; none where there is nothing to read.
    pub reload: Box<dyn FnMut() -> Option<Result<Settings>> + Send>,
}

impl Default for Hooks {
    /// Nobody listens.
    fn default() -> Self {
        Self {
            alive: Box::new(|_| {}),
            observe: Box::new(|_| {}),
            board: Box::new(|| (BoardState::default(), Heat::Cool)),
            reload: Box::new(|| None),
        }
    }
}

/// What a loop did.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Frames taken from the source.
    pub frames_in: u64,
    /// Frames handed to the sinks.
    pub frames_out: u64,
    /// Frames dropped on the way to the worker, or lost by the source.
    pub dropped: u64,
    /// Frames that arrived damaged and were skipped.
    pub damaged: u64,
    /// Frames handed out per second of the whole run.
    pub fps_out: f64,
    /// From capture to the first sink.
    pub age_ms: Percentiles,
    /// Frames that passed untouched.
    pub bypassed: u64,
    /// Kinds of trouble and how often each came.
    pub faults: std::collections::BTreeMap<String, u64>,
    /// Why a file's frames did not all arrive, where its source or a sink failed; empty for live
    /// sources, which lose frames.
    pub failed: Vec<String>,
}

/// Runs the loop until its source ends, a limit is reached or the controls of `telemetry` ask
/// for the end.
///
/// # Errors
/// Where the model, the source or a sink can't be opened at the start. What fails later is a
/// fault in `telemetry`, and the loop goes on.
pub fn run(settings: Settings, telemetry: &Arc<Telemetry>, hooks: Hooks) -> Result<Summary> {
    let doors = settings.doors();
    run_through(settings, doors, telemetry, hooks)
}

/// [`run`] with a source and sinks that are opened otherwise.
///
/// # Errors
/// As [`run`].
pub fn run_through(
    settings: Settings,
    doors: Doors,
    telemetry: &Arc<Telemetry>,
    hooks: Hooks,
) -> Result<Summary> {
    let mut supervisor = Supervisor::start(settings, doors, telemetry, hooks)?;
    supervisor.watch();
    Ok(supervisor.end())
}

struct Supervisor {
    settings: Settings,
    started: Instant,
    shared: Arc<Shared>,
    outputs: Arc<Outputs>,
    changes: Arc<Mutex<Changes>>,
    eyes: Arc<Mutex<Option<Eyes>>>,
    open: OpenSource,
    capture: (JoinHandle<()>, Arc<Pulse>),
    worker: (JoinHandle<()>, Arc<Pulse>),
    others: Vec<JoinHandle<()>>,
    abandoned: usize,
    /// Cleared when the loop can't be saved from within.
    healthy: Arc<AtomicBool>,
    models: u64,
    watch: Option<Watch>,
    loading: Option<mpsc::Receiver<Result<Loaded>>>,
    /// The last one that was loaded did not pass.
    model_failed: bool,
    /// No frame may be lost: they are a file's.
    lossless: bool,
    observe: Box<dyn FnMut(&Status) + Send>,
    board: Box<dyn FnMut() -> (BoardState, Heat) + Send>,
    reload: Box<dyn FnMut() -> Option<Result<Settings>> + Send>,
    fps: f64,
}

impl Supervisor {
    fn start(
        settings: Settings,
        Doors { source: open, sink }: Doors,
        telemetry: &Arc<Telemetry>,
        hooks: Hooks,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::new(Arc::clone(telemetry)));
        let Loaded { model, eyes } = models::load(&settings, 0)?;
        let source = open()?;
        let fps = settings.fps.or(source.fps()).unwrap_or(settings.fallback_fps);
        let outputs = Arc::new(Outputs::new(Arc::clone(telemetry), sink, settings.cores.other_cores.clone()));
        for uri in &settings.sinks {
            outputs.add(uri, fps)?;
        }
        telemetry.controls().set_task(settings.task.as_deref())?;
        shared.set_detect_every(settings.detect_every);
        telemetry.update(|status| {
            status.source = source.describe();
            status.model = model.describe();
            status.fps_target = fps;
        });

        let live = source.is_live();
        let file_fps = (!live).then_some(fps);
        let sight = Sight::new(eyes, file_fps);
        let (patient, seeing) = if live { (None, Some(sight)) } else { (Some(sight), None) };
        let governor = Governor::new(fps, 1, &if live { settings.scales.clone() } else { 1.0..=1.0 });
        let healthy = Arc::new(AtomicBool::new(true));
        let mut worker = Worker::new(Arc::clone(&shared), Arc::clone(&outputs), model, governor, patient, {
            let (healthy, mut alive) = (Arc::clone(&healthy), hooks.alive);
            Box::new(move |frame| {
                if healthy.load(Ordering::Relaxed) {
                    alive(frame);
                }
            })
        });
        worker.limit = settings.frames;

        let next_eyes = Arc::<Mutex<Option<Eyes>>>::default();
        let mut others = Vec::new();
        let (counter, workshop_shared) = (Arc::clone(&worker.counter), Arc::clone(&shared));
        others.push(spawn("workshop", &settings.cores.restore_cores, move || {
            super::workshop::run(&workshop_shared, &counter)
        })?);
        if let Some(sight) = seeing {
            let (shared, next) = (Arc::clone(&shared), Arc::clone(&next_eyes));
            others.push(spawn("sight", &settings.cores.other_cores, move || {
                sight::run(&shared, sight, &next)
            })?);
        }
        let changes = Arc::clone(&worker.changes);
        let worker_pulse = Pulse::new();
        let pulse = Arc::clone(&worker_pulse);
        let worker =
            (spawn("worker", &settings.cores.restore_cores, move || worker.run(&pulse))?, worker_pulse);
        let capture = start_capture(&shared, &open, Some(source), &settings.cores)?;
        Ok(Self {
            watch: Watch::new(&settings.model),
            settings,
            started: Instant::now(),
            shared,
            outputs,
            changes,
            eyes: next_eyes,
            open,
            capture,
            worker,
            others,
            abandoned: 0,
            healthy,
            models: 0,
            loading: None,
            model_failed: false,
            lossless: !live,
            observe: hooks.observe,
            board: hooks.board,
            reload: hooks.reload,
            fps,
        })
    }

    /// Looks after everything until the end.
    fn watch(&mut self) {
        let mut rates = Rates::new();
        let mut board_at = Instant::now();
        let mut measure_at = Instant::now() + MEASURE;
        while !self.worker.0.is_finished() && !self.shared.controls().stopped() {
            std::thread::sleep(STEP);
            let now = Instant::now();
            if self.settings.duration.is_some_and(|limit| self.started.elapsed() >= limit) {
                break;
            }
            if self.shared.controls().take_reload() {
                self.read_settings();
            }
            self.take_loaded();
            if now >= board_at {
                board_at = now + Duration::from_secs(2);
                let (state, heat) = (self.board)();
                lock(&self.changes).heat = Some(heat);
                self.shared.telemetry.update(|status| status.board = state);
            }
            if now >= measure_at {
                measure_at = now + MEASURE;
                self.shared.telemetry.update(|status| rates.measure(status, now));
                self.outputs.observe();
                self.look_after_capture();
                if self.watch.as_mut().is_some_and(|watch| watch.replaced(now)) {
                    log::info!("the model's file is another: loading it");
                    self.start_loading();
                }
                (self.observe)(&self.shared.telemetry.status());
            }
        }
    }

    /// Gives a capture thread up that hangs in its driver, and starts another.
    fn look_after_capture(&mut self) {
        let silence = self.capture.1.silence();
        if self.capture.0.is_finished() || silence < SILENCE {
            if self.abandoned > 0 && silence < SILENCE {
                self.shared.telemetry.mended(STUCK_FAULT);
            }
            return;
        }
        let seconds = silence.as_secs();
        if self.abandoned == ABANDONED {
            let message = format!("the source hangs since {seconds} s, again: the watchdog is to restart us");
            self.shared.telemetry.fault(STUCK_FAULT, message);
            self.healthy.store(false, Ordering::Relaxed);
            return;
        }
        let message = format!("the source hangs since {seconds} s: left to itself, another is started");
        self.shared.telemetry.fault(STUCK_FAULT, message);
        self.abandoned += 1;
        self.exchange_capture();
    }

    fn exchange_capture(&mut self) {
        self.capture.1.dismiss();
        match start_capture(&self.shared, &self.open, None, &self.settings.cores) {
            Ok(capture) => self.capture = capture,
            Err(e) => self.shared.telemetry.fault(STUCK_FAULT, e),
        }
    }

    fn read_settings(&mut self) {
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
        if let Some(fps) = new.fps.filter(|fps| Some(*fps) != old.fps) {
            self.fps = fps;
            lock(&self.changes).fps = Some(fps);
            self.shared.telemetry.update(|status| status.fps_target = fps);
        }
        let running = self.outputs.uris();
        for uri in running.iter().filter(|uri| !new.sinks.contains(uri)) {
            self.outputs.remove(uri, Instant::now() + GRACE);
        }
        for uri in new.sinks.iter().filter(|uri| !running.contains(uri)) {
            if let Err(e) = self.outputs.add(uri, self.fps) {
                self.shared.telemetry.fault(&without_secrets(uri), e);
            }
        }
        if new.source != old.source {
            self.open = new.doors().source;
            self.exchange_capture();
        }
        let same_model = new.model == old.model
            && new.restore.dtype == old.restore.dtype
            && new.restore.backend == old.restore.backend
            && new.restore.strength == old.restore.strength;
        // One that failed is tried again: that is what the signal was sent for.
        if !same_model || self.model_failed {
            self.watch = Watch::new(&new.model);
            self.start_loading();
        }
    }

    fn start_loading(&mut self) {
        self.models += 1;
        let (settings, number) = (self.settings.clone(), self.models);
        let (sender, receiver) = mpsc::channel();
        let work = move || drop(sender.send(models::load_tested(&settings, number)));
        match spawn("load model", &self.settings.cores.restore_cores, work) {
            Ok(_) => self.loading = Some(receiver),
            Err(e) => self.shared.telemetry.fault(MODEL_FAULT, e),
        }
    }

    /// Takes a model that was loaded aside, if it passed its test.
    fn take_loaded(&mut self) {
        let outcome = match self.loading.as_ref().map(mpsc::Receiver::try_recv) {
            None | Some(Err(mpsc::TryRecvError::Empty)) => return,
            Some(Ok(outcome)) => outcome,
            Some(Err(mpsc::TryRecvError::Disconnected)) => Err(Error::Model("loading it panicked".into())),
        };
        self.loading = None;
        self.model_failed = outcome.is_err();
        match outcome {
            Ok(Loaded { model, eyes }) => {
                self.shared.telemetry.mended(MODEL_FAULT);
                let description = model.describe();
                self.shared.telemetry.update(|status| status.model = description);
                let mut changes = lock(&self.changes);
                changes.model = Some(model);
                if self.lossless {
                    changes.eyes = Some(eyes);
                } else {
                    *lock(&self.eyes) = Some(eyes);
                }
            }
            Err(e) => self.shared.telemetry.fault(MODEL_FAULT, format!("{e}; the one before goes on")),
        }
    }

    /// Ends every thread that ends in time, and sums up.
    fn end(self) -> Summary {
        let ended_by_itself = self.worker.0.is_finished();
        self.shared.controls().stop();
        let grace = if ended_by_itself { FILE_GRACE } else { GRACE };
        let asked = Instant::now();
        let deadline = asked + grace;
        self.shared.frames.close();
        self.shared.looks.close();
        // A frame under work is finished, if that takes no longer.
        let finished = join_until(self.worker.0, deadline - grace / 3);
        self.outputs.finish(deadline);
        self.capture.1.dismiss();
        // The whole stays below a second, whatever hangs.
        let soon = (asked + GRACE).max(Instant::now() + GRACE / 12);
        let captured = join_until(self.capture.0, soon);
        let others: Vec<bool> = self.others.into_iter().map(|thread| join_until(thread, soon)).collect();
        if !(finished && captured && others.into_iter().all(|ended| ended)) {
            log::debug!("a thread does not end: it is left to itself");
        }
        let mut summary = Summary::new(&self.shared.telemetry.status(), self.started.elapsed());
        if self.lossless {
            summary.failed = failures(&self.shared.telemetry.status());
        }
        summary
    }
}

fn start_capture(
    shared: &Arc<Shared>,
    open: &OpenSource,
    first: Option<Box<dyn Source>>,
    cores: &Cpu,
) -> Result<(JoinHandle<()>, Arc<Pulse>)> {
    let pulse = Pulse::new();
    let (shared, open, own) = (Arc::clone(shared), Arc::clone(open), Arc::clone(&pulse));
    Ok((spawn("capture", &cores.other_cores, move || capture::run(&shared, &open, first, &own))?, pulse))
}

/// What failed on the way of frames that may not be lost.
fn failures(status: &Status) -> Vec<String> {
    let decisive = |kind: &String| *kind == capture::LOST || status.sinks.contains(kind);
    let failed = status.faults.iter().filter(|(kind, _)| decisive(kind));
    failed.map(|(kind, fault)| format!("{kind}: {}", fault.message)).collect()
}

impl Summary {
    fn new(status: &Status, elapsed: Duration) -> Self {
        Self {
            frames_in: status.frames_in,
            frames_out: status.frames_out,
            dropped: status.dropped.source + status.dropped.restore,
            damaged: status.dropped.damaged,
            fps_out: status.frames_out as f64 / elapsed.as_secs_f64().max(1e-9),
            age_ms: status.age_ms.percentiles(),
            bypassed: status.bypassed,
            faults: status.faults.iter().map(|(kind, fault)| (kind.clone(), fault.count)).collect(),
            failed: Vec::new(),
        }
    }
}

/// Frames per second, over the last measurements.
struct Rates {
    at: Instant,
    frames: (u64, u64),
}

impl Rates {
    fn new() -> Self {
        Self { at: Instant::now(), frames: (0, 0) }
    }

    fn measure(&mut self, status: &mut Status, now: Instant) {
        let seconds = now.duration_since(self.at).as_secs_f64().max(1e-3);
        let frames = (status.frames_in, status.frames_out);
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let smooth = |old: f64, new: f64| if old == 0.0 { new } else { old + 0.4 * (new - old) };
        status.fps_in = smooth(status.fps_in, rate(frames.0, self.frames.0));
        status.fps_out = smooth(status.fps_out, rate(frames.1, self.frames.1));
        (self.at, self.frames) = (now, frames);
    }
}
