//! `vlunet-train exam`: tries a trained head on folders of pictures.

use std::path::{Path, PathBuf};
use vlunet::backend::Options;
use vlunet::bundle::{Bundle, Task};
use vlunet::eval::degrade::gaussian_noise_8bit;
use vlunet::frame::to_rgb8;
use vlunet::picture::{Limits, Picture, folder};
use vlunet::train::head::{Exam, Head, HeadFolder};
use vlunet::vlm::Detector;
use vlunet::{Error, Result};

/// Tries a trained VLM head on folders of pictures, and draws what it takes for what.
#[derive(clap::Args)]
pub struct Args {
    /// The run of a head (a folder), or a bundle.
    #[arg(value_name = "RUN|BUNDLE")]
    head: PathBuf,

    /// A folder of pictures that show a task's degradation, as rain=DIR or clear=DIR.
    #[arg(long = "set", value_name = "TASK=DIR", value_parser = set)]
    sets: Vec<(Task, PathBuf)>,

    /// A folder of clean pictures to add Gaussian noise to, as 25=DIR.
    #[arg(long = "noisy", value_name = "SIGMA=DIR", value_parser = noisy)]
    noisy: Vec<(f32, PathBuf)>,

    /// Where the confusion matrix is drawn (SVG).
    #[arg(short, long, value_name = "FILE", default_value = "confusion.svg")]
    output: PathBuf,

    /// Where the reliability diagram is drawn (SVG): how often the head is right, by how sure it is.
    #[arg(long, value_name = "FILE", default_value = "reliability.svg")]
    reliability: PathBuf,
}

fn set(text: &str) -> Result<(Task, PathBuf), String> {
    let (task, folder) = text.split_once('=').ok_or("give it as TASK=DIR")?;
    Ok((Task::of_prompt(task).map_err(|e| e.to_string())?, folder.into()))
}

fn noisy(text: &str) -> Result<(f32, PathBuf), String> {
    let (sigma, folder) = text.split_once('=').ok_or("give it as SIGMA=DIR")?;
    let sigma: f32 = sigma.parse().map_err(|_| format!("{sigma} is no number"))?;
    if !(0.0..=255.0).contains(&sigma) {
        return Err(format!("sigma is from 0 to 255, not {sigma}"));
    }
    Ok((sigma, folder.into()))
}

pub fn run(args: &Args) -> Result<()> {
    if args.sets.is_empty() && args.noisy.is_empty() {
        return Err(Error::Input("give some pictures by --set or --noisy".into()));
    }
    let run = HeadFolder::new(&args.head);
    let (mut detector, temperature) = if run.state().exists() {
        let head = Head::open(&run)?;
        (head.detector(&Options::default())?, head.manifest.temperature)
    } else {
        let bundle = Bundle::open(&args.head)?;
        let temperature = bundle.manifest().vlm.as_ref().map_or(1.0, |vlm| vlm.temperature);
        (Detector::open(&bundle, None, &Options::default())?, temperature)
    };
    let temperature = f64::from(temperature);
    let mut exam = Exam::default();
    for (sigma, path) in &args.noisy {
        let noisy = folder::list(path, false)?
            .into_iter()
            .enumerate()
            .map(|(index, picture)| Ok(gaussian_noise_8bit(&open(&picture)?, *sigma, index as u64)));
        exam.try_set(&mut detector, &format!("{} σ {sigma}", path.display()), Task::Denoise, noisy)?;
    }
    for (task, path) in &args.sets {
        let all = folder::list(path, false)?.into_iter().map(|picture| open(&picture));
        exam.try_set(&mut detector, &path.display().to_string(), *task, all)?;
    }
    print!("{exam}");
    println!("\n{:.1} % right, as the mean over the tasks", 100.0 * exam.confusion().accuracy());
    let calibration = &exam.calibration;
    let off = |temperature| {
        let error = 100.0 * calibration.reliability(temperature).expected_error();
        format!(
            "off by {error:.1} % (surprise {:.3}) at temperature {temperature:.2}",
            calibration.surprise(temperature)
        )
    };
    println!(
        "Probabilities are {}; {} they would be best.",
        off(temperature),
        off(calibration.best_temperature())
    );
    calibration.draw(&args.reliability, temperature)?;
    exam.draw(&args.output)
}

fn open(path: &Path) -> Result<image::RgbImage> {
    Ok(to_rgb8(Picture::open(path, &Limits::default())?.planes.view()))
}
