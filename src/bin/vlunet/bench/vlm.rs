//! How long the VLM head's image tower takes.

use super::Args;
use super::model::Timing;
use ndarray::ArrayD;
use std::time::{Duration, Instant};
use vlunet::backend::{Input, Model};
use vlunet::quantize::operations;
use vlunet::source::synthetic::{SyntheticConfig, SyntheticSource, Weather};
use vlunet::{Error, Result};

/// Runs before the clock starts.
const WARM_UP: usize = 3;

pub fn measure(args: &Args) -> Result<Vec<Timing>> {
    let (bundle, options) = (args.model.bundle()?, args.model.backend()?);
    let variant = bundle.variant(args.model.dtype())?;
    let (Some(head), Some(entry)) = (&bundle.manifest().vlm, &variant.vlm) else {
        return Err(Error::Input(format!(
            "{} has no VLM head of its own in {}",
            bundle.origin(),
            variant.dtype
        )));
    };
    let side = head.config.image_size;
    let shape = [1, 3, side, side];
    let onnx = bundle.read(entry)?;
    let mut session = Model::open(&onnx, &entry.file, &options)?.session(&[("image", &shape)])?;
    let mut drive = SyntheticSource::new(SyntheticConfig {
        weather: Weather::Rain,
        width: side as u32,
        height: side as u32,
        ..SyntheticConfig::default()
    })?;
    let picture = vlunet::frame::from_rgb8(&drive.next_frame().degraded);
    // Near enough to what preprocessing gives: how long it takes doesn't depend on it.
    let image: ArrayD<f32> =
        picture.mapv(|value| (value - 0.45) / 0.27).insert_axis(ndarray::Axis(0)).into_dyn();
    let mut times = Vec::new();
    let (mut start, length) = (Instant::now(), Duration::from(args.duration));
    while times.len() < 5 + WARM_UP || start.elapsed() < length {
        if times.len() == WARM_UP {
            start = Instant::now();
        }
        let before = Instant::now();
        session.run(&[("image", Input::F32(image.view()))])?;
        times.push(before.elapsed().as_secs_f64() * 1e3);
    }
    let macs: u64 =
        operations(&onnx, &entry.file, &[("image", &shape)])?.iter().map(|operation| operation.macs).sum();
    let (size, gmac) = (format!("{side}x{side}"), macs as f64 / 1e9);
    Ok(vec![Timing::new(&bundle, variant.dtype, options.threads, size, gmac, times.split_off(WARM_UP))])
}
