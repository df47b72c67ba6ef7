//! A camera's frames from a source to a sink, without restoring them: what the test in
//! `cross/qemu` runs inside its machine.
//!
//! ```sh
//! cargo run --example camera_loop -- run 'v4l2:///dev/video0?size=640x360' --frames 100
//! ```

use clap::{Parser, Subcommand};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vlunet::frame::{Frame, FramePool};
use vlunet::sink::{self, Output};
use vlunet::source::{self, Event};

/// Runs sources and sinks, and prints what it saw as one line of JSON.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists video devices.
    #[cfg(target_os = "linux")]
    List,
    /// Sets controls of a device: NAME=VALUE.
    #[cfg(target_os = "linux")]
    Set { device: PathBuf, settings: Vec<String> },
    /// Captures frames, and gives them to a sink.
    Run(Run),
    /// Shows known pictures on a sink, and compares what a source makes of them: for devices
    /// that are connected.
    Connected {
        sink: String,
        #[command(flatten)]
        run: Run,
    },
}

#[derive(clap::Args, Clone)]
struct Run {
    source: String,
    #[arg(long, default_value = "null:")]
    to: String,
    #[arg(long, default_value_t = 30)]
    frames: u64,
    /// Gives up after that long.
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// How long the source may wait at a time.
    #[arg(long, default_value_t = 500)]
    patience_ms: u64,
    /// Opens a source that failed anew.
    #[arg(long)]
    reopen: bool,
}

/// What was seen.
#[derive(Default, Serialize)]
struct Seen {
    source: String,
    frames: u64,
    /// Whether the numbers of frames rose, within each opening.
    rising: bool,
    /// Numbers left out.
    lost: u64,
    skipped: u64,
    /// How often nothing came in time, and the longest that this took in milliseconds.
    nothing: u64,
    longest_nothing_ms: u64,
    opened: u64,
    errors: Vec<String>,
    /// Frames after the last opening.
    frames_since: u64,
    size: [u32; 2],
    /// Mean R, G, B in the middle of each eighth of the last picture, left to right.
    bars: Vec<[u8; 3]>,
    /// The highest age of a frame when it came, in milliseconds.
    oldest_ms: u64,
    /// Of the pictures that were known: how many, whether their numbers rose, and the lowest
    /// PSNR.
    known: u64,
    known_rising: bool,
    psnr: Option<f64>,
    #[serde(skip)]
    last: Option<u64>,
    #[serde(skip)]
    last_known: Option<u16>,
}

fn main() -> vlunet::Result<()> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    match Args::parse().command {
        #[cfg(target_os = "linux")]
        Command::List => print(&source::v4l2::devices()),
        #[cfg(target_os = "linux")]
        Command::Set { device, settings } => {
            for setting in settings {
                let (name, value) = setting.split_once('=').unwrap_or((&setting, ""));
                source::v4l2::set_control(&device, name, value)?;
            }
        }
        Command::Run(args) => print(&run(&args, false)),
        Command::Connected { sink, run: args } => print(&connected(&sink, &args)?),
    }
    Ok(())
}

fn print(value: &impl Serialize) {
    println!("{}", serde_json::to_string(value).unwrap_or_default());
}

/// Captures until there are enough frames, the time is up, or it failed.
fn run(args: &Run, known: bool) -> Seen {
    let mut seen = Seen { rising: true, known_rising: true, ..Seen::default() };
    let end = Instant::now() + Duration::from_secs_f64(args.seconds);
    while Instant::now() < end && seen.frames < args.frames {
        if let Err(error) = stream(args, end, known, &mut seen) {
            seen.errors.push(error.to_string());
            if !args.reopen {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    seen
}

fn stream(args: &Run, end: Instant, known: bool, seen: &mut Seen) -> vlunet::Result<()> {
    let mut source = source::open(&args.source)?;
    let mut sink = sink::open(&args.to, source.fps().unwrap_or(30.0), &Arc::default())?;
    (seen.source, seen.last, seen.frames_since) = (source.describe(), None, 0);
    seen.opened += 1;
    let (pool, patience) = (FramePool::default(), Duration::from_millis(args.patience_ms));
    let skipped = seen.skipped;
    while Instant::now() < end && seen.frames < args.frames {
        let asked = Instant::now();
        let event = source.next(&pool, patience);
        seen.skipped = skipped + source.skipped();
        match event? {
            Event::Frame(frame) => {
                seen.add(&frame, known);
                sink.put(&Output { input: Arc::clone(&frame), restored: frame })?;
            }
            Event::Nothing => {
                seen.nothing += 1;
                let waited = asked.elapsed().as_millis() as u64;
                seen.longest_nothing_ms = seen.longest_nothing_ms.max(waited);
            }
            Event::End => break,
        }
    }
    sink.finish()
}

impl Seen {
    fn add(&mut self, frame: &Frame, known: bool) {
        if let Some(last) = self.last.replace(frame.sequence) {
            self.rising &= frame.sequence > last;
            self.lost += frame.sequence.saturating_sub(last + 1);
        }
        self.frames += 1;
        self.frames_since += 1;
        self.size = [frame.width, frame.height];
        self.oldest_ms = self.oldest_ms.max(frame.captured.elapsed().as_millis() as u64);
        self.bars = (0..8).map(|bar| mean(frame, bar)).collect();
        if let Some(number) = known.then(|| number_in(frame)).flatten() {
            let psnr = psnr(&frame.rgb, &picture(frame.width, frame.height, number));
            self.known += 1;
            self.known_rising &= self.last_known.is_none_or(|last| number >= last);
            self.last_known = Some(number);
            self.psnr = Some(self.psnr.map_or(psnr, |lowest| lowest.min(psnr)));
        }
    }
}

/// The mean of 16×16 pixels in the middle of an eighth of a picture.
fn mean(frame: &Frame, bar: u32) -> [u8; 3] {
    let (left, top) = ((2 * bar + 1) * frame.width / 16, frame.height / 2);
    let mut sums = [0_u32; 3];
    for (y, x) in (0..16).flat_map(|y| (0..16).map(move |x| (y, x))) {
        let at = 3 * ((top + y - 8) * frame.width + left + x - 8) as usize;
        for (sum, sample) in sums.iter_mut().zip(&frame.rgb[at..at + 3]) {
            *sum += u32::from(*sample);
        }
    }
    sums.map(|sum| (sum / 256) as u8)
}

/// A picture that tells its number: 16 black and white squares above a ramp of colours.
fn picture(width: u32, height: u32, number: u16) -> Vec<u8> {
    let pixel = |i: u32| {
        let (x, y) = (i % width, i / width);
        if y < height / 8 {
            return [if number >> (16 * x / width) & 1 == 1 { 255 } else { 0 }; 3];
        }
        [(255 * x / width) as u8, (255 * y / height) as u8, (255 - 255 * x / width) as u8]
    };
    (0..width * height).flat_map(pixel).collect()
}

/// The number of a picture, if it tells one.
fn number_in(frame: &Frame) -> Option<u16> {
    let row = 3 * (frame.height / 16 * frame.width) as usize;
    let mut number = 0;
    for bit in 0..16 {
        let at = row + 3 * ((2 * bit + 1) * frame.width / 32) as usize;
        match frame.rgb.get(at + 1)? {
            200..=255 => number |= 1 << bit,
            0..=55 => {}
            _ => return None,
        }
    }
    // 0 is any picture that is black above.
    (number > 0).then_some(number)
}

fn psnr(a: &[u8], b: &[u8]) -> f64 {
    let squares: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    10.0 * (255.0_f64.powi(2) * a.len() as f64 / (squares as f64).max(1.0)).log10()
}

/// Shows pictures with rising numbers while a source captures.
fn connected(uri: &str, args: &Run) -> vlunet::Result<Seen> {
    let (width, height) = (1280, 720);
    let mut sink = sink::open(uri, 60.0, &Arc::default())?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let shown = scope.spawn(|| {
            let pool = FramePool::default();
            for number in 1..=u16::MAX {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let frame = pool.make(width, height, |frame| {
                    frame.rgb = picture(width, height, number);
                    Ok(())
                })?;
                sink.put(&Output { input: Arc::clone(&frame), restored: frame })?;
            }
            Ok(())
        });
        let mut seen = run(args, true);
        done.store(true, Ordering::Relaxed);
        match shown.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error: vlunet::Error = error;
                seen.errors.push(format!("sink: {error}"));
            }
            Err(_) => seen.errors.push("sink: panicked".into()),
        }
        Ok(seen)
    })
}
