//! `vlunet restore`: photos in, restored photos out.

use crate::guide::{Guide, RestorerArgs};
use crate::output;
use serde::Serialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;
use vlunet::picture::{Format, Limits, Picture, SaveOptions, compare, folder};
use vlunet::restore::Restorer;
use vlunet::{Error, Result};

/// Restores photos of any size.
///
/// PNG, JPEG, WebP, TIFF and BMP; transparency, 16-bit depth, colour profile and EXIF data are
/// kept where the format can hold them.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vlunet restore foggy.jpg -o clear.jpg --task dehaze
  vlunet restore photos/ -o restored/ --task denoise --compare --skip-existing")]
pub struct Args {
    /// Pictures, or folders of pictures.
    #[arg(required = true, value_name = "PICTURE|FOLDER")]
    inputs: Vec<PathBuf>,

    /// Where to: a picture's name for one picture, else a folder, where each keeps its name.
    #[arg(short, long, value_name = "PATH", default_value = "restored")]
    output: PathBuf,

    /// Goes through subfolders too, and makes the same ones in the output.
    #[arg(short, long)]
    recursive: bool,

    /// Leaves out pictures whose output is there already.
    #[arg(long)]
    skip_existing: bool,

    /// Writes a picture of input and output side by side, too (NAME.compare.jpg).
    #[arg(long)]
    compare: bool,

    /// Quality of JPEG files.
    #[arg(long, value_name = "1..100", value_parser = clap::value_parser!(u8).range(1..=100), default_value_t = 92)]
    quality: u8,

    /// Prints what was done as JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    restorer: RestorerArgs,
}

/// What became of one picture.
#[derive(Serialize)]
struct Outcome {
    file: PathBuf,
    output: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    milliseconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    skipped: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let jobs = jobs(args)?;
    let (mut restorer, mut guide) = args.restorer.open()?;
    let progress = output::progress(jobs.len(), args.json);
    let mut outcomes = Vec::with_capacity(jobs.len());
    for (input, output) in jobs {
        progress.set_message(input.display().to_string());
        let mut outcome =
            Outcome { file: input, output, label: None, milliseconds: None, error: None, skipped: false };
        if args.skip_existing && outcome.output.exists() {
            outcome.skipped = true;
        } else {
            let start = Instant::now();
            match restore(args, &mut restorer, &mut guide, &outcome.file, &outcome.output) {
                Ok(label) => {
                    outcome.label = label;
                    outcome.milliseconds = Some(start.elapsed().as_millis() as u64);
                }
                // One bad picture doesn't end a batch.
                Err(error) => {
                    progress.suspend(|| log::error!("{error}"));
                    outcome.error = Some(error.to_string());
                }
            }
        }
        progress.inc(1);
        outcomes.push(outcome);
    }
    progress.finish_and_clear();
    report(args, &outcomes)
}

fn report(args: &Args, outcomes: &[Outcome]) -> Result<()> {
    if args.json {
        output::json(&outcomes)?;
    } else {
        for Outcome { file, output, label, milliseconds, .. } in outcomes {
            if let Some(milliseconds) = milliseconds {
                let label = label.as_ref().map_or_else(String::new, |label| format!(", {label}"));
                output::line(format!(
                    "{} -> {} ({milliseconds} ms{label})",
                    file.display(),
                    output.display()
                ))?;
            }
        }
        let skipped = outcomes.iter().filter(|outcome| outcome.skipped).count();
        if skipped > 0 {
            output::line(format!("{skipped} of {} were there already", outcomes.len()))?;
        }
    }
    match outcomes.iter().filter(|outcome| outcome.error.is_some()).count() {
        0 => Ok(()),
        failed => Err(Error::Input(format!("{failed} of {} pictures could not be restored", outcomes.len()))),
    }
}

/// Restores one picture; gives what was detected in it.
fn restore(
    args: &Args,
    restorer: &mut Restorer,
    guide: &mut Guide,
    input: &Path,
    output: &Path,
) -> Result<Option<String>> {
    let mut picture = Picture::open(input, &Limits::default())?;
    let (degradation, label) = guide.degradation(picture.planes.view())?;
    let restored = restorer.restore(picture.planes.view(), &degradation)?;
    let before = std::mem::replace(&mut picture.planes, restored);
    if let Some(parent) = output.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    }
    let options = SaveOptions { jpeg_quality: args.quality };
    picture.save(output, &options)?;
    if args.compare {
        let both = compare::side_by_side(&[("before", before.view()), ("after", picture.planes.view())]);
        let both = Picture {
            alpha: None,
            exif: None,
            ..Picture { planes: vlunet::frame::from_rgb8(&both), ..picture }
        };
        both.save(&compare_path(output), &options)?;
    }
    Ok(label)
}

fn compare_path(output: &Path) -> PathBuf {
    let name = output.file_stem().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!("{name}.compare.jpg"))
}

/// Every input with its output.
fn jobs(args: &Args) -> Result<Vec<(PathBuf, PathBuf)>> {
    let single = match args.inputs.as_slice() {
        [input] => !input.is_dir() && !args.output.is_dir() && args.output.extension().is_some(),
        _ => false,
    };
    if single {
        Format::for_saving(&args.output)?;
    }
    let mut jobs = Vec::new();
    for root in &args.inputs {
        for input in folder::list(root, args.recursive)? {
            let output = if single {
                args.output.clone()
            } else {
                // A folder's pictures keep their place below it; a lone picture keeps its name.
                let below = input.strip_prefix(root).ok().filter(|path| !path.as_os_str().is_empty());
                args.output.join(below.or(input.file_name().map(Path::new)).unwrap_or(&input))
            };
            jobs.push((input, output));
        }
    }
    let mut sources: HashMap<&Path, &Path> = HashMap::new();
    for (input, output) in &jobs {
        if let Some(other) = sources.insert(output, input) {
            return Err(Error::Input(format!(
                "{} and {} would both be written to {}: restore them one by one",
                other.display(),
                input.display(),
                output.display()
            )));
        }
        let same = |a: &Path, b: &Path| {
            a.canonicalize().ok().zip(b.canonicalize().ok()).is_some_and(|(a, b)| a == b)
        };
        if same(input, output) {
            return Err(Error::Input(format!(
                "{} would be overwritten: give another output",
                input.display()
            )));
        }
    }
    Ok(jobs)
}
