//! Starts the loop's threads, watches over them, and ends them.

use super::Settings;
use super::capture;
use super::governor::Governor;
use super::models::{self, Loaded};
use super::outputs::Outputs;
use super::reload::{Models, SourceSwitch};
use super::shared::{
    Deadline, Doors, OpenSource, Pulse, Shared, join_until, lock, spawn_behind, spawn_swift,
};
use super::sight::{self, Eyes, Sight};
use super::worker::{Changes, Worker};
use crate::Result;
use crate::backend::gpu;
use crate::board::profile::Cpu;
use crate::board::thermal::Level as Heat;
use crate::restore::gpu_is_there;
use crate::source::Source;
use crate::telemetry::{BoardState, Percentiles, Status, Telemetry};
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
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
pub(super) const GRACE: Duration = Duration::from_millis(900);
/// The same for a file that has come to its end: its sinks may have much to write.
const FILE_GRACE: Duration = Duration::from_secs(60);

const STUCK_FAULT: &str = "capture thread";

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

pub(super) struct Supervisor {
    pub(super) settings: Settings,
    started: Instant,
    pub(super) shared: Arc<Shared>,
    pub(super) outputs: Arc<Outputs>,
    pub(super) changes: Arc<Mutex<Changes>>,
    pub(super) eyes: Arc<Mutex<Option<Eyes>>>,
    pub(super) source: SourceSwitch,
    capture: (JoinHandle<()>, Arc<Pulse>),
    worker: (JoinHandle<()>, Arc<Pulse>),
    others: Vec<JoinHandle<()>>,
    abandoned: usize,
    /// Cleared when the loop can't be saved from within.
    healthy: Arc<AtomicBool>,
    pub(super) models: Models,
    /// No frame may be lost: they are a file's.
    pub(super) lossless: bool,
    observe: Box<dyn FnMut(&Status) + Send>,
    board: Box<dyn FnMut() -> (BoardState, Heat) + Send>,
    pub(super) reload: Box<dyn FnMut() -> Option<Result<Settings>> + Send>,
    pub(super) fps: f64,
}

impl Supervisor {
    fn start(
        settings: Settings,
        Doors { source: open, sink }: Doors,
        telemetry: &Arc<Telemetry>,
        hooks: Hooks,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::new(Arc::clone(telemetry)));
        let Loaded { model, eyes, .. } = models::load(&settings, 0)?;
        telemetry.update(|status| (status.model, status.bundle) = (model.describe(), model.folder()));
        let source = open()?;
        shared.set_source_fps(source.fps());
        gpu::give_up_builds(false);
        let fps = settings.fps.or(source.fps()).unwrap_or(settings.fallback_fps);
        let outputs = Arc::new(Outputs::new(Arc::clone(telemetry), sink, settings.cores.other_cores.clone()));
        for uri in &settings.sinks {
            outputs.add(uri, fps)?;
        }
        telemetry.controls().set_task(settings.task.as_deref())?;
        shared.set_detect_every(settings.detect_every);
        telemetry.update(|status| {
            status.source = source.describe();
            status.fps_target = fps;
        });

        let live = source.is_live();
        let file_fps = (!live).then_some(fps);
        let sight = Sight::new(eyes, file_fps);
        let (patient, seeing) = if live { (None, Some(sight)) } else { (Some(sight), None) };
        let governor =
            Governor::new(fps, &model.costs(), &if live { settings.scales.clone() } else { 1.0..=1.0 });
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
        worker.gpu = gpu_is_there(&settings.restore);

        let next_eyes = Arc::<Mutex<Option<Eyes>>>::default();
        let mut others = Vec::new();
        let (counter, workshop_shared) = (Arc::clone(&worker.counter), Arc::clone(&shared));
        others.push(spawn_behind("workshop", &settings.cores.restore_cores, move || {
            super::workshop::run(&workshop_shared, &counter)
        })?);
        if let Some(sight) = seeing {
            let (shared, next) = (Arc::clone(&shared), Arc::clone(&next_eyes));
            others.push(spawn_behind("sight", &settings.cores.other_cores, move || {
                sight::run(&shared, sight, &next)
            })?);
        }
        let changes = Arc::clone(&worker.changes);
        let worker_pulse = Pulse::new();
        let pulse = Arc::clone(&worker_pulse);
        let worker = (
            spawn_behind("worker", &settings.cores.restore_cores, move || worker.run(&pulse))?,
            worker_pulse,
        );
        let source_switch = SourceSwitch::new(open, live);
        let open = source_switch.open(&shared.telemetry);
        let capture = start_capture(&shared, &open, Some(source), &settings.cores)?;
        Ok(Self {
            models: Models::new(&settings),
            settings,
            started: Instant::now(),
            shared,
            outputs,
            changes,
            eyes: next_eyes,
            source: source_switch,
            capture,
            worker,
            others,
            abandoned: 0,
            healthy,
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
            self.hold_fps();
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
                self.look_after_models(now);
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
            self.shared.telemetry.lasting_fault(STUCK_FAULT, message);
            self.healthy.store(false, Ordering::Relaxed);
            return;
        }
        let message = format!("the source hangs since {seconds} s: left to itself, another is started");
        self.shared.telemetry.fault(STUCK_FAULT, message);
        self.abandoned += 1;
        self.exchange_capture(Duration::ZERO);
    }

    /// Has another thread read the source, once the one before has let go of it or the time is up.
    pub(super) fn exchange_capture(&mut self, let_go: Duration) {
        self.capture.1.dismiss();
        let deadline = Instant::now() + let_go;
        while !self.capture.0.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        let open = self.source.open(&self.shared.telemetry);
        match start_capture(&self.shared, &open, None, &self.settings.cores) {
            Ok(capture) => self.capture = capture,
            Err(e) => self.shared.telemetry.fault(STUCK_FAULT, e),
        }
    }

    /// Ends every thread that ends in time, and sums up.
    fn end(self) -> Summary {
        let ended_by_itself = self.worker.0.is_finished();
        self.shared.controls().wind_up();
        gpu::give_up_builds(true);
        let grace = if ended_by_itself { FILE_GRACE } else { GRACE };
        let asked = Instant::now();
        let deadline = |part| Deadline { at: asked + part, controls: self.shared.controls(), grace: GRACE };
        self.shared.frames.close();
        self.shared.looks.close();
        // A frame under work is finished, if that takes no longer.
        let finished = join_until(self.worker.0, &deadline(grace * 2 / 3));
        self.outputs.finish(&deadline(grace));
        self.capture.1.dismiss();
        // The whole stays below a second, whatever hangs.
        let soon = Deadline { at: (asked + GRACE).max(Instant::now() + GRACE / 12), ..deadline(grace) };
        let captured = join_until(self.capture.0, &soon);
        let others: Vec<bool> = self.others.into_iter().map(|thread| join_until(thread, &soon)).collect();
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
    Ok((
        spawn_swift("capture", &cores.other_cores, move || capture::run(&shared, &open, first, &own))?,
        pulse,
    ))
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
