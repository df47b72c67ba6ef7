//! `vlunet export`: a model's ONNX files, for other engines.

use crate::args::ModelArgs;
use crate::output;
use std::path::PathBuf;
use vlunet::{Error, Result, atomic_file};

/// Writes the ONNX files of a model, as ONNX Runtime, TensorRT and others read them.
#[derive(clap::Args)]
pub struct Args {
    /// The folder to write them to.
    #[arg(short, long, value_name = "FOLDER", default_value = ".")]
    output: PathBuf,

    #[command(flatten)]
    model: ModelArgs,
}

pub fn run(args: &Args) -> Result<()> {
    let bundle = args.model.bundle()?;
    let variant = bundle.variant(args.model.dtype())?;
    std::fs::create_dir_all(&args.output).map_err(Error::io("create", &args.output))?;
    for (part, entry) in [("restorer", Some(&variant.restorer)), ("vlm", variant.vlm.as_ref())] {
        let Some(entry) = entry else { continue };
        // Names of our own: a manifest's could be those of files that are there.
        let path = args.output.join(format!("{part}.{}.onnx", variant.dtype));
        atomic_file::write_bytes(&path, &bundle.read(entry)?)?;
        output::line(format!("{} ({} bytes)", path.display(), entry.bytes))?;
    }
    Ok(())
}
