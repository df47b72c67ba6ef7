//! A camera's picture, restored, in a browser: the parts of the library at work without the
//! live loop's threads.
//!
//! `cargo run --release --example http_preview -- \
//!   --source 'synthetic:road?weather=rain&size=320x180&fps=10' --sink http://127.0.0.1:8080`

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vlunet::bundle::{Bundle, Task};
use vlunet::frame::{Frame, FramePool, from_rgb8, to_rgb8};
use vlunet::restore::{self, Restorer};
use vlunet::sink::{self, Output};
use vlunet::source::{self, Event};
use vlunet::telemetry::{State, Telemetry};
use vlunet::vlm::{Degradation, Detection, Detector};

/// How often the detector looks.
const DETECT_EVERY: Duration = Duration::from_millis(500);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn,vlunet=info")).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |flag: &str| arguments.windows(2).find(|pair| pair[0] == flag).map(|pair| &pair[1]);
    let (Some(source), Some(sink)) = (after("--source"), after("--sink")) else {
        return Err("usage: http_preview --source URI --sink URI".into());
    };
    let telemetry = Arc::new(Telemetry::default());
    let mut source = source::open(source)?;
    let mut sink = sink::open(sink, source.fps().unwrap_or(30.0), &telemetry)?;
    let bundle = Bundle::find("nano")?;
    let mut detector = Detector::open(&bundle, None, &restore::Options::default().backend)?;
    let mut restorer = Restorer::open(&bundle, &restore::Options::default())?;
    telemetry.update(|status| {
        status.source = source.describe();
        status.sinks = vec![sink.describe()];
        status.model = "nano".into();
        status.fps_target = source.fps().unwrap_or_default();
        (status.governor.tier, status.governor.scale, status.governor.every) = ("nano".into(), 1.0, 1);
    });

    let (pool, mut seen, mut pace) = (FramePool::default(), None, Pace::default());
    loop {
        let input = match source.next(&pool, Duration::from_secs(1))? {
            Event::Frame(frame) => frame,
            Event::Nothing => continue,
            Event::End => return Ok(sink.finish()?),
        };
        let planes = planes(&input)?;
        let is_old = |(when, _): &(Instant, Detection)| when.elapsed() >= DETECT_EVERY;
        if seen.as_ref().is_none_or(is_old) {
            let began = Instant::now();
            let detection = detector.detect(planes.view())?;
            telemetry.update(|status| status.stage_ms.detect.add(began.elapsed()));
            tell(&telemetry, &detection);
            seen = Some((began, detection));
        }
        let Some((_, detection)) = &seen else { continue };

        let controls = telemetry.controls();
        let forced = controls.task();
        let degradation = match &forced {
            Some(words) => Degradation::for_task(&bundle, words)?,
            None => detection.degradation.clone(),
        };
        let state = match (controls.bypass(), &forced, detection.is_clear()) {
            (true, ..) => State::Bypass,
            (false, None, true) => State::Clear,
            _ => State::Restoring,
        };
        let restored = match state {
            State::Restoring => {
                let began = Instant::now();
                let restored = to_rgb8(restorer.restore(planes.view(), &degradation)?.view());
                telemetry.update(|status| status.stage_ms.restore.add(began.elapsed()));
                pool.make(input.width, input.height, |frame| {
                    frame.copy_from(&input);
                    frame.rgb.copy_from_slice(&restored);
                    Ok(())
                })?
            }
            _ => Arc::clone(&input),
        };
        let fps = pace.tick();
        telemetry.update(|status| {
            (status.state, status.detected.forced) = (state, forced.is_some());
            (status.size, status.fps_in, status.fps_out) = ([input.width, input.height], fps, fps);
            (status.frames_in, status.frames_out) = (status.frames_in + 1, status.frames_out + 1);
            status.bypassed += u64::from(state != State::Restoring);
            status.age_ms.add(input.captured.elapsed());
        });
        sink.put(&Output { input, restored })?;
    }
}

fn planes(frame: &Frame) -> Result<vlunet::frame::Planes, &'static str> {
    let picture = image::RgbImage::from_raw(frame.width, frame.height, frame.rgb.clone());
    Ok(from_rgb8(&picture.ok_or("a frame lacks pixels")?))
}

fn tell(telemetry: &Telemetry, detection: &Detection) {
    telemetry.update(|status| {
        status.detected.label = detection.label().into();
        status.detected.task = detection.task().to_string();
        status.detected.confidence = f64::from(detection.confidence());
        status.detected.tasks.clear();
        for score in &detection.scores {
            let task: Task = score.prompt.task;
            *status.detected.tasks.entry(task.to_string()).or_default() += f64::from(score.probability);
        }
    });
}

/// Frames per second over the last ones.
#[derive(Default)]
struct Pace(VecDeque<Instant>);

impl Pace {
    fn tick(&mut self) -> f64 {
        let now = Instant::now();
        self.0.push_back(now);
        if self.0.len() > 31 {
            self.0.pop_front();
        }
        let span = self.0.front().map_or(0.0, |first| (now - *first).as_secs_f64());
        if span > 0.0 { (self.0.len() - 1) as f64 / span } else { 0.0 }
    }
}
