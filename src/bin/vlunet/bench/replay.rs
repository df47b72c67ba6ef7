//! A camera that delivers frames rendered ahead, in a camera's format.

use std::sync::Arc;
use std::time::{Duration, Instant};
use vlunet::Result;
use vlunet::frame::{Colour, FramePool, Layout, Packer, PixelFormat, Unpacker};
use vlunet::source::synthetic::{SyntheticConfig, SyntheticSource, Weather};
use vlunet::source::{Event, Source};

/// Frames that are rendered; they are delivered to and fro, so that the drive has no cut.
const FRAMES: usize = 24;

/// A stretch of the road as YUYV.
pub struct Recording {
    layout: Layout,
    frames: Vec<Vec<u8>>,
}

impl Recording {
    pub fn new(weather: Weather, (width, height): (u32, u32), fps: f64) -> Result<Self> {
        let config = SyntheticConfig {
            weather,
            width,
            height,
            fps: fps.clamp(1.0, 240.0),
            ..SyntheticConfig::default()
        };
        let mut drive = SyntheticSource::new(config)?;
        let layout = Layout::new(PixelFormat::Yuyv, width, height, 0, Colour::WEBCAM)?;
        let packer = Packer::new(layout)?;
        let mut render = || {
            let mut bytes = vec![0; layout.bytes()];
            packer.pack(drive.next_frame().degraded.as_raw(), &mut bytes)?;
            Ok(bytes)
        };
        let frames = (0..FRAMES).map(|_| render()).collect::<Result<_>>()?;
        Ok(Self { layout, frames })
    }
}

/// Delivers a recording for ever.
pub struct Replay {
    recording: Arc<Recording>,
    unpacker: Unpacker,
    period: Duration,
    next: u64,
    due: Instant,
}

impl Replay {
    pub fn new(recording: Arc<Recording>, fps: f64) -> Self {
        let unpacker = Unpacker::new(recording.layout);
        Self { recording, unpacker, period: Duration::from_secs_f64(1.0 / fps), next: 0, due: Instant::now() }
    }
}

impl Source for Replay {
    fn next(&mut self, pool: &FramePool, _: Duration) -> Result<Event> {
        // A camera's clock goes on, whoever reads.
        let now = Instant::now();
        self.due = (self.due + self.period).max(now.checked_sub(self.period).unwrap_or(now));
        std::thread::sleep(self.due.saturating_duration_since(now));
        let captured = Instant::now();
        let length = self.recording.frames.len() as u64;
        let place = self.next % (2 * length - 2);
        let index = if place < length { place } else { 2 * length - 2 - place };
        let (width, height) = self.recording.layout.size();
        let (bytes, unpacker, sequence) =
            (&self.recording.frames[index as usize], &mut self.unpacker, self.next);
        let frame = pool.make(width, height, |frame| {
            (frame.sequence, frame.captured) = (sequence, captured);
            unpacker.unpack(bytes, &mut frame.rgb)
        })?;
        self.next += 1;
        Ok(Event::Frame(frame))
    }

    fn is_live(&self) -> bool {
        true
    }

    fn fps(&self) -> Option<f64> {
        Some(1.0 / self.period.as_secs_f64())
    }

    fn describe(&self) -> String {
        let (width, height) = self.recording.layout.size();
        format!("recorded road, {width}x{height} YUYV")
    }
}
