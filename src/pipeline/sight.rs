//! The thread of the VLM head: looks now and then, or when the picture changes, and keeps the
//! guidance that frames are restored by.

use super::mailbox::Taken;
use super::shared::{Guided, PATIENCE, Shared, lock};
use crate::bundle::Task;
use crate::frame::{Frame, Planes, to_planes};
use crate::vlm::{Degradation, Detector, Guidance, Smoother, Smoothing};
use crate::{Error, Result, bundle::Bundle};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const FAULT: &str = "detection";

/// A change of mean brightness or contrast (0..=1) that calls for a look at once.
const JUMP: f32 = 0.06;

/// No more often than this, however the picture jumps.
const LEAST: Duration = Duration::from_millis(100);

/// A model's eyes, and what they need beside the frames.
pub(super) struct Eyes {
    /// The number of the model.
    pub(super) model: u64,
    pub(super) bundle: Arc<Bundle>,
    /// None where the bundle has no VLM head: the user names the task then.
    pub(super) detector: Option<Detector>,
}

/// What detects, wherever it runs: on its own thread, or between the frames of a file.
pub(super) struct Sight {
    eyes: Eyes,
    smoother: Smoother,
    /// Frames per second of a file, whose frames come in no time of their own.
    file_fps: Option<f64>,
    last: Option<Look>,
    /// The task that was named when the last guidance was given.
    forced: Option<Arc<str>>,
    planes: Planes,
}

struct Look {
    at: Instant,
    captured: Instant,
    sequence: u64,
    mean: f32,
    contrast: f32,
}

impl Look {
    /// The stream's time from this look until a frame.
    fn until(&self, frame: &Frame, file_fps: Option<f64>) -> Duration {
        match file_fps {
            Some(fps) => {
                Duration::from_secs_f64(frame.sequence.saturating_sub(self.sequence) as f64 / fps.max(0.01))
            }
            None => frame.captured.saturating_duration_since(self.captured),
        }
    }
}

impl Sight {
    pub(super) fn new(eyes: Eyes, file_fps: Option<f64>) -> Self {
        Self {
            eyes,
            smoother: Smoother::new(Smoothing::default()),
            file_fps,
            last: None,
            forced: None,
            planes: Planes::default((3, 0, 0)),
        }
    }

    /// Looks through other eyes from now on.
    pub(super) fn replace(&mut self, eyes: Eyes) {
        self.eyes = eyes;
        self.smoother.reset();
        (self.last, self.forced) = (None, None);
    }

    /// Sees a frame; looks closer where it is time. Trouble is reported, and the guidance stays
    /// as it was.
    pub(super) fn see(&mut self, frame: &Frame, shared: &Shared) {
        let task = shared.controls().task();
        let work = || match task {
            Some(words) => self.follow_user(words, shared),
            None => {
                if self.forced.take().is_some() {
                    self.smoother.reset();
                    self.last = None;
                }
                self.look(frame, shared)
            }
        };
        // What the engine trips over costs a look, not the thread.
        let outcome = catch_unwind(AssertUnwindSafe(work));
        let outcome =
            outcome.unwrap_or_else(|_| Err(Error::Model("the VLM head panicked, which is a bug".into())));
        match outcome {
            Ok(()) => shared.telemetry.mended(FAULT),
            Err(e) => shared.telemetry.fault(FAULT, e),
        }
    }

    fn follow_user(&mut self, words: Arc<str>, shared: &Shared) -> Result<()> {
        if self.forced.as_ref() == Some(&words) {
            return Ok(());
        }
        let prompts = self.eyes.bundle.prompts()?;
        let index = prompts.find(&words)?;
        let prompt = &prompts.prompts()[index];
        let guidance = Guidance {
            task: prompt.task,
            degradation: Degradation::of_prompt(&prompts, index)?,
            label: prompt.text.clone(),
            confidence: 1.0,
            tasks: vec![(prompt.task, 1.0)],
        };
        self.forced = Some(words);
        self.tell(guidance, true, shared);
        Ok(())
    }

    fn look(&mut self, frame: &Frame, shared: &Shared) -> Result<()> {
        let Some(detector) = &mut self.eyes.detector else { return Ok(()) };
        let (mean, contrast) = statistics(frame);
        let elapsed = self.last.as_ref().map_or(Duration::ZERO, |last| last.until(frame, self.file_fps));
        if let Some(last) = &self.last {
            let jumped = (mean - last.mean).abs().max((contrast - last.contrast).abs()) > JUMP;
            if elapsed < shared.detect_every() && !(jumped && last.at.elapsed() >= LEAST) {
                return Ok(());
            }
        }
        let start = Instant::now();
        self.last =
            Some(Look { at: start, captured: frame.captured, sequence: frame.sequence, mean, contrast });
        to_planes(frame, &mut self.planes);
        let detection = detector.detect(self.planes.view())?;
        let guidance = self.smoother.add(&detection, elapsed);
        shared.telemetry.update(|status| status.stage_ms.detect.add(start.elapsed()));
        self.tell(guidance, false, shared);
        Ok(())
    }

    fn tell(&self, guidance: Guidance, forced: bool, shared: &Shared) {
        shared.telemetry.update(|status| {
            let detected = &mut status.detected;
            detected.label.clone_from(&guidance.label);
            detected.task = guidance.task.to_string();
            detected.confidence = f64::from(guidance.confidence);
            detected.tasks =
                guidance.tasks.iter().map(|(task, p)| (Task::to_string(task), f64::from(*p))).collect();
            detected.forced = forced;
        });
        shared.guide(Guided { model: self.eyes.model, guidance });
    }
}

/// Sees frames on its own thread until they end; `next` brings other eyes.
pub(super) fn run(shared: &Shared, mut sight: Sight, next: &Mutex<Option<Eyes>>) {
    loop {
        if let Some(eyes) = lock(next).take() {
            sight.replace(eyes);
        }
        match shared.looks.take(PATIENCE) {
            Taken::Item(frame) => sight.see(&frame, shared),
            Taken::Nothing if !shared.controls().stopped() => {}
            Taken::Nothing | Taken::Closed => return,
        }
    }
}

/// Mean brightness and its standard deviation over some thousand samples, 0..=1.
fn statistics(frame: &Frame) -> (f32, f32) {
    let step = (frame.rgb.len() / 4096).max(1) | 1;
    let (mut sum, mut squares, mut count) = (0.0f32, 0.0f32, 0.0f32);
    for &byte in frame.rgb.iter().step_by(step) {
        let value = f32::from(byte) / 255.0;
        sum += value;
        squares += value * value;
        count += 1.0;
    }
    let mean = sum / count.max(1.0);
    (mean, (squares / count.max(1.0) - mean * mean).max(0.0).sqrt())
}
