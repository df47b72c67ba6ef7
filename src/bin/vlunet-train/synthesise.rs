//! `vlunet-train synthesise`: pictures to try training with.

use crate::output;
use std::path::PathBuf;
use vlunet::Result;
use vlunet::train::data::synthesise;

/// Makes clean pictures to try training with, where there are none at hand.
///
/// They are views of a country road and heaps of leaves: enough to learn to remove noise, too
/// little for a network that is to be used.
#[derive(clap::Args)]
#[command(after_help = "Example:
  vlunet-train synthesise pictures
  vlunet-train fit models/recipes/tiny.toml --data pictures --run runs/tiny --head nano")]
pub struct Args {
    /// The folder for the pictures; they are the set `clean` in it.
    #[arg(value_name = "DIR")]
    output: PathBuf,

    /// How many.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000), default_value_t = 64)]
    count: u32,

    /// Which: the same seed gives the same pictures.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub fn run(args: &Args) -> Result<()> {
    let bar = output::progress(args.count as usize).with_message("pictures");
    let outcome =
        synthesise(&args.output, args.count as usize, args.seed, |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    outcome?;
    output::line(format!("{} pictures in {}", args.count, args.output.join("clean").display()))
}
