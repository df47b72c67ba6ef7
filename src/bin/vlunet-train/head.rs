//! `vlunet-train head`: trains the VLM head.

use burn::tensor::Device;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vlunet::arch::ClipConfig;
use vlunet::bundle::Bundle;
use vlunet::train::data::{Library, Opening};
use vlunet::train::head::{
    FrozenClip, Head, HeadFolder, HeadRecipe, HeadRun, LogLine, RunOptions, TextOptions,
};
use vlunet::{Error, Result};

/// Trains the VLM head, which sees what is wrong with a picture, or goes on with its run.
#[derive(clap::Args)]
pub struct Args {
    /// The recipe (TOML), instead of that of the head we ship.
    #[arg(value_name = "RECIPE")]
    recipe: Option<PathBuf>,

    /// The run's folder: towers, log, curves and checkpoint. A run that is there goes on.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,

    /// Training pictures: a folder of sets, or a .tar shard.
    #[arg(long, value_name = "DIR|TAR")]
    data: PathBuf,

    /// CLIP ViT-B/32 (open_clip's file, or a checkpoint of the authors): its towers stay as they
    /// are, and the paper's adapters are trained on top of them.
    #[arg(long, value_name = "FILE")]
    clip: Option<PathBuf>,

    /// Begins a new run with the head of a bundle, instead of with nothing.
    #[arg(long, value_name = "PATH|NAME", conflicts_with = "clip")]
    from: Option<String>,

    /// Stops after that many minutes, to go on later.
    #[arg(long, value_name = "M")]
    minutes: Option<f64>,

    /// Threads that degrade pictures; the head itself is trained on one.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=512))]
    threads: u16,

    /// Ends at the first picture that can't be used, instead of leaving it out.
    #[arg(long)]
    strict: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let recipe = match &args.recipe {
        Some(path) => HeadRecipe::read(path)?,
        None if args.clip.is_some() => HeadRecipe::for_clip()?,
        None => HeadRecipe::shipped()?,
    };
    let minutes = args.minutes.map(|minutes| {
        Duration::try_from_secs_f64(minutes * 60.0)
            .map_err(|_| Error::Input(format!("{minutes} minutes is no span of time")))
    });
    let (time, start) = (minutes.transpose()?, Instant::now());
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .map_err(|e| Error::Input(format!("cannot listen for Ctrl-C: {e}")))?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads.into()).build();
    let pool = pool.map_err(|e| Error::Input(format!("cannot start {} threads: {e}", args.threads)))?;

    let library = Library::open(&args.data, &Opening { strict: args.strict, ..Opening::default() })?;
    std::fs::create_dir_all(&args.run).map_err(Error::io("create", &args.run))?;
    let device = Device::flex();
    let clip = args.clip.as_ref().map(|path| FrozenClip::open(path, &device)).transpose()?;
    let run = HeadRun {
        config: clip.as_ref().map_or_else(ClipConfig::small, |clip| clip.config().clone()),
        clip,
        recipe,
        folder: HeadFolder::new(&args.run),
        options: RunOptions::default(),
        device,
    };
    if let Some(name) = args.from.as_ref().filter(|_| !run.folder.state().exists()) {
        run.begin_with(&Head::of_bundle(&Bundle::find(name)?)?)?;
    }
    if !run.folder.text_features().exists() {
        println!("the text side first");
        let outcome = run.train_texts(&TextOptions::default())?;
        println!("{:.0} % of held-out phrases are understood", 100.0 * outcome.accuracy);
    }
    let keep_going =
        || !interrupted.load(Ordering::Relaxed) && time.is_none_or(|time| start.elapsed() < time);
    let steps = run.recipe.steps;
    let report = |line: &LogLine| {
        let accuracy = line.accuracy.map(|share| format!(", {:.1} % right", 100.0 * share));
        println!("step {}/{steps}, loss {:.3}{}", line.step, line.loss, accuracy.unwrap_or_default());
    };
    let state = pool.install(|| run.train_images(&library, keep_going, report))?;
    if state.step < steps {
        println!("the run stopped; the same command goes on with it: {}", args.run.display());
    } else {
        println!("the run is done: {}", args.run.display());
    }
    Ok(())
}
