//! `vlunet bundle pack`

use crate::output;
use std::path::PathBuf;
use vlunet::bundle::{Bundle, DEFAULT_BUNDLE, is_archive};
use vlunet::{Error, Result, atomic_file};

/// Packs a bundle, with its signature, into one .vlu file.
#[derive(clap::Args)]
pub struct Args {
    /// The file to write.
    #[arg(short, long, value_name = "FILE.vlu")]
    output: PathBuf,

    /// The bundle: its folder, or the name of the embedded one.
    #[arg(short, long, value_name = "PATH|NAME", default_value = DEFAULT_BUNDLE)]
    model: String,
}

pub fn run(args: &Args) -> Result<()> {
    let bundle = Bundle::find(&args.model)?;
    if !is_archive(&args.output) {
        return Err(Error::Input(format!("{}: a packed bundle's name ends in .vlu", args.output.display())));
    }
    let archive = bundle.to_archive()?;
    atomic_file::write_bytes(&args.output, &archive)?;
    output::line(format!("{} -> {} ({} bytes)", bundle.origin(), args.output.display(), archive.len()))
}
