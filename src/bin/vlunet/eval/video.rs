//! `vlunet eval --video`: how steadily a video is restored.

use super::Args;
use crate::guide::Guide;
use crate::output;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use vlunet::bundle::Task;
use vlunet::eval::video::{PsnrInTime, VideoEvaluation, VideoFrame, VideoScores};
use vlunet::frame::{Frame, FramePool, Planes, from_rgb8, to_planes};
use vlunet::restore::Restorer;
use vlunet::source::synthetic::{SyntheticConfig, SyntheticSource};
use vlunet::source::{self, Event, Source};
use vlunet::vlm::{Degradation, Smoother, Smoothing};
use vlunet::{Error, Result};

/// Frames of a drive that has no end.
const DRIVE: usize = 60;

/// For a source that delivers nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// The outcome.
#[derive(Serialize)]
struct Report<'a> {
    video: &'a str,
    /// Frames that passed untouched, as they were clear.
    bypassed: usize,
    /// What was restored, as often as it changed.
    tasks: Vec<String>,
    #[serde(flatten)]
    scores: VideoScores,
}

pub fn run(args: &Args, uri: &str) -> Result<()> {
    let mut clip = Clip::open(uri)?;
    let most = args.limit.unwrap_or(if clip.is_endless() { DRIVE } else { usize::MAX });
    let (mut restorer, guide) = args.restorer.open()?;
    let mut eyes = Eyes::new(guide, args.detect_every, clip.fps());
    let mut evaluation = VideoEvaluation::default();
    let mut report = Report { video: uri, bypassed: 0, tasks: Vec::new(), scores: VideoScores::default() };
    let progress = output::progress(if clip.is_endless() { most } else { 0 }, args.json);
    for index in 0..most {
        let Some((input, clean)) = clip.next()? else { break };
        let restored = match eyes.see(index, &input)? {
            Some(degradation) => restore(&mut restorer, &input, degradation)?,
            None => {
                report.bypassed += 1;
                input.clone()
            }
        };
        if report.tasks.last() != Some(&eyes.task) {
            report.tasks.push(eyes.task.clone());
        }
        let clean = clean.as_ref().map(|clean| clean.view());
        evaluation.add(VideoFrame { input: input.view(), restored: restored.view(), clean });
        progress.inc(1);
    }
    progress.finish_and_clear();
    report.scores = evaluation.scores();
    if report.scores.frames < 2 {
        return Err(Error::Input(format!("{uri}: a video takes two frames at least")));
    }
    if args.json { output::json(&report) } else { print(&report, args.markdown) }
}

fn restore(restorer: &mut Restorer, input: &Planes, degradation: &Degradation) -> Result<Planes> {
    // Rounded as on a screen or in a file: what is finer can't be seen to flicker.
    let restored = restorer.restore(input.view(), degradation)?;
    Ok(restored.mapv_into(|value| (value * 255.0).round() / 255.0))
}

fn print(report: &Report<'_>, markdown: bool) -> Result<()> {
    let mut table = output::table(&["", "input", "restored"], markdown);
    let mut row = |name: &str, before: f64, after: f64| {
        table.add_row([name.to_owned(), format!("{before:.2}"), format!("{after:.2}")]);
    };
    let VideoScores { frames, against_clean, where_still } = &report.scores;
    if let Some(scores) = against_clean {
        let mut psnr = |name: &str, value: fn(&PsnrInTime) -> f64| {
            row(name, value(&scores.psnr_in), value(&scores.psnr_out));
        };
        psnr("PSNR, dB", |psnr| psnr.mean);
        psnr("its deviation", |psnr| psnr.deviation);
        psnr("its step per frame", |psnr| psnr.step);
        row("flicker, of 255", scores.flicker_in, scores.flicker_out);
        row("pumping, of 255", scores.pumping_in, scores.pumping_out);
    }
    row("flicker where still", where_still.flicker_in, where_still.flicker_out);
    row("pumping where still", 0.0, where_still.pumping);
    let still = 100.0 * where_still.share;
    output::line(format!("{}: {frames} frames, {} passed untouched", report.video, report.bypassed))?;
    output::line(format!("restored for: {}; {still:.0} % of it stands still", report.tasks.join(", ")))?;
    output::line(table)
}

/// Where the frames come from.
enum Clip {
    /// With clean frames.
    Drive(Box<SyntheticSource>),
    File {
        source: Box<dyn Source>,
        pool: FramePool,
    },
}

impl Clip {
    fn open(uri: &str) -> Result<Self> {
        Ok(match uri.strip_prefix("synthetic:") {
            Some(scene) => Self::Drive(Box::new(SyntheticSource::new(SyntheticConfig::from_uri(scene)?)?)),
            None => Self::File { source: source::open(uri)?, pool: FramePool::default() },
        })
    }

    fn is_endless(&self) -> bool {
        matches!(self, Self::Drive(_))
    }

    fn fps(&self) -> Option<f64> {
        match self {
            Self::Drive(drive) => Some(drive.config().fps),
            Self::File { source, .. } => source.fps(),
        }
    }

    /// The next frame, and the clean one where it is known.
    fn next(&mut self) -> Result<Option<(Planes, Option<Planes>)>> {
        match self {
            Self::Drive(drive) => {
                let frame = drive.next_frame();
                Ok(Some((from_rgb8(&frame.degraded), Some(frame.clean))))
            }
            Self::File { source, pool } => match source.next(pool, PATIENCE)? {
                Event::Frame(frame) => Ok(Some((planes(&frame), None))),
                Event::End => Ok(None),
                Event::Nothing => Err(Error::Input(format!("no frame came within {PATIENCE:?}"))),
            },
        }
    }
}

fn planes(frame: &Arc<Frame>) -> Planes {
    let mut planes = Planes::default((3, 0, 0));
    to_planes(frame, &mut planes);
    planes
}

/// Sees which degradation the frames have, as the live loop does.
struct Eyes {
    guide: Guide,
    smoother: Smoother,
    every: usize,
    /// Of the video, between two looks.
    interval: Duration,
    /// None where frames pass untouched.
    degradation: Option<Degradation>,
    task: String,
}

impl Eyes {
    fn new(guide: Guide, every: usize, fps: Option<f64>) -> Self {
        let seconds = every as f64 / fps.filter(|fps| *fps > 0.0).unwrap_or(30.0);
        Self {
            guide,
            smoother: Smoother::new(Smoothing::default()),
            every,
            interval: Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
            degradation: None,
            task: String::new(),
        }
    }

    /// d_I for the frame of that number; none for one that passes untouched.
    fn see(&mut self, index: usize, input: &Planes) -> Result<Option<&Degradation>> {
        if index.is_multiple_of(self.every) {
            match &mut self.guide {
                Guide::Task(degradation) => {
                    self.task = "the task that was named".into();
                    self.degradation = Some(degradation.clone());
                }
                Guide::Detector(detector) => {
                    let guidance = self.smoother.add(&detector.detect(input.view())?, self.interval);
                    self.task = guidance.task.to_string();
                    self.degradation = (guidance.task != Task::Clear).then_some(guidance.degradation);
                }
            }
        }
        Ok(self.degradation.as_ref())
    }
}
