//! `vlunet-train fit`: trains a restorer.

use crate::output;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vlunet::bundle::Bundle;
use vlunet::train::data::{Library, Opening};
use vlunet::train::devices::Choice;
use vlunet::train::guide::Guide;
use vlunet::train::quantized::Quantized;
use vlunet::train::recipe::Recipe;
use vlunet::train::run::{End, Fit, Limits, Origins, RunFolder, Start, Taught};
use vlunet::{Error, Result};

/// Trains a restorer by a recipe, or goes on with a run.
#[derive(clap::Args)]
pub struct Args {
    /// The recipe (TOML); models/recipes has some. With --resume it may be left out.
    #[arg(value_name = "RECIPE", required_unless_present = "resume")]
    recipe: Option<PathBuf>,

    /// The run's folder: recipe, journal, curves and checkpoint.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,

    /// Training pictures: a folder of sets, or a .tar shard.
    #[arg(long, value_name = "DIR|TAR")]
    data: PathBuf,

    /// The trained VLM head: a bundle, or the text features of a head's run (.safetensors).
    #[arg(long, value_name = "PATH|NAME")]
    head: String,

    /// Starts from the weights of another run, or of a bundle, instead of from random ones.
    #[arg(long, value_name = "RUN|PATH|NAME", conflicts_with = "resume")]
    from: Option<String>,

    /// A bundle whose restorer's pictures count beside the true ones (distillation).
    #[arg(long, value_name = "PATH|NAME")]
    teacher: Option<String>,

    /// Trains with the rounding of a bundle's int8 variant, from the weights of that bundle and
    /// its scales, which are learned too. With --resume it may be left out.
    #[arg(long, value_name = "BUNDLE")]
    qat: Option<String>,

    /// Goes on with the run in that folder.
    #[arg(long)]
    resume: bool,

    /// Stops after that many minutes, to be resumed.
    #[arg(long, value_name = "M")]
    minutes: Option<f64>,

    /// Stops after that many steps, to be resumed: for trying things out.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    stop_after: Option<u64>,

    /// Minutes between two checkpoints.
    #[arg(long, value_name = "M", default_value_t = 5.0)]
    checkpoint_every: f64,

    /// What to train on: cpu, cuda (the first GPU), cuda:N, or cuda:N,M for several.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Choice,

    /// Threads that train on the CPU; all cores where not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    threads: Option<u16>,

    /// Ends at the first picture that can't be used, instead of leaving it out.
    #[arg(long)]
    strict: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let devices = args.device.open(args.threads.map_or_else(cores, usize::from))?;
    let folder = RunFolder::new(&args.run);
    let recipe = match &args.recipe {
        Some(path) => Recipe::open(path)?,
        None => Recipe::open(&folder.recipe())?,
    };
    let guide = if args.head.ends_with(".safetensors") {
        Guide::from_text_features(args.head.as_ref())?
    } else {
        Guide::open(&Bundle::find(&args.head)?, recipe.from_image > 0.0)?
    };
    let minutes = |minutes: f64| {
        Duration::try_from_secs_f64(minutes * 60.0)
            .map_err(|_| Error::Input(format!("{minutes} minutes is no span of time")))
    };
    let limits = Limits {
        time: args.minutes.map(minutes).transpose()?,
        steps: args.stop_after,
        checkpoint_every: minutes(args.checkpoint_every)?,
        devices,
    };
    let teacher = match (&args.teacher, limits.devices.first()) {
        (Some(name), Some(device)) => Some(Taught::open(&Bundle::find(name)?, device)?),
        _ => None,
    };
    let quantized = |name: &String| Quantized::open(Bundle::find(name)?, &recipe.config()?);
    let quantized = args.qat.as_ref().map(quantized).transpose()?;
    let origins = Origins { from: args.from.as_deref().map(Start::find).transpose()?, teacher, quantized };
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .map_err(|e| Error::Input(format!("cannot listen for Ctrl-C: {e}")))?;
    // Last, as it takes longest.
    let opening =
        Opening { least_side: recipe.largest_patch() as u32, strict: args.strict, ..Opening::default() };
    let library = Library::open(&args.data, &opening)?;
    let fit = Fit::open(recipe, folder, library, guide, origins, limits, args.resume)?;
    match fit.run(&interrupted)? {
        End::Finished => output::line(format!("the run is done: {}", args.run.display())),
        End::OutOfTime | End::Interrupted => output::line(format!(
            "the run stopped and is saved; go on with: vlunet-train fit --resume --run {} --data {} --head {}{}",
            args.run.display(),
            args.data.display(),
            args.head,
            args.teacher.as_ref().map(|teacher| format!(" --teacher {teacher}")).unwrap_or_default()
        )),
    }
}
