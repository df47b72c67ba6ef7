//! The test that a bundle passes before it may run: on this machine, from the folder that it
//! will run from.

use crate::bundle::Bundle;
use crate::frame::Planes;
use crate::restore::{self, Restorer};
use crate::vlm::{Degradation, Detector};
use crate::{Error, Result};
use ndarray::{Axis, Ix4};
use std::time::{Duration, Instant};

/// A model may take this many times as long as the one before, …
const SLOWER: u32 = 2;
/// … and this much more, which no clock tells apart on a busy machine.
const UNREST: Duration = Duration::from_millis(5);

/// The best of so many runs counts: other work makes runs longer, nothing makes them shorter.
const RUNS: usize = 3;

/// What a test found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    /// Largest difference from the golden frame, in 0..=1.
    pub(super) difference: f32,
    /// Time for a frame of the size asked for.
    pub(super) time: Duration,
}

/// Restores the golden frame, looks at it, and times a frame of this (width, height), which may
/// take `most`, or else not much longer than `before` takes for it.
///
/// # Errors
/// [`Error::Bundle`] where it has no golden frame, [`Error::Input`] where it is too slow,
/// [`Error::Model`] where the frame comes out wrong.
pub(super) fn run(
    bundle: &Bundle,
    before: Option<&Bundle>,
    options: &restore::Options,
    size: (u32, u32),
    most: Option<Duration>,
) -> Result<Trial> {
    let fail = |reason: String| Error::Bundle { bundle: bundle.origin().into(), reason };
    let golden = bundle.golden()?.ok_or_else(|| fail("it has no golden frame to test it with".into()))?;
    let mut restorer = Restorer::open(bundle, options)?;
    let difference = restorer.self_test(&golden)?;
    if bundle.manifest().vlm.is_some() {
        let image = golden.image.view().into_dimensionality::<Ix4>();
        let image = image.map_err(|_| fail("its golden frame is no picture".into()))?;
        Detector::open(bundle, options.dtype, &options.backend)?.detect(image.index_axis(Axis(0), 0))?;
    }
    let degradation = Degradation::new(golden.degradation.iter().copied().collect())?;
    let time = best(&mut restorer, &degradation, size)?;
    let limit = match (most, before) {
        (Some(most), _) => Some((most, "the limit that was given".to_owned())),
        // One that no longer works sets no limit.
        (None, Some(before)) => {
            let timed =
                Restorer::open(before, options).and_then(|mut old| best(&mut old, &degradation, size));
            timed
                .ok()
                .map(|time| (time * SLOWER + UNREST, format!("{SLOWER} times what the current model takes")))
        }
        (None, None) => None,
    };
    match limit {
        // Not the bundle's fault alone: on a machine that is busy now it may pass tomorrow.
        Some((limit, meaning)) if time > limit => Err(Error::Input(format!(
            "{}: it is too slow here: {:.1} ms for a frame of {}x{}, and {meaning} is {:.1} ms",
            bundle.manifest().name,
            time.as_secs_f64() * 1e3,
            size.0,
            size.1,
            limit.as_secs_f64() * 1e3
        ))),
        _ => Ok(Trial { difference, time }),
    }
}

fn best(restorer: &mut Restorer, degradation: &Degradation, (width, height): (u32, u32)) -> Result<Duration> {
    let slope = |(channel, y, x): (usize, usize, usize)| ((x + 2 * y + 85 * channel) % 256) as f32 / 255.0;
    let frame = Planes::from_shape_fn((3, height as usize, width as usize), slope);
    // The first run makes the session.
    restorer.restore(frame.view(), degradation)?;
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let start = Instant::now();
        restorer.restore(frame.view(), degradation)?;
        best = best.min(start.elapsed());
    }
    Ok(best)
}
