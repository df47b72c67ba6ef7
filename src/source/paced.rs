//! The synthetic drive as a camera that delivers at its frame rate.

use super::synthetic::{SyntheticConfig, SyntheticSource};
use super::{Event, Source};
use crate::Result;
use crate::frame::FramePool;
use crate::uri::Uri;
use std::time::{Duration, Instant};

/// A drive, a frame at a time.
pub(super) struct Synthetic {
    drive: SyntheticSource,
    /// When the frame of index 0 was due.
    start: Option<Instant>,
}

impl Synthetic {
    pub(super) fn open(uri: &Uri) -> Result<Box<dyn Source>> {
        let text = uri.text().split_once(':').map_or("", |(_, rest)| rest);
        let drive = SyntheticSource::new(SyntheticConfig::from_uri(text)?)?;
        Ok(Box::new(Self { drive, start: None }))
    }
}

impl Source for Synthetic {
    fn next(&mut self, pool: &FramePool, _: Duration) -> Result<Event> {
        let made = self.drive.next_frame();
        let start = self.start.get_or_insert_with(Instant::now);
        match (*start + made.time).checked_duration_since(Instant::now()) {
            Some(early) => std::thread::sleep(early),
            // Too slow to render in time: the camera's clock starts anew, it does not hurry.
            None => *start = Instant::now().checked_sub(made.time).unwrap_or(*start),
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
