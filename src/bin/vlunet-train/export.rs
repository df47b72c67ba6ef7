//! `vlunet-train export`: a run to a bundle.

use std::path::PathBuf;
use vlunet::bundle::Bundle;
use vlunet::train::export::{ExportOptions, export, with_head};
use vlunet::train::head::{Head, HeadFolder};
use vlunet::train::run::Start;
use vlunet::{Error, Result};

/// Makes a bundle, with its model card, of a restorer and a head.
#[derive(clap::Args)]
pub struct Args {
    /// The restorer: its run, or a bundle, of which it is taken in all number formats.
    #[arg(value_name = "RUN|PATH|NAME")]
    restorer: String,

    /// The VLM head: its run, or a bundle that has one.
    #[arg(long, value_name = "RUN|PATH|NAME")]
    head: String,

    /// The temperature that makes the head's probabilities true, as exam finds it; the head's own
    /// where not given.
    #[arg(long, value_name = "NUMBER")]
    temperature: Option<f32>,

    /// The bundle: a new folder, or a .vlu file.
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,

    /// Its short name; the output's where not given.
    #[arg(long)]
    name: Option<String>,

    /// The weights' version.
    #[arg(long, default_value = "0.1.0")]
    version_of_weights: semver::Version,

    /// Licence of the weights.
    #[arg(long)]
    license: String,

    /// What the training pictures are, and their licences.
    #[arg(long, value_name = "TEXT")]
    data: String,

    /// Markdown for the model card: what the weights reach, and how that was measured.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    vlunet::bundle::Builder::check_output(&args.output)?;
    let stem = || args.output.file_stem().map(|name| name.to_string_lossy().into_owned());
    let name = args.name.clone().or_else(stem);
    let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(Error::io("read", path));
    let options = ExportOptions {
        name: name.ok_or_else(|| Error::Input("the bundle needs a --name".into()))?,
        version: args.version_of_weights.clone(),
        license: args.license.clone(),
        data: args.data.clone(),
        metrics: args.metrics.as_ref().map(read).transpose()?,
    };
    let run = HeadFolder::new(&args.head);
    let mut head =
        if run.state().exists() { Head::open(&run)? } else { Head::of_bundle(&Bundle::find(&args.head)?)? };
    head.manifest.temperature = args.temperature.unwrap_or(head.manifest.temperature);
    let exported = match Start::find(&args.restorer)? {
        Start::Run(run) => export(&run, head, &options)?,
        Start::Bundle(bundle) => with_head(&bundle, head, &options)?,
    };
    exported.write(&args.output)?;
    println!("{}", args.output.display());
    Ok(())
}
