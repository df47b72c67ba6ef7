//! `vlunet demo`: the whole way of a frame, on a drive that the program renders itself.

use crate::args::{ModelArgs, Size};
use crate::output;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;
use vlunet::bundle::{Bundle, Prompts, Task};
use vlunet::eval::metrics::psnr;
use vlunet::frame::{Planes, from_rgb8};
use vlunet::picture::{Picture, SaveOptions, compare, sheet};
use vlunet::restore::Restorer;
use vlunet::source::synthetic::{SyntheticConfig, SyntheticFrame, SyntheticSource, Weather};
use vlunet::vlm::{Degradation, Detector};
use vlunet::{Error, Result};

/// Width of a picture on the contact sheet.
const TILE_WIDTH: u32 = 400;

/// Restores a drive through noise, rain, fog and night, and shows it.
///
/// The program renders the drive itself, so the clean frames are known and the gain can be
/// measured. Pictures of input, output and clean frame go to demo-out/, an overview to
/// demo-out/sheet.png.
#[derive(clap::Args)]
pub struct Args {
    /// The folder for the pictures.
    #[arg(short, long, value_name = "FOLDER", default_value = "demo-out")]
    output: PathBuf,

    /// Frames in each weather.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), default_value_t = 2)]
    frames: u32,

    /// Size of a frame.
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "640x360")]
    size: Size,

    /// Which drive: the same seed gives the same frames.
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// Prints JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArgs,
}

/// One frame's outcome.
#[derive(Serialize)]
struct Row {
    frame: u64,
    weather: String,
    seen: String,
    bypassed: bool,
    milliseconds: f64,
    psnr_in: f64,
    psnr_out: f64,
    picture: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    let bundle = args.model.bundle()?;
    let mut restorer = Restorer::open(&bundle, &args.model.restore_options()?)?;
    let mut eyes = Eyes::open(&bundle, args)?;
    std::fs::create_dir_all(&args.output).map_err(Error::io("create", &args.output))?;
    if !args.json {
        output::line(format!("{} {}, {}", bundle.origin(), bundle.manifest().version, eyes.describe()))?;
    }
    let Size { width, height } = args.size;
    // Two frames a second, so that a short clip goes some way along the road.
    let config = SyntheticConfig { width, height, fps: 2.0, seed: args.seed, ..SyntheticConfig::default() };
    let mut source = SyntheticSource::new(config)?;
    // The first run at a size prepares the engine: that is no frame's latency.
    warm_up(&mut restorer, &mut source.clone(), &bundle)?;
    let mut rows = Vec::new();
    let mut overview = Vec::new();
    for weather in [Weather::Noise, Weather::Rain, Weather::Fog, Weather::Night, Weather::Clear] {
        source.set_weather(weather);
        for index in 0..args.frames {
            let frame = source.next_frame();
            let (row, tiles) = show(args, &mut restorer, &mut eyes, weather, &frame)?;
            if !args.json {
                output::line(row.line())?;
            }
            if index == 0 {
                overview.push(sheet::SheetRow { label: weather.to_string(), tiles });
            }
            rows.push(row);
        }
    }
    let path = args.output.join("sheet.png");
    Picture::new(from_rgb8(&sheet::contact_sheet(&overview, TILE_WIDTH)))
        .save(&path, &SaveOptions::default())?;
    if args.json { output::json(&rows) } else { output::line(format!("look at {}", path.display())) }
}

fn warm_up(restorer: &mut Restorer, source: &mut SyntheticSource, bundle: &Bundle) -> Result<()> {
    let frame = from_rgb8(&source.next_frame().degraded);
    let any = Degradation::of_prompt(&bundle.prompts()?, 0)?;
    restorer.restore(frame.view(), &any).map(drop)
}

/// Takes one frame its way and writes its picture; gives the tiles of the overview, too.
fn show(
    args: &Args,
    restorer: &mut Restorer,
    eyes: &mut Eyes,
    weather: Weather,
    frame: &SyntheticFrame,
) -> Result<(Row, Vec<(String, image::RgbImage)>)> {
    let input = from_rgb8(&frame.degraded);
    let start = Instant::now();
    let (seen, degradation) = eyes.look(&input, weather)?;
    let output = match &degradation {
        Some(degradation) => restorer.restore(input.view(), degradation)?,
        None => input.clone(),
    };
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    let clean = &frame.clean;
    let (psnr_in, psnr_out) = (psnr(input.view(), clean.view()), psnr(output.view(), clean.view()));

    let before = format!("{weather} {}", decibels(psnr_in));
    let after = format!("restored {}", decibels(psnr_out));
    let both =
        compare::side_by_side(&[(&before, input.view()), (&after, output.view()), ("clean", clean.view())]);
    let picture = args.output.join(format!("{:02}-{weather}.jpg", frame.index));
    Picture::new(from_rgb8(&both)).save(&picture, &SaveOptions::default())?;
    let tile = |planes: &Planes| vlunet::frame::to_rgb8(planes.view());
    let tiles = vec![(before, tile(&input)), (after, tile(&output)), ("clean".into(), tile(clean))];
    let row = Row {
        frame: frame.index,
        weather: weather.to_string(),
        seen,
        bypassed: degradation.is_none(),
        milliseconds,
        psnr_in,
        psnr_out,
        picture,
    };
    Ok((row, tiles))
}

impl Row {
    fn line(&self) -> String {
        let Self { frame, weather, seen, milliseconds, .. } = self;
        let action = if self.bypassed { "bypassed" } else { "restored" };
        let (before, after) = (decibels(self.psnr_in), decibels(self.psnr_out));
        format!(
            "frame {frame:2}  {weather:7} saw {seen:12} {action} in {milliseconds:5.0} ms  {before:>8} -> {after}"
        )
    }
}

fn decibels(psnr: f64) -> String {
    if psnr.is_infinite() { "equal".into() } else { format!("{psnr:.2} dB") }
}

/// How the demo knows what a frame suffers from.
enum Eyes {
    /// The model's VLM head looks at it.
    Detector(Box<Detector>),
    /// The model has no such head: the source tells its weather.
    Source(Prompts),
}

impl Eyes {
    fn open(bundle: &Bundle, args: &Args) -> Result<Self> {
        if bundle.manifest().vlm.is_none() {
            return Ok(Self::Source(bundle.prompts()?));
        }
        let detector = Detector::open(bundle, args.model.dtype(), &args.model.backend()?)?;
        Ok(Self::Detector(Box::new(detector)))
    }

    fn describe(&self) -> &'static str {
        match self {
            Self::Detector(_) => "its VLM head tells the degradation",
            Self::Source(_) => "without a VLM head: the synthetic source tells its weather",
        }
    }

    /// What is seen, and its d_I; none for a clear picture, which passes untouched.
    fn look(&mut self, input: &Planes, weather: Weather) -> Result<(String, Option<Degradation>)> {
        match self {
            Self::Detector(detector) => {
                let detection = detector.detect(input.view())?;
                let clear = detection.is_clear();
                Ok((detection.label().to_owned(), (!clear).then_some(detection.degradation)))
            }
            Self::Source(prompts) => {
                let task = match weather {
                    Weather::Rain => Task::Derain,
                    Weather::Fog => Task::Dehaze,
                    Weather::Night => Task::LowLight,
                    Weather::Noise => Task::Denoise,
                    Weather::Clear => return Ok(("nothing".into(), None)),
                };
                // A model for one task passes what it doesn't know.
                let Ok(index) = prompts.find(&task.to_string()) else {
                    return Ok((format!("{task}: unknown"), None));
                };
                Ok((prompts.prompts()[index].text.clone(), Some(Degradation::of_prompt(prompts, index)?)))
            }
        }
    }
}
