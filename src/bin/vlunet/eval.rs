//! `vlunet eval`: PSNR and SSIM on pictures whose clean targets are known, and flicker of
//! videos.

mod video;

use crate::guide::RestorerArgs;
use crate::output;
use serde::Serialize;
use std::path::PathBuf;
use vlunet::eval::dataset::{Dataset, Noise};
use vlunet::eval::{Evaluation, MeanScores};
use vlunet::picture::{Picture, SaveOptions};
use vlunet::{Error, Result};

/// Measures PSNR and SSIM of inputs and restored outputs against clean targets, or how steadily
/// a video is restored.
///
/// Pictures are cropped to multiples of 16, as in the paper. Those that are taken for clear are left
/// as they are, as `vlunet restore` leaves them.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vlunet eval --data sots/ --task dehaze
  vlunet eval --data cbsd68/ --noise 25 --task denoise --json
  vlunet eval --video 'synthetic:road?weather=rain&still=1&size=320x180'
  vlunet eval --video file:clip.mp4 --limit 100")]
pub struct Args {
    /// A folder with input/ and target/, or with clean pictures for --noise.
    #[arg(short, long, value_name = "FOLDER", required_unless_present = "video")]
    data: Option<PathBuf>,

    /// A source whose frames are restored one after the other, and measured for flicker:
    /// synthetic:road?weather=rain&still=1, file:clip.mp4, dir:frames/.
    #[arg(long, value_name = "URI", conflicts_with_all = ["data", "noise", "save"])]
    video: Option<String>,

    /// Looks at every so many frames of a video for what to undo.
    #[arg(long, value_name = "FRAMES", requires = "video", default_value = "15",
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    detect_every: usize,

    /// Adds Gaussian noise of this standard deviation (of 255) to the clean pictures.
    #[arg(short, long, value_name = "SIGMA")]
    noise: Option<f32>,

    /// Where the noise's random numbers start.
    #[arg(long, requires = "noise", default_value_t = 0)]
    seed: u64,

    /// Takes the first pictures or frames only; of a synthetic drive 60 where not given.
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,

    /// Writes the restored pictures into this folder (NAME.restored.png).
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,

    /// Prints JSON.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,

    /// Prints a Markdown table.
    #[arg(long)]
    markdown: bool,

    #[command(flatten)]
    restorer: RestorerArgs,
}

pub fn run(args: &Args) -> Result<()> {
    if let Some(uri) = &args.video {
        return video::run(args, uri);
    }
    let Some(data) = &args.data else {
        return Err(Error::Input("say what to evaluate on by --data or --video".into()));
    };
    let noise = args.noise.map(|sigma| Noise { sigma, seed: args.seed });
    let mut dataset = Dataset::open(data, noise)?;
    dataset.truncate(args.limit.unwrap_or(usize::MAX));
    if dataset.is_empty() {
        return Err(Error::Input(format!("{} has nothing to evaluate", data.display())));
    }
    let (mut restorer, mut guide) = args.restorer.open()?;
    if let Some(folder) = &args.save {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    let progress = output::progress(dataset.len(), args.json);
    let mut untouched = 0;
    let evaluation = Evaluation::run(
        &dataset,
        |pair| {
            let Some(degradation) = guide.look(pair.input.view())?.degradation else {
                untouched += 1;
                return Ok(pair.input.clone());
            };
            restorer.restore(pair.input.view(), &degradation)
        },
        |image, pair, output| {
            if let Some(folder) = &args.save {
                let path = folder.join(format!("{}.restored.png", pair.name));
                Picture::new(output.clone()).save(&path, &SaveOptions::default())?;
            }
            progress.set_message(format!("{} {:.2} dB", image.file, image.scores.psnr_out));
            progress.inc(1);
            Ok(())
        },
    )?;
    progress.finish_and_clear();
    if args.json {
        return output::json(&Report { untouched, evaluation });
    }
    let header = ["file", "PSNR in", "PSNR out", "SSIM in", "SSIM out"];
    let mut table = output::table(&header, args.markdown);
    for image in &evaluation.images {
        table.add_row(cells(&image.file, &image.scores));
    }
    table.add_row(cells(&format!("mean of {}", evaluation.count), &evaluation.mean));
    output::line(table)?;
    if untouched > 0 {
        output::line(format!(
            "{untouched} of {} were taken for clear, and left as they are",
            evaluation.count
        ))?;
    }
    Ok(())
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Report {
    /// Pictures that were taken for clear, and left as they are.
    untouched: usize,
    #[serde(flatten)]
    evaluation: Evaluation,
}

fn cells(name: &str, scores: &MeanScores) -> [String; 5] {
    [
        name.to_owned(),
        format!("{:.2}", scores.psnr_in),
        format!("{:.2}", scores.psnr_out),
        format!("{:.4}", scores.ssim_in),
        format!("{:.4}", scores.ssim_out),
    ]
}
