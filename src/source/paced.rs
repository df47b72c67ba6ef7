//! The synthetic drive as a camera that delivers at its frame rate.

use super::pace::Pace;
use super::synthetic::{SyntheticConfig, SyntheticFrame, SyntheticSource};
use super::{Event, Source};
use crate::Result;
use crate::frame::FramePool;
use crate::uri::Uri;
use std::time::{Duration, Instant};

/// A drive, a frame at a time.
pub(super) struct Synthetic {
    drive: SyntheticSource,
    pace: Pace,
    /// Rendered, and not yet due.
    early: Option<SyntheticFrame>,
}

impl Synthetic {
    pub(super) fn open(uri: &Uri) -> Result<Box<dyn Source>> {
        let text = uri.text().split_once(':').map_or("", |(_, rest)| rest);
        let drive = SyntheticSource::new(SyntheticConfig::from_uri(text)?)?;
        Ok(Box::new(Self { drive, pace: Pace::default(), early: None }))
    }
}

impl Source for Synthetic {
    fn next(&mut self, pool: &FramePool, patience: Duration) -> Result<Event> {
        let made = self.early.take().unwrap_or_else(|| self.drive.next_frame());
        if !self.pace.wait(made.time, patience) {
            self.early = Some(made);
            return Ok(Event::Nothing);
        }
        let (width, height) = made.degraded.dimensions();
        let frame = pool.make(width, height, |frame| {
            frame.rgb.copy_from_slice(made.degraded.as_raw());
            frame.sequence = made.index;
            frame.captured = Instant::now();
            Ok(())
        })?;
        Ok(Event::Frame(frame))
    }

    fn is_live(&self) -> bool {
        true
    }

    fn fps(&self) -> Option<f64> {
        Some(self.drive.config().fps)
    }

    fn describe(&self) -> String {
        let SyntheticConfig { weather, width, height, fps, .. } = self.drive.config();
        format!("synthetic road, {weather}, {width}x{height} at {fps}/s")
    }
}
