//! `vlunet detect`: which degradation a picture shows.

use crate::args::ModelArgs;
use crate::output;
use serde::Serialize;
use std::path::PathBuf;
use vlunet::picture::{Limits, Picture, folder};
use vlunet::vlm::{Detection, Detector};
use vlunet::{Error, Result};

/// Tells which degradation pictures show, as a probability for each of the model's prompts.
#[derive(clap::Args)]
pub struct Args {
    /// Pictures, or folders of pictures.
    #[arg(required = true, value_name = "PICTURE|FOLDER")]
    inputs: Vec<PathBuf>,

    /// Prints JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArgs,
}

#[derive(Serialize)]
struct Row {
    file: PathBuf,
    label: String,
    scores: serde_json::Map<String, serde_json::Value>,
    clear: bool,
}

impl Row {
    fn new(file: PathBuf, detection: &Detection) -> Self {
        let scores =
            detection.scores.iter().map(|score| (score.prompt.text.clone(), score.probability.into()));
        Self { file, label: detection.label().into(), scores: scores.collect(), clear: detection.is_clear() }
    }
}

pub fn run(args: &Args) -> Result<()> {
    let bundle = args.model.bundle()?;
    let mut detector = Detector::open(&bundle, args.model.dtype(), &args.model.backend()?)?;
    let mut files = Vec::new();
    for input in &args.inputs {
        files.extend(folder::list(input, false)?);
    }
    let progress = output::progress(files.len(), args.json);
    let mut rows = Vec::new();
    let mut failed = 0;
    for file in files {
        let detection = Picture::open(&file, &Limits::default())
            .and_then(|picture| detector.detect(picture.planes.view()));
        match detection {
            Ok(detection) => rows.push(Row::new(file, &detection)),
            Err(error) => {
                progress.suspend(|| log::error!("{error}"));
                failed += 1;
            }
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    if args.json {
        output::json(&rows)?;
    } else {
        let prompts = bundle.prompts()?;
        let texts = prompts.prompts().iter().map(|prompt| prompt.text.as_str());
        let header: Vec<&str> = ["file", "label"].into_iter().chain(texts).collect();
        let mut table = output::table(&header, false);
        for row in &rows {
            let percent =
                |value: &serde_json::Value| format!("{:.1} %", 100.0 * value.as_f64().unwrap_or_default());
            let cells = [row.file.display().to_string(), row.label.clone()];
            table.add_row(cells.into_iter().chain(row.scores.values().map(percent)));
        }
        output::line(table)?;
    }
    if failed > 0 { Err(Error::Input(format!("{failed} pictures could not be looked at"))) } else { Ok(()) }
}
