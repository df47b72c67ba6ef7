//! The parts of the measurement.

use super::Args;
use super::client::{self, Watched};
use super::replay::{Recording, Replay};
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use vlunet::pipeline::{self, Doors, Hooks, Settings};
use vlunet::source::Source;
use vlunet::source::synthetic::Weather;
use vlunet::telemetry::{Dropped, Governed, Percentiles, Status, Telemetry};
use vlunet::{Error, Result, sink};

/// Before this is over the loop warms up: plans are made, memory is taken.
const WARM_UP: Duration = Duration::from_secs(4);

/// One part: frames of one kind on one way.
#[derive(Serialize)]
pub struct Part {
    name: String,
    seconds: f64,
    frames_in: u64,
    frames_out: u64,
    fps_in: f64,
    fps_out: f64,
    age_ms: Percentiles,
    wait_ms: Percentiles,
    restore_ms: Percentiles,
    hand_over_ms: Percentiles,
    dropped: Dropped,
    /// Processor time of the whole program per frame that came in, the client's left out; none
    /// where it can't be told.
    cpu_ms_per_frame: Option<f64>,
    governor: Governed,
    label: String,
    bytes_to_client: u64,
}

impl Part {
    pub fn row(&self) -> [String; 10] {
        let ms = |value: f64| format!("{value:.2}");
        [
            self.name.clone(),
            format!("{:.1}", self.fps_in),
            format!("{:.1}", self.fps_out),
            ms(self.age_ms.p50),
            ms(self.age_ms.p90),
            ms(self.age_ms.p99),
            ms(self.wait_ms.p99),
            ms(self.hand_over_ms.p99),
            format!("{}", self.dropped.restore + self.dropped.sinks.values().sum::<u64>()),
            self.cpu_ms_per_frame.map_or("-".into(), ms),
        ]
    }

    /// How the governor held the rate.
    pub fn note(&self) -> Option<String> {
        let Governed { scale, every, .. } = self.governor;
        (scale > 0.0).then(|| {
            let (name, label, p50) = (&self.name, &self.label, self.restore_ms.p50);
            format!(
                "{name}: saw {label}; {:.0} % of each side, every {every}. frame, {p50:.1} ms each",
                100.0 * scale
            )
        })
    }
}

pub fn measure(args: &Args) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for (name, weather, bypass) in [
        ("untouched", Weather::Clear, true),
        ("rain", Weather::Rain, false),
        ("night", Weather::Night, false),
    ] {
        log::info!("{name}: rendering");
        let recording = Recording::new(weather, (args.size.width, args.size.height), args.fps)?;
        parts.push(part(args, name, Arc::new(recording), bypass)?);
    }
    Ok(parts)
}

fn part(args: &Args, name: &str, recording: Arc<Recording>, bypass: bool) -> Result<Part> {
    let fps = args.fps;
    let task = (!bypass).then(|| if name == "night" { "low-light" } else { "derain" }.to_owned());
    let settings = Settings {
        restore: args.model.restore_options()?,
        model: args.model.model.clone(),
        // The task is named: what is measured shall not depend on what is seen.
        task: task.or_else(|| Some("clear".into())),
        duration: Some(WARM_UP + *args.duration),
        ..Settings::new("recording:", vec!["http://127.0.0.1:0".into()])
    };
    let address = Arc::<Mutex<Option<SocketAddr>>>::default();
    let bound = Arc::clone(&address);
    let doors = Doors {
        source: Arc::new(move || Ok(Box::new(Replay::new(Arc::clone(&recording), fps)) as Box<dyn Source>)),
        sink: Arc::new(move |uri, fps, telemetry| {
            let sink = sink::open(uri, fps, telemetry)?;
            let text = sink.describe();
            let bound_to = text.trim_start_matches("http://").parse();
            *bound.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = bound_to.ok();
            Ok(sink)
        }),
    };
    let telemetry = Arc::<Telemetry>::default();
    telemetry.controls().set_bypass(bypass);
    let (own, start) = (Arc::clone(&telemetry), Instant::now());
    let work = move || pipeline::run_through(settings, doors, &own, Hooks::default());
    let thread = std::thread::Builder::new().name("loop".into()).spawn(work);
    let thread = thread.map_err(|e| Error::Input(format!("no thread can be started: {e}")))?;
    let mut watched: Option<Arc<Watched>> = None;
    let mut before: Option<(Status, u64, Instant)> = None;
    let mut last = telemetry.status();
    let mut spent = 0;
    while !thread.is_finished() {
        std::thread::sleep(Duration::from_millis(50));
        let bound = *address.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let (None, Some(address)) = (&watched, bound) {
            watched = Some(client::watch(address)?);
        }
        let status = telemetry.status();
        let client = watched.as_ref().map_or(0, |client| client.cpu_micros.load(Ordering::Relaxed));
        let used = client::cpu_micros().saturating_sub(client);
        match &before {
            None if start.elapsed() >= WARM_UP => {
                // Percentiles are those of the time after warming up.
                telemetry.update(|status| {
                    status.age_ms = Default::default();
                    status.stage_ms = Default::default();
                });
                before = Some((status, used, Instant::now()));
            }
            _ => (last, spent) = (status, used),
        }
    }
    thread.join().map_err(|_| Error::Input("the loop ended by a panic, which is a bug".into()))??;
    let (first, used, since) = before.ok_or_else(|| Error::Input("the loop ended too early".into()))?;
    let seconds = since.elapsed().as_secs_f64();
    let (frames_in, frames_out) = (last.frames_in - first.frames_in, last.frames_out - first.frames_out);
    let cpu = spent.saturating_sub(used);
    Ok(Part {
        name: name.into(),
        seconds,
        frames_in,
        frames_out,
        fps_in: frames_in as f64 / seconds,
        fps_out: frames_out as f64 / seconds,
        age_ms: last.age_ms.percentiles(),
        wait_ms: last.stage_ms.wait.percentiles(),
        restore_ms: last.stage_ms.restore.percentiles(),
        hand_over_ms: last.stage_ms.hand_over.percentiles(),
        dropped: last.dropped,
        cpu_ms_per_frame: (cpu > 0).then(|| cpu as f64 / 1e3 / frames_in.max(1) as f64),
        governor: last.governor,
        label: last.detected.label,
        bytes_to_client: watched.map_or(0, |client| client.bytes.load(Ordering::Relaxed)),
    })
}
