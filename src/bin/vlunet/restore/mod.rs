//! `vlunet restore`: photos in, restored photos out.

mod jobs;
mod shard;

use crate::guide::{Guide, Look, RestorerArgs};
use crate::output;
use jobs::Job;
use serde::Serialize;
use shard::Shard;
use std::path::{Path, PathBuf};
use std::time::Instant;
use vlunet::frame::from_rgb8;
use vlunet::picture::{Limits, Picture, SaveOptions, compare};
use vlunet::restore::Restorer;
use vlunet::{Error, Result};

/// Restores photos of any size.
///
/// PNG, JPEG, WebP, TIFF and BMP; transparency, 16-bit depth, colour profile and EXIF data are
/// kept where the format can hold them. A picture that lacks nothing is left as it is; --task restores
/// it all the same.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vlunet restore foggy.jpg -o clear.jpg --task dehaze
  vlunet restore photos/ -o restored/ --task denoise --compare --skip-existing
  seq 16 | parallel vlunet restore footage/ -o restored/ --skip-existing --threads 1 --shard {}/16")]
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

    /// Leaves out pictures whose output is there already: a run that was stopped goes on.
    #[arg(long)]
    skip_existing: bool,

    /// Restores one of several parts of the pictures, as 3/64, and leaves the others to other runs
    /// of the same command.
    #[arg(long, value_name = "NUMBER/COUNT")]
    shard: Option<Shard>,

    /// Writes a picture of input and output side by side, too (NAME.compare.jpg beside the
    /// output).
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
    file: String,
    output: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// It lacks nothing, and was left as it is.
    untouched: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    milliseconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    skipped: bool,
}

impl Outcome {
    fn of(job: &Job) -> Self {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Self {
            file: text(&job.input),
            output: text(&job.output),
            label: None,
            untouched: false,
            milliseconds: None,
            error: None,
            skipped: false,
        }
    }

    fn line(&self) -> Option<String> {
        let label = self.label.as_ref().map_or_else(String::new, |label| format!(", {label}"));
        let untouched = if self.untouched { ", left as it is" } else { "" };
        let milliseconds = self.milliseconds?;
        Some(format!("{} -> {} ({milliseconds} ms{label}{untouched})", self.file, self.output))
    }
}

pub fn run(args: &Args) -> Result<()> {
    let mut jobs = jobs::plan(&args.inputs, &args.output, args.recursive, args.compare, args.skip_existing)?;
    if let Some(shard) = args.shard {
        let all = jobs.len();
        jobs.retain(|job| shard.holds(&job.name));
        if !args.json {
            output::line(format!("shard {shard}: {} of {all} pictures", jobs.len()))?;
        }
    }
    let (mut restorer, mut guide) = args.restorer.open()?;
    let progress = output::progress(jobs.len(), args.json);
    let mut outcomes = Vec::with_capacity(jobs.len());
    let mut failures = Vec::new();
    for job in &jobs {
        progress.set_message(job.input.display().to_string());
        let mut outcome = Outcome::of(job);
        if args.skip_existing && job.is_done() {
            outcome.skipped = true;
        } else {
            let start = Instant::now();
            match restore(args, &mut restorer, &mut guide, job) {
                Ok(look) => {
                    outcome.label = look.label;
                    outcome.untouched = look.degradation.is_none();
                    outcome.milliseconds = Some(start.elapsed().as_millis() as u64);
                }
                // One bad picture doesn't end a batch.
                Err(error) => {
                    outcome.error = Some(error.to_string());
                    if jobs.len() > 1 {
                        progress.suspend(|| log::error!("{error}"));
                    }
                    failures.push(error);
                }
            }
        }
        if let (false, Some(line)) = (args.json, outcome.line()) {
            progress.suspend(|| output::line(line))?;
        }
        progress.inc(1);
        outcomes.push(outcome);
    }
    progress.finish_and_clear();
    let skipped = outcomes.iter().filter(|outcome| outcome.skipped).count();
    if args.json {
        output::json(&outcomes)?;
    } else if skipped > 0 {
        output::line(format!("{skipped} of {} were there already", jobs.len()))?;
    }
    match failures.len() {
        0 => Ok(()),
        1 if jobs.len() == 1 => Err(failures.remove(0)),
        failed => Err(Error::Input(format!("{failed} of {} pictures could not be restored", jobs.len()))),
    }
}

/// Restores one picture; gives what was seen in it.
fn restore(args: &Args, restorer: &mut Restorer, guide: &mut Guide, job: &Job) -> Result<Look> {
    let mut picture = Picture::open(&job.input, &Limits::default())?;
    let look = guide.look(picture.planes.view())?;
    let restored = match &look.degradation {
        Some(degradation) => restorer.restore(picture.planes.view(), degradation)?,
        None => picture.planes.clone(),
    };
    let before = std::mem::replace(&mut picture.planes, restored);
    if let Some(parent) = job.output.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    }
    let options = SaveOptions { jpeg_quality: args.quality };
    picture.save(&job.output, &options)?;
    if let Some(path) = &job.comparison {
        let both = compare::side_by_side(&[("before", before.view()), ("after", picture.planes.view())]);
        let both = Picture { icc_profile: picture.icc_profile, ..Picture::new(from_rgb8(&both)) };
        both.save(path, &options)?;
    }
    Ok(look)
}
