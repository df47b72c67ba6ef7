//! `vlunet run`: the live loop, until a signal ends it.

mod display;
mod hooks;
pub mod model;
mod signals;

use crate::args::{BackendArg, DtypeArg, EngineArg, ModelArgs, strength};
use crate::output;
use humantime::Duration as Span;
use model::Model;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use vlunet::backend::Processor;
use vlunet::backend::gpu::Gpu;
use vlunet::board::Board;
use vlunet::bundle::Bundle;
use vlunet::config::Config;
use vlunet::pipeline::{Settings, Summary};
use vlunet::telemetry::Telemetry;
use vlunet::{Error, Result, restore};

/// Where frames go when nobody says it.
const DEFAULT_SINK: &str = "http://127.0.0.1:8080";

/// Restores a camera's pictures live.
///
/// Frames come from the source, are looked at for their degradation, restored, and go to the
/// sinks, in real time: what can't be done in time is done at a smaller size. A clear picture
/// passes untouched. Ctrl-C ends it, SIGHUP has the configuration read again.
#[derive(clap::Args)]
pub struct Args {
    /// Where frames come from: v4l2:///dev/video0?size=640x360&fps=30, file:clip.mp4, dir:frames/,
    /// synthetic:road?weather=rain, - for Y4M on standard input; the board's camera where not
    /// given.
    #[arg(short, long, value_name = "URI")]
    source: Option<String>,

    /// Where frames go, once for each: http://127.0.0.1:8080 (which it is where none is given),
    /// v4l2:///dev/video10, file:out.mp4, dir:out/, null:, - for Y4M on standard output.
    #[arg(short = 'o', long = "sink", value_name = "URI")]
    sinks: Vec<String>,

    /// Frames per second to hold; the source's own where not given.
    #[arg(long, value_parser = frame_rate)]
    fps: Option<f64>,

    /// Time between two looks for the degradation; 500ms where not given.
    #[arg(long, value_name = "TIME")]
    detect_every: Option<Span>,

    /// What to undo (denoise, derain, dehaze, deblur, low-light, or one of the model's own
    /// prompts); detected where not given.
    #[arg(short, long)]
    task: Option<String>,

    /// Blend of the restored picture (1) and the input (0); 1 where not given.
    #[arg(long, value_parser = strength)]
    strength: Option<f32>,

    /// The smallest internal resolution, as a share of each side, that may be used to hold the
    /// frame rate; 0.25 where not given.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    min_scale: Option<f64>,

    /// The largest such share; 1 where not given.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    max_scale: Option<f64>,

    /// A configuration file, whose keys are these flags; a flag that is given comes first.
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,

    /// The board's profile: a name, or a file of your own that ends in .toml; detected where not
    /// given.
    #[arg(long, value_name = "NAME|PATH")]
    board: Option<String>,

    /// Uses the button, the LED and the outputs that the board's profile names; docs/boards.md has
    /// their wiring.
    #[arg(long)]
    gpio: bool,

    /// Ends after so many frames.
    #[arg(long, value_name = "N")]
    frames: Option<u64>,

    /// Ends after that time.
    #[arg(long, value_name = "TIME")]
    duration: Option<Span>,

    /// Prints a summary as JSON at the end.
    #[arg(long)]
    json: bool,

    /// The model: a bundle's folder or .vlu file, the name of the embedded one, or installed:NAME for
    /// one that `vlunet bundle install` keeps; the one that is installed for the board's tier where
    /// not given, else the embedded one.
    #[arg(short, long, value_name = "PATH|NAME")]
    model: Option<String>,

    /// A lighter model that may stand in where that one is too slow, once for each; it follows the
    /// same VLM head.
    #[arg(long = "lighter-model", value_name = "PATH|NAME")]
    lighter_models: Vec<String>,

    /// Number format of the model; the bundle's best where not given.
    #[arg(long, value_enum)]
    dtype: Option<DtypeArg>,

    /// What the model runs on; auto where not given.
    #[arg(long, value_enum)]
    backend: Option<BackendArg>,

    /// The DLA core of a Jetson that restores, the GPU only what it can't.
    #[arg(long, value_name = "CORE")]
    dla: Option<u32>,

    /// Threads of the model; the board's profile says how many where not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    threads: Option<u16>,
}

impl Args {
    fn config(&self) -> Result<Config> {
        self.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)
    }

    fn board(&self, config: &Config) -> Result<Board> {
        let root = Path::new("/");
        match self.board.as_ref().or(config.board.as_ref()) {
            Some(name) => Board::named(name, root),
            None => Board::detect(root),
        }
    }

    /// The model that is wanted.
    fn model(&self, config: &Config, board: &Board) -> Model {
        let named = self.model.clone().or_else(|| config.model.clone());
        Model::new(named, &board.profile.model.tier)
    }

    /// What the flags say, else the file, else the board.
    fn settings(&self, config: Config, board: &Board) -> Result<Settings> {
        let model = self.model(&config, board).path();
        let threads = self.threads.or(config.threads);
        let threads = threads.or_else(|| board.profile.cpu.threads.and_then(|n| n.try_into().ok()));
        let engine = EngineArg::Auto;
        let backend = self.backend.unwrap_or(BackendArg::Auto);
        let dla = self.dla.or(config.dla);
        let model = ModelArgs { model, dtype: self.dtype, backend, engine, dla, threads };
        let dtype = match model.dtype().or(config.dtype) {
            None => board.dtype_of(&Bundle::find(&model.model)?),
            given => given,
        };
        let sinks = match (self.sinks.is_empty(), config.sinks.is_empty()) {
            (false, _) => self.sinks.clone(),
            (true, false) => config.sinks,
            (true, true) => vec![DEFAULT_SINK.into()],
        };
        let source = self.source.clone().or(config.source);
        let source = source.unwrap_or_else(|| board.profile.camera.clone());
        let every = self.detect_every.map(|span| *span).or(config.detect_every);
        let least = self.min_scale.or(config.min_scale).unwrap_or(0.25);
        let most = self.max_scale.or(config.max_scale).unwrap_or(1.0);
        let strength = self.strength.or(config.strength).unwrap_or(1.0);
        let lighter =
            if self.lighter_models.is_empty() { config.lighter_models } else { self.lighter_models.clone() };
        let mut options = model.restore_options()?;
        if let (None, Some(processor)) = (self.backend, config.backend) {
            options.backend.processor = processor;
        }
        if options.backend.processor == Processor::Gpu {
            // Without one frames would pass untouched for ever.
            Gpu::open()?;
        }
        Ok(Settings {
            lighter,
            fps: self.fps.or(config.fps),
            fallback_fps: board.profile.fps,
            detect_every: every.unwrap_or(Duration::from_millis(500)),
            task: self.task.clone().or(config.task),
            restore: restore::Options { dtype, strength, ..options },
            scales: least.min(most)..=most,
            cores: board.profile.cpu.clone(),
            frames: self.frames,
            duration: self.duration.map(|span| *span),
            model: model.model,
            ..Settings::new(source, sinks)
        })
    }
}

pub fn run(args: Args) -> Result<()> {
    let config = args.config()?;
    let board = args.board(&config)?;
    let pins = args.gpio || config.gpio == Some(true);
    let model = args.model(&config, &board);
    let watch = model.begin();
    let telemetry = Arc::<Telemetry>::default();
    // Nothing of this is the model's fault.
    let settings = prepare(&args, config, &board, &telemetry).inspect_err(|_| model.excuse())?;
    let json = args.json;
    let limited = args.frames.is_some() || args.duration.is_some();
    let outcome = hooks::run(args, settings, &board, pins, watch, &telemetry);
    let blameless = match &outcome {
        Ok(_) => limited || telemetry.controls().stop_asked().is_some(),
        // The model comes first: where it was opened, something else was not.
        Err(_) => !telemetry.status().model.is_empty(),
    };
    if blameless {
        model.excuse();
    }
    let summary = outcome?;
    if json {
        output::json(&summary)?;
        return whole(&summary);
    }
    let Summary { frames_in, frames_out, dropped, fps_out, age_ms, bypassed, .. } = &summary;
    log::info!(
        "{frames_out} of {frames_in} frames handed out ({fps_out:.1}/s, {bypassed} untouched), {dropped} \
         dropped, age {:.0} ms (p99 {:.0})",
        age_ms.p50,
        age_ms.p99
    );
    whole(&summary)
}

/// What is to be done before the model is opened.
fn prepare(args: &Args, config: Config, board: &Board, telemetry: &Arc<Telemetry>) -> Result<Settings> {
    let settings = args.settings(config, board)?;
    if args.json && settings.sinks.iter().any(|sink| sink == "-") {
        let message = "--json and the sink - both write to standard output: take one of them";
        return Err(Error::Input(message.into()));
    }
    log::info!("{}: {} to {}", board.profile.title, settings.source, settings.sinks.join(", "));
    signals::heed(telemetry)?;
    Ok(settings)
}

/// An error where not all of a file's frames have arrived, for the exit code.
fn whole(summary: &Summary) -> Result<()> {
    if summary.failed.is_empty() { Ok(()) } else { Err(Error::Input(summary.failed.join("; "))) }
}

fn frame_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (1.0..=240.0).contains(&rate) => Ok(rate),
        _ => Err("a frame rate is a number of 1 to 240".into()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("a share is a number above 0 and at most 1".into()),
    }
}
