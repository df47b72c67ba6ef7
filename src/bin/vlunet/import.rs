//! `vlunet import`: the authors' checkpoint to a bundle.

use crate::output;
use std::path::PathBuf;
use vlunet::bundle::Builder;
use vlunet::import::{ImportOptions, import};
use vlunet::{Result, backend};

/// Makes a bundle of a checkpoint: the authors' (.ckpt, .pth), or the same as .safetensors.
///
/// No code in the checkpoint is run; its optimizer state and other objects are left out.
#[derive(clap::Args)]
#[command(after_help = "Example:
  vlunet import vlu-net-5task.ckpt -o models/authors
  vlunet restore photo.jpg --model models/authors")]
pub struct Args {
    /// The checkpoint.
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,

    /// The bundle to make: a folder, or a file if its name ends in .vlu.
    #[arg(short, long, value_name = "BUNDLE")]
    output: PathBuf,

    /// Name of the model; the output's where not given.
    #[arg(long)]
    name: Option<String>,

    /// Version of the weights.
    #[arg(long, default_value = "1.0.0")]
    version_of_weights: semver::Version,

    /// Licence of the weights.
    #[arg(long, default_value = "unknown: ask the weights' authors before passing them on")]
    license: String,

    /// What the weights were trained on.
    #[arg(long, default_value = "unknown")]
    training_data: String,
}

pub fn run(args: Args) -> Result<()> {
    let stem = args.output.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // Before the work of minutes, not after it.
    Builder::check_output(&args.output)?;
    let options = ImportOptions {
        name: args.name.unwrap_or(stem),
        version: args.version_of_weights,
        license: args.license,
        training_data: args.training_data,
        backend: backend::Options::default(),
    };
    let builder = import(&args.checkpoint, &options)?;
    let (prompts, head) = (builder.prompts.len(), if builder.vlm.is_some() { "with" } else { "without" });
    builder.write(&args.output)?;
    output::line(format!(
        "{} -> {} ({prompts} prompts, {head} a VLM head)",
        args.checkpoint.display(),
        args.output.display()
    ))
}
