//! The loop against sources, sinks and models that misbehave as real ones do.

mod aside;
mod flow;
mod models;
mod reload;
mod sinks;
mod sources;

use super::shared::{Doors, OpenSource};
use super::supervisor::{Hooks, Summary, run_through};
use super::{Level, Settings};
use crate::control::Controls;
use crate::frame::{Frame, FramePool};
use crate::restore::Options;
use crate::sink::{Output, Sink};
use crate::source::{Event, Source};
use crate::telemetry::{Status, Telemetry};
use crate::{Result, backend};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A loop on its own thread, whose frames are kept.
struct Running {
    telemetry: Arc<Telemetry>,
    kept: Kept,
    thread: JoinHandle<Result<Summary>>,
}

/// Frames that a sink was given, as (input, restored).
type Kept = Arc<Mutex<Vec<(Arc<Frame>, Arc<Frame>)>>>;

struct Keep(Kept);

impl Sink for Keep {
    fn put(&mut self, output: &Output) -> Result<()> {
        let mut kept = self.0.lock().unwrap();
        // Memory stays bounded in a long run.
        if kept.len() < 5000 {
            kept.push((Arc::clone(&output.input), Arc::clone(&output.restored)));
        }
        Ok(())
    }
}

/// A live camera of that rate that shows moving stripes, until `misbehave` says otherwise.
struct Camera<F> {
    size: (u32, u32),
    period: Duration,
    next: u64,
    skipped: u64,
    misbehave: F,
}

/// What a camera does for its n-th frame.
enum Act {
    Deliver,
    Repeat,
    Resize(u32, u32),
    GiveNothing,
    Damage,
    Fail(&'static str),
    Hang,
    End,
}

impl<F: FnMut(u64) -> Act + Send> Source for Camera<F> {
    fn next(&mut self, pool: &FramePool, patience: Duration) -> Result<Event> {
        let sequence = self.next;
        self.next += 1;
        match (self.misbehave)(sequence) {
            Act::Deliver => {}
            Act::Repeat => {
                std::thread::sleep(self.period);
                let frame = pool.make(self.size.0, self.size.1, |frame| {
                    frame.rgb.fill(77);
                    (frame.sequence, frame.captured) = (sequence, Instant::now());
                    Ok(())
                })?;
                return Ok(Event::Frame(frame));
            }
            Act::Resize(width, height) => self.size = (width, height),
            Act::GiveNothing => {
                std::thread::sleep(patience);
                return Ok(Event::Nothing);
            }
            Act::Damage => {
                self.skipped += 1;
                return Ok(Event::Nothing);
            }
            Act::Fail(why) => return Err(crate::Error::Input(why.into())),
            Act::Hang => loop {
                std::thread::park();
            },
            Act::End => return Ok(Event::End),
        }
        std::thread::sleep(self.period);
        let frame = pool.make(self.size.0, self.size.1, |frame| {
            stripes(frame, sequence);
            frame.captured = Instant::now();
            Ok(())
        })?;
        Ok(Event::Frame(frame))
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn is_live(&self) -> bool {
        true
    }

    fn fps(&self) -> Option<f64> {
        Some(1.0 / self.period.as_secs_f64())
    }

    fn describe(&self) -> String {
        "a camera of the tests".into()
    }
}

fn stripes(frame: &mut Frame, sequence: u64) {
    let row = 3 * frame.width as usize;
    for (at, byte) in frame.rgb.iter_mut().enumerate() {
        let (x, y) = (at % row / 3, at / row);
        let moved = x + y + sequence as usize;
        *byte = if moved % 16 < 8 { 200 } else { 40 + (moved % 5) as u8 };
    }
    frame.sequence = sequence;
}

/// Opens cameras that misbehave by `act(opening, frame)`.
fn camera(act: impl Fn(u64, u64) -> Act + Send + Sync + 'static) -> OpenSource {
    let (act, openings) = (Arc::new(act), Mutex::new(0));
    Arc::new(move || {
        let mut openings = openings.lock().unwrap();
        let (act, opening) = (Arc::clone(&act), *openings);
        *openings += 1;
        let misbehave = move |frame| act(opening, frame);
        Ok(Box::new(Camera {
            size: (64, 48),
            period: Duration::from_millis(20),
            next: 0,
            skipped: 0,
            misbehave,
        }))
    })
}

/// One thread, whole frames of 64x48, forced to a task so that no frame passes for being clear.
fn settings(sinks: &[&str]) -> Settings {
    Settings {
        task: Some("derain".into()),
        restore: Options {
            backend: backend::Options { threads: 1, ..backend::Options::default() },
            ..Options::default()
        },
        ..Settings::new("camera:test", sinks.iter().map(|&uri| uri.into()).collect())
    }
}

impl Running {
    fn start(settings: Settings, source: OpenSource) -> Self {
        Self::with(settings, source, Hooks::default(), |_| None)
    }

    /// `other` opens sinks beside `keep:`.
    fn with(
        settings: Settings,
        source: OpenSource,
        hooks: Hooks,
        other: impl Fn(&str) -> Option<Result<Box<dyn Sink>>> + Send + Sync + 'static,
    ) -> Self {
        let telemetry = Arc::<Telemetry>::default();
        let kept = Kept::default();
        let keep = Arc::clone(&kept);
        let sink = Arc::new(move |uri: &str, _: f64, _: &Arc<Telemetry>| {
            other(uri).unwrap_or_else(|| Ok(Box::new(Keep(Arc::clone(&keep)))))
        });
        let doors = Doors { source, sink };
        let own = Arc::clone(&telemetry);
        let work = move || run_through(settings, doors, &own, hooks);
        Self { telemetry, kept, thread: std::thread::spawn(work) }
    }

    fn controls(&self) -> &Controls {
        self.telemetry.controls()
    }

    /// Waits until the status is as wanted; panics with it when it isn't for too long.
    fn until(&self, what: &str, seconds: u64, wanted: impl Fn(&Status) -> bool) -> Duration {
        let start = Instant::now();
        loop {
            let status = self.telemetry.status();
            if wanted(&status) {
                return start.elapsed();
            }
            assert!(!self.thread.is_finished(), "the loop ended before {what}: {status:?}");
            assert!(start.elapsed() < Duration::from_secs(seconds), "{what} never came: {status:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn frames_out(&self) -> u64 {
        self.telemetry.status().frames_out
    }

    /// Waits for so many more frames.
    fn frames(&self, more: u64, seconds: u64) -> Duration {
        let wanted = self.frames_out() + more;
        self.until("more frames", seconds, |status| status.frames_out >= wanted)
    }

    /// Asks for the end; gives how long that took, and the summary.
    fn stop(self) -> (Duration, Summary) {
        let start = Instant::now();
        self.controls().stop();
        let summary = self.thread.join().unwrap().unwrap();
        (start.elapsed(), summary)
    }
}

const WHOLE: f64 = Level::BEST.scale;
