//! Cameras by Video4Linux: `v4l2:///dev/video0?size=640x360&fps=30&format=yuyv&gain=12`.
//!
//! | key | meaning | without it |
//! |---|---|---|
//! | `size` | `WIDTHxHEIGHT`, one that the camera offers | the nearest to 640x480 |
//! | `fps` | frames per second; the camera takes the nearest it has | 30 |
//! | `format` | `yuyv`, `uyvy`, `nv12`, `grey`, `rgb3`, `bgr3` or `mjpeg` | uncompressed where that reaches size and rate, else MJPEG |
//! | any other | a control by its name in [`DeviceInfo::controls`], set in the order given | as the camera has it |
//!
//! `/dev/v4l/by-id/…` names a camera that moves between ports. Where several frames wait, the
//! newest is given and the others count as lost. A frame that arrives damaged is skipped; a
//! camera that sends nothing else, that is gone, or whose format changes is an error, and is
//! opened anew by whoever reads it.

mod clock;
mod setup;

pub use crate::v4l2::{ControlInfo, DeviceInfo, FormatInfo, MenuItem, SizeInfo, devices, set_control};

use super::{Event, Source};
use crate::frame::{FramePool, Unpacker};
use crate::uri::Uri;
use crate::v4l2::{Buffer, Device, Direction, Queue};
use crate::{Error, Result};
use clock::{Numbering, captured};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Damaged frames in a row that are taken for a camera that doesn't work.
const MOST_DAMAGED: u32 = 60;

/// A camera that streams.
pub(super) struct Camera {
    device: Arc<Device>,
    queue: Queue,
    unpacker: Unpacker,
    fps: Option<f64>,
    /// The last buffer's bytes: mapped memory may be uncached, and the driver wants it back.
    bytes: Vec<u8>,
    numbering: Numbering,
    damage: Damage,
}

impl Camera {
    pub(super) fn open(uri: Uri) -> Result<Box<dyn Source>> {
        let camera = setup::open(uri)?;
        log::info!("{}: {}", camera.device.path().display(), camera.describe());
        Ok(Box::new(camera))
    }

    /// Takes the newest of the buffers that are ready, and gives the others back.
    fn newest(&mut self) -> io::Result<Option<(Buffer, u64)>> {
        let mut newest: Option<(Buffer, u64)> = None;
        for _ in 0..self.queue.len() {
            let Some(buffer) = self.queue.take()? else { break };
            let number = self.numbering.number(buffer.sequence);
            if let Some((older, _)) = newest.replace((buffer, number)) {
                self.queue.give(older.index, 0)?;
            }
        }
        Ok(newest)
    }

    /// Makes a frame of a buffer.
    fn frame(&mut self, buffer: &Buffer, number: u64, pool: &FramePool) -> Result<Event> {
        let time = captured(buffer.time);
        self.queue.read(buffer, &mut self.bytes);
        self.queue.give(buffer.index, 0).map_err(self.device.fault("give a buffer back to"))?;
        if buffer.damaged {
            return Err(Error::Frame("the driver says that it is incomplete".into()));
        }
        let (width, height) = self.unpacker.layout().size();
        let frame = pool.make(width, height, |frame| {
            self.unpacker.unpack(&self.bytes, &mut frame.rgb)?;
            (frame.sequence, frame.captured) = (number, time);
            Ok(())
        })?;
        Ok(Event::Frame(frame))
    }
}

impl Source for Camera {
    fn next(&mut self, pool: &FramePool, patience: Duration) -> Result<Event> {
        let deadline = Instant::now() + patience;
        loop {
            let waited = self.device.wait(Direction::Capture, deadline);
            let Some(ready) = waited.map_err(self.device.fault("wait for"))? else {
                return Ok(Event::Nothing);
            };
            if ready.event && self.device.source_changed() {
                return Err(self
                    .device
                    .refuse("the picture's size or format changed; it must be opened anew"));
            }
            match self.newest() {
                Err(error) => return Err(self.device.fault("capture from")(error)),
                Ok(None) if ready.trouble => {
                    return Err(self.device.refuse("the device reports an error; it must be opened anew"));
                }
                Ok(None) => {}
                Ok(Some((buffer, number))) => match self.frame(&buffer, number, pool) {
                    Err(Error::Frame(reason)) => {
                        self.damage.skip(&reason).map_err(|e| self.device.refuse(e))?;
                    }
                    outcome => {
                        self.damage.in_a_row = 0;
                        return outcome;
                    }
                },
            }
        }
    }

    fn is_live(&self) -> bool {
        true
    }

    fn fps(&self) -> Option<f64> {
        self.fps
    }

    fn describe(&self) -> String {
        let layout = self.unpacker.layout();
        let (width, height) = layout.size();
        let fps = self.fps.map_or(String::new(), |fps| format!(" at {}/s", (100.0 * fps).round() / 100.0));
        format!("{}, {width}x{height} {}{fps}", self.device.name, layout.format())
    }

    fn skipped(&self) -> u64 {
        self.damage.total
    }
}

/// Counts damaged frames.
#[derive(Debug, Default)]
struct Damage {
    total: u64,
    in_a_row: u32,
}

impl Damage {
    /// Counts one; an error where there were too many in a row.
    fn skip(&mut self, reason: &str) -> Result<(), String> {
        self.total += 1;
        self.in_a_row += 1;
        if self.in_a_row >= MOST_DAMAGED {
            return Err(format!("{MOST_DAMAGED} damaged frames in a row: {reason}"));
        }
        // 1, 2, 4, 8, …: a bad cable doesn't fill the log.
        if self.total.is_power_of_two() {
            log::warn!("skipped damaged frame {}: {reason}", self.total);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_frames_are_skipped_until_there_are_too_many_in_a_row() {
        let mut damage = Damage::default();
        for round in 1..=3 {
            for _ in 1..MOST_DAMAGED {
                damage.skip("short").unwrap();
            }
            assert_eq!(damage.total, u64::from(round * (MOST_DAMAGED - 1)));
            damage.in_a_row = 0;
        }
        (1..MOST_DAMAGED).for_each(|_| damage.skip("short").unwrap());
        assert_eq!(damage.skip("short").unwrap_err(), "60 damaged frames in a row: short");
    }
}
