//! `vlunet bench`: how fast it is on this machine.

mod client;
mod live;
mod model;
mod peak;
mod profile;
mod replay;
mod vlm;

use crate::args::{DtypeArg, ModelArgs, Size};
use crate::output;
use humantime::Duration as Span;
use vlunet::Result;

/// Measures the restorer, or the whole live loop, on this machine.
///
/// The restorer is given a frame of the synthetic road in rain, again and again. With --profile, it tells
/// how long each of its blocks takes, and how much of what the processor can multiply that is. With --live, frames of the synthetic road are rendered ahead and delivered as a camera would (YUYV), so
/// that rendering them costs nothing. First they pass untouched to the HTTP sink with a browser's
/// connection: the cost of the loop itself, in processor time. Then they are restored.
#[derive(clap::Args)]
pub struct Args {
    /// Measures the live loop.
    #[arg(long)]
    live: bool,

    /// Measures each block of the restorer against what this processor can do at most.
    #[arg(long, conflicts_with_all = ["live", "compare"])]
    profile: bool,

    /// Draws the profile as an SVG picture.
    #[arg(long, value_name = "FILE.svg", requires = "profile")]
    picture: Option<std::path::PathBuf>,

    /// Measures the VLM head's image tower.
    #[arg(long, conflicts_with_all = ["live", "compare", "profile"])]
    vlm: bool,

    /// Measures what this processor can do at most: multiply-accumulates of floats, bytes copied.
    #[arg(long, conflicts_with_all = ["live", "compare", "profile", "vlm"])]
    peak: bool,

    /// Number formats to compare, taking turns: f32,int8.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "DTYPE", conflicts_with_all = ["live", "dtype"])]
    compare: Vec<DtypeArg>,

    /// Size of a frame.
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "640x360")]
    size: Size,

    /// Frames per second of the camera.
    #[arg(long, default_value_t = 30.0, value_parser = rate)]
    fps: f64,

    /// How long each part takes.
    #[arg(long, value_name = "TIME", default_value = "15s")]
    duration: Span,

    /// Prints JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArgs,
}

pub fn run(args: &Args) -> Result<()> {
    if args.peak {
        return peak::run(args);
    }
    if args.profile {
        return profile::run(args);
    }
    if !args.live {
        let timings = if args.vlm { vlm::measure(args)? } else { model::measure(args)? };
        return if args.json { output::json(&timings) } else { model::show(&timings) };
    }
    let parts = live::measure(args)?;
    if args.json {
        return output::json(&parts);
    }
    let mut table = output::table(
        &[
            "",
            "frames/s in",
            "out",
            "age ms p50",
            "p90",
            "p99",
            "wait p99",
            "hand-over p99",
            "dropped",
            "CPU ms/frame",
        ],
        false,
    );
    for part in &parts {
        table.add_row(part.row());
    }
    output::line(table)?;
    parts.iter().filter_map(|part| part.note()).try_for_each(output::line)
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (1.0..=1000.0).contains(&rate) => Ok(rate),
        _ => Err("a frame rate is a number of 1 to 1000".into()),
    }
}
