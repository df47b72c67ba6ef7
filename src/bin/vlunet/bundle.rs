//! `vlunet bundle`: checking and packing what is shipped.

use crate::args::ModelArgs;
use crate::output;
use std::path::PathBuf;
use vlunet::bundle::{Bundle, DEFAULT_BUNDLE, is_archive};
use vlunet::restore::Restorer;
use vlunet::{Error, Result, atomic_file};

/// Checks and packs bundles.
#[derive(clap::Subcommand)]
pub enum Command {
    Verify(VerifyArgs),
    Pack(PackArgs),
}

/// Checks every file of a bundle against its hash, and restores its golden frame.
#[derive(clap::Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    model: ModelArgs,
}

/// Packs a bundle into one .vlu file.
#[derive(clap::Args)]
pub struct PackArgs {
    /// The file to write.
    #[arg(short, long, value_name = "FILE.vlu")]
    output: PathBuf,

    /// The bundle: its folder, or the name of the embedded one.
    #[arg(short, long, value_name = "PATH|NAME", default_value = DEFAULT_BUNDLE)]
    model: String,
}

pub fn run(command: &Command) -> Result<()> {
    match command {
        Command::Verify(args) => verify(args),
        Command::Pack(args) => {
            let bundle = Bundle::find(&args.model)?;
            if !is_archive(&args.output) {
                return Err(Error::Input(format!(
                    "{}: a packed bundle's name ends in .vlu",
                    args.output.display()
                )));
            }
            let archive = bundle.to_archive()?;
            atomic_file::write_bytes(&args.output, &archive)?;
            output::line(format!(
                "{} -> {} ({} bytes)",
                bundle.origin(),
                args.output.display(),
                archive.len()
            ))
        }
    }
}

fn verify(args: &VerifyArgs) -> Result<()> {
    let bundle = args.model.bundle()?;
    bundle.verify()?;
    let mut restorer = Restorer::open(&bundle, &args.model.restore_options()?)?;
    let error = bundle.golden()?.map(|golden| restorer.self_test(&golden)).transpose()?;
    let golden =
        error.map_or_else(|| "no golden frame".into(), |error| format!("golden frame within {error:.1e}"));
    let manifest = bundle.manifest();
    output::line(format!("{} {}: all files as in the manifest, {golden}", bundle.origin(), manifest.version))
}
