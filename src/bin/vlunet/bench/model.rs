//! How long the restorer takes for a picture.

use super::Args;
use crate::output;
use serde::Serialize;
use std::time::{Duration, Instant};
use vlunet::bundle::{Bundle, Dtype};
use vlunet::frame::{Planes, from_rgb8};
use vlunet::restore::{Options, Restorer};
use vlunet::source::synthetic::{SyntheticConfig, SyntheticSource, Weather};
use vlunet::vlm::Degradation;
use vlunet::{Result, backend};

/// Runs before the clock starts: plans are made, memory is taken, caches are warm.
const WARM_UP: usize = 2;

/// Runs of each model at least.
const LEAST: usize = 5;

/// One number format of a model. The fields' names are those that others read.
#[derive(Serialize)]
pub struct Timing {
    model: String,
    dtype: Dtype,
    backend: &'static str,
    threads: usize,
    size: String,
    runs: usize,
    median_ms: f64,
    p99_ms: f64,
    gmac: f64,
    gmac_per_s: f64,
    /// Of the multiply-accumulates of floats that the processor can do.
    peak_share: Option<f64>,
    /// Of the session, beside the weights, where it is known.
    peak_memory_bytes: Option<usize>,
    /// Of the first one's median.
    speed: f64,
}

/// What the restorer is measured with.
pub struct Subject {
    pub bundle: Bundle,
    pub backend: backend::Options,
    pub picture: Planes,
    pub degradation: Degradation,
}

impl Subject {
    /// A frame of the synthetic road in rain, of the size that was asked for.
    pub fn new(args: &Args) -> Result<Self> {
        let (bundle, backend) = (args.model.bundle()?, args.model.backend()?);
        let mut drive = SyntheticSource::new(SyntheticConfig {
            weather: Weather::Rain,
            width: args.size.width,
            height: args.size.height,
            ..SyntheticConfig::default()
        })?;
        let picture = from_rgb8(&drive.next_frame().degraded);
        let degradation = Degradation::for_task(&bundle, "derain")?;
        Ok(Self { bundle, backend, picture, degradation })
    }
}

/// Measures the restorer in each number format that was asked for, taking turns, so that what else
/// the machine does meets them all.
pub fn measure(args: &Args) -> Result<Vec<Timing>> {
    let Subject { bundle, backend, picture, degradation } = Subject::new(args)?;
    let (width, height) = (args.size.width, args.size.height);
    let dtypes = dtypes(args, &bundle)?;
    let mut restorers = Vec::new();
    for dtype in &dtypes {
        let options = Options { dtype: Some(*dtype), backend, ..Options::default() };
        restorers.push((Restorer::open(&bundle, &options)?, Vec::new()));
    }
    for (restorer, _) in &mut restorers {
        for _ in 0..WARM_UP {
            restorer.restore(picture.view(), &degradation)?;
        }
    }
    let (start, length) = (Instant::now(), Duration::from(args.duration));
    while start.elapsed() < length || restorers[0].1.len() < LEAST {
        for (restorer, times) in &mut restorers {
            let before = Instant::now();
            restorer.restore(picture.view(), &degradation)?;
            times.push(before.elapsed().as_secs_f64() * 1e3);
        }
    }
    let gmac = bundle.manifest().config.cost(height as usize, width as usize).macs() as f64 / 1e9;
    let peak = backend::peak(backend.threads).gmac_per_s;
    let mut timings: Vec<Timing> = Vec::new();
    for (dtype, (mut restorer, times)) in dtypes.into_iter().zip(restorers) {
        let timing = Timing::new(&bundle, dtype, backend.threads, format!("{width}x{height}"), gmac, times);
        timings.push(Timing {
            speed: timings.first().map_or(1.0, |first| first.median_ms / timing.median_ms),
            peak_share: Some(timing.gmac_per_s / peak),
            peak_memory_bytes: restorer.session_memory(),
            ..timing
        });
    }
    Ok(timings)
}

impl Timing {
    /// Out of times in milliseconds, of which there is one at least.
    pub fn new(
        bundle: &Bundle,
        dtype: Dtype,
        threads: usize,
        size: String,
        gmac: f64,
        mut times: Vec<f64>,
    ) -> Self {
        times.sort_by(f64::total_cmp);
        let rank =
            |share: f64| times[((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1];
        let median = rank(0.5);
        Self {
            model: format!("{} {}", bundle.manifest().name, bundle.manifest().version),
            dtype,
            backend: "cpu",
            threads,
            size,
            runs: times.len(),
            median_ms: median,
            p99_ms: rank(0.99),
            gmac,
            gmac_per_s: gmac / median * 1e3,
            peak_share: None,
            peak_memory_bytes: None,
            speed: 1.0,
        }
    }
}

/// The formats on the command line, else the one that the bundle would run.
fn dtypes(args: &Args, bundle: &Bundle) -> Result<Vec<Dtype>> {
    let asked: Vec<Dtype> = args.compare.iter().map(|dtype| (*dtype).into()).collect();
    if asked.is_empty() { Ok(vec![bundle.variant(args.model.dtype())?.dtype]) } else { Ok(asked) }
}

/// The table for people.
pub fn show(timings: &[Timing]) -> Result<()> {
    let mut table =
        output::table(&["dtype", "median ms", "p99", "GMAC/s", "of f32 peak", "MiB", "speed", "runs"], false);
    for timing in timings {
        table.add_row([
            timing.dtype.to_string(),
            format!("{:.1}", timing.median_ms),
            format!("{:.1}", timing.p99_ms),
            format!("{:.1}", timing.gmac_per_s),
            timing.peak_share.map_or(String::new(), |share| format!("{:.0} %", 100.0 * share)),
            timing
                .peak_memory_bytes
                .map_or(String::new(), |bytes| format!("{:.1}", bytes as f64 / 1048576.0)),
            format!("{:.2}x", timing.speed),
            timing.runs.to_string(),
        ]);
    }
    if let Some(Timing { model, size, threads, gmac, .. }) = timings.first() {
        output::line(format!("{model} at {size}, {gmac:.2} GMAC, {threads} threads"))?;
    }
    output::line(table)
}
