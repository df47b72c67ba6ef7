//! `vlunet engine`: TensorRT's engines.

use crate::args::{DtypeArg, Memory, Size};
use crate::output;
use crate::run::model::Model;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vlunet::backend::gpu::Search;
use vlunet::backend::{self, Processor};
use vlunet::board::Board;
use vlunet::bundle::Bundle;
use vlunet::restore::Engines;
use vlunet::{Error, Result};

/// Builds TensorRT engines, for NVIDIA GPUs.
#[derive(clap::Subcommand)]
pub enum Command {
    Build(BuildArgs),
}

/// Builds a bundle's engines, which restore frames of one size each on this machine's GPU.
///
/// It takes minutes, once: engines are kept in the user's cache folder. After an update of TensorRT or the
/// driver they are built anew.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vlunet engine build --size 640x360
  vlunet engine build models/small --size 1280x720,640x360 --dtype fp16 --workspace 1GiB")]
pub struct BuildArgs {
    /// The bundle: a folder, a .vlu file, or the name of the embedded one; the one that `vlunet run` takes
    /// where not given.
    #[arg(value_name = "BUNDLE")]
    bundle: Option<String>,

    /// The frames' sizes.
    #[arg(long, value_name = "WIDTHxHEIGHT", value_delimiter = ',', required = true)]
    size: Vec<Size>,

    /// What the engines compute in: fp32, fp16 or int8; fp16 where not given.
    #[arg(long, value_enum)]
    dtype: Option<DtypeArg>,

    /// The DLA core of a Jetson that restores, the GPU only what it can't.
    #[arg(long, value_name = "CORE")]
    dla: Option<u32>,

    /// GPU memory that a layer may work in, as 1GiB; all where not given.
    #[arg(long, value_name = "SIZE")]
    workspace: Option<Memory>,

    /// How long TensorRT looks for fast kernels; 3 where not given.
    #[arg(long, value_name = "0..5", value_parser = clap::value_parser!(u8).range(0..=5))]
    level: Option<u8>,

    /// Builds also what is there.
    #[arg(long)]
    anew: bool,

    /// Prints what was built as JSON.
    #[arg(long)]
    json: bool,
}

/// An engine that is there now.
#[derive(Serialize)]
struct Line {
    size: [usize; 2],
    engine: String,
    bytes: usize,
    /// None where it was there.
    seconds: Option<f64>,
}

pub fn run(command: &Command) -> Result<()> {
    match command {
        Command::Build(args) => build(args),
    }
}

fn build(args: &BuildArgs) -> Result<()> {
    let tier = Board::detect(Path::new("/"))?.profile.model.tier;
    let bundle = Bundle::find(&Model::new(args.bundle.clone(), &tier).path())?;
    let options = backend::Options { processor: Processor::Gpu, dla: args.dla, ..Default::default() };
    let engines = Engines::open(&bundle, args.dtype.map(Into::into), &options)?;
    let search = Search { workspace: args.workspace.map(Memory::bytes), level: args.level, anew: args.anew };
    let stopped = stop_by_ctrl_c()?;
    let mut lines = Vec::new();
    for Size { width, height } in &args.size {
        let size = [*width as usize, *height as usize];
        // TensorRT tells of phases within phases: the one that moves is shown.
        let bar = output::progress(2, args.json);
        bar.set_length(0);
        let step = |phase: &str, step: u32, steps: u32| {
            bar.set_length(steps.into());
            bar.set_position(step.into());
            bar.set_message(format!("{width}x{height}: {phase}"));
            !stopped.load(Ordering::Relaxed)
        };
        let built = engines.build(size, &search, &step);
        bar.finish_and_clear();
        let built = built?.ok_or_else(|| Error::Input("stopped; what was built before is kept".into()))?;
        let seconds = built.took.map(|took| took.as_secs_f64());
        let line = Line { size, engine: engines.describe(), bytes: built.bytes, seconds };
        if !args.json {
            let how =
                seconds.map_or_else(|| "was there".into(), |seconds| format!("built in {seconds:.0} s"));
            output::line(format!("{width}x{height}: {}, {} bytes, {how}", line.engine, line.bytes))?;
        }
        lines.push(line);
    }
    if args.json { output::json(&lines) } else { Ok(()) }
}

/// Becomes true at the first Ctrl-C; the second ends the program.
fn stop_by_ctrl_c() -> Result<Arc<AtomicBool>> {
    let stopped = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    {
        use signal_hook::{consts::SIGINT, flag};
        let failed = |e: std::io::Error| Error::Input(format!("signals can't be heeded: {e}"));
        flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(&stopped)).map_err(failed)?;
        flag::register(SIGINT, Arc::clone(&stopped)).map_err(failed)?;
    }
    Ok(stopped)
}
