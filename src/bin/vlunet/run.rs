//! `vlunet run`: the live loop, until a signal ends it.

use crate::args::{ModelArgs, strength};
use crate::output;
use humantime::Duration as Span;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vlunet::pipeline::{self, Hooks, Settings};
use vlunet::restore;
use vlunet::telemetry::{Status, Telemetry};
use vlunet::{Error, Result};

/// Between two lines of state where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(60);

/// Restores a camera's pictures live.
///
/// Frames come from the source, are looked at for their degradation, restored, and go to the
/// sinks, in real time: what can't be done in time is done at a smaller size. A clear picture
/// passes untouched. Ctrl-C ends it.
#[derive(clap::Args)]
pub struct Args {
    /// Where frames come from: v4l2:///dev/video0?size=640x360&fps=30, file:clip.mp4, dir:frames/,
    /// synthetic:road?weather=rain, - for Y4M on standard input.
    #[arg(short, long, value_name = "URI")]
    source: String,

    /// Where frames go, several times for several: http://127.0.0.1:8080, v4l2:///dev/video10,
    /// file:out.mp4, dir:out/, null:, - for Y4M on standard output.
    #[arg(short = 'o', long = "sink", value_name = "URI", default_value = "http://127.0.0.1:8080")]
    sinks: Vec<String>,

    /// Frames per second to hold; the source's own where not given.
    #[arg(long, value_parser = frame_rate)]
    fps: Option<f64>,

    /// Time between two looks for the degradation.
    #[arg(long, value_name = "TIME", default_value = "500ms")]
    detect_every: Span,

    /// What to undo (denoise, derain, dehaze, deblur, low-light, or one of the model's own
    /// prompts); detected where not given.
    #[arg(short, long)]
    task: Option<String>,

    /// Blend of the restored picture (1) and the input (0).
    #[arg(long, value_parser = strength, default_value = "1")]
    strength: f32,

    /// The smallest internal resolution, as a share of each side, that may be used to hold the
    /// frame rate; 1 restores whole frames only.
    #[arg(long, value_name = "SHARE", value_parser = strength, default_value = "0.25")]
    smallest_scale: f32,

    /// Ends after so many frames.
    #[arg(long, value_name = "N")]
    frames: Option<u64>,

    /// Ends after that time.
    #[arg(long, value_name = "TIME")]
    duration: Option<Span>,

    /// Prints a summary as JSON at the end.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArgs,
}

impl Args {
    fn settings(&self) -> Result<Settings> {
        Ok(Settings {
            fps: self.fps,
            detect_every: *self.detect_every,
            task: self.task.clone(),
            model: self.model.model.clone(),
            restore: restore::Options { strength: self.strength, ..self.model.restore_options()? },
            smallest_scale: self.smallest_scale.into(),
            frames: self.frames,
            duration: self.duration.map(|span| *span),
            ..Settings::new(self.source.clone(), self.sinks.clone())
        })
    }
}

pub fn run(args: &Args) -> Result<()> {
    let telemetry = Arc::<Telemetry>::default();
    heed_signals(&telemetry)?;
    let hooks = Hooks { observe: Box::new(Display::new().show()), ..Hooks::default() };
    let summary = pipeline::run(args.settings()?, &telemetry, hooks)?;
    if args.json {
        return output::json(&summary);
    }
    let pipeline::Summary { frames_in, frames_out, dropped, fps_out, age_ms, bypassed, .. } = &summary;
    log::info!(
        "{frames_out} of {frames_in} frames handed out ({fps_out:.1}/s, {bypassed} untouched), {dropped} dropped, \
         age {:.0} ms (p99 {:.0})",
        age_ms.p50,
        age_ms.p99
    );
    Ok(())
}

/// SIGINT and SIGTERM end the loop cleanly, SIGHUP has the configuration read again; a second
/// SIGINT ends at once.
fn heed_signals(telemetry: &Arc<Telemetry>) -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let failed = |e: std::io::Error| Error::Input(format!("signals can't be heeded: {e}"));
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
    let telemetry = Arc::clone(telemetry);
    let listen = move || {
        let controls = telemetry.controls();
        for signal in signals.forever() {
            match signal {
                SIGHUP => controls.request_reload(),
                _ if controls.stopped() => std::process::exit(128 + signal),
                _ => controls.stop(),
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(listen).map(drop).map_err(failed)
}

fn frame_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.1..=1000.0).contains(&rate) => Ok(rate),
        _ => Err("a frame rate is a number of 0.1 to 1000".into()),
    }
}

/// Shows the state: a line that changes on a terminal, now and then a line elsewhere.
struct Display {
    bar: ProgressBar,
    next: Instant,
}

impl Display {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        Self { bar, next: Instant::now() }
    }

    fn show(mut self) -> impl FnMut(&Status) + Send {
        move |status| {
            let line = line(status);
            if !self.bar.is_hidden() {
                self.bar.set_message(line);
                self.bar.tick();
            } else if Instant::now() >= self.next {
                self.next = Instant::now() + LINE_EVERY;
                log::info!("{line}");
            }
        }
    }
}

fn line(status: &Status) -> String {
    let Status { fps_in, fps_out, detected, governor, age_ms, .. } = status;
    let size = if governor.scale > 0.0 && governor.scale < 1.0 {
        format!(" at {:.0} % of its sides", 100.0 * governor.scale)
    } else {
        String::new()
    };
    format!(
        "{:?}: {} ({:.0} %){size} | {fps_in:.1} -> {fps_out:.1} frames/s, {:.0} ms old",
        status.state,
        if detected.label.is_empty() { "nothing seen yet" } else { &detected.label },
        100.0 * detected.confidence,
        age_ms.percentiles().p50,
    )
}
