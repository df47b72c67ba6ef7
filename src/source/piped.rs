//! Frames that a thread reads from a pipe: a pipe that nobody writes to blocks that thread
//! alone.

use super::Event;
use super::pace::Pace;
use crate::Result;
use crate::frame::{Frame, FramePool};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

/// The reading end. Its thread ends with the pipe, or with the first frame that nobody wants.
pub(super) struct Piped {
    frames: Receiver<Result<Frame>>,
    /// Frames whose memory the thread uses again.
    spare: Sender<Frame>,
    early: Option<Frame>,
    pace: Pace,
    sequence: u64,
}

impl Piped {
    /// Starts the thread. `read` fills a frame, whose memory holds anything, and gives false at
    /// the end of the stream.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the system has no more threads.
    pub(super) fn start(
        name: &str,
        read: impl FnMut(&mut Frame) -> Result<bool> + Send + 'static,
    ) -> Result<Self> {
        // The thread holds one frame that is read already, and the next one waits in the pipe.
        let (sender, frames) = sync_channel(0);
        let (spare, used) = channel();
        std::thread::Builder::new()
            .name(name.into())
            .spawn(move || run(read, &sender, &used))
            .map_err(crate::Error::io("start a thread for", name.as_ref()))?;
        Ok(Self { frames, spare, early: None, pace: Pace::default(), sequence: 0 })
    }

    /// The next frame: as soon as there is one, or where `fps` is given when it is due.
    pub(super) fn next(&mut self, pool: &FramePool, patience: Duration, fps: Option<f64>) -> Result<Event> {
        let mut read = match self.early.take() {
            Some(frame) => frame,
            None => match self.frames.recv_timeout(patience) {
                Ok(frame) => frame?,
                Err(RecvTimeoutError::Timeout) => return Ok(Event::Nothing),
                Err(RecvTimeoutError::Disconnected) => return Ok(Event::End),
            },
        };
        let time = fps.map(|fps| Duration::from_secs_f64(self.sequence as f64 / fps));
        if time.is_some_and(|time| !self.pace.wait(time, patience)) {
            self.early = Some(read);
            return Ok(Event::Nothing);
        }
        let frame = pool.make(read.width, read.height, |frame| {
            std::mem::swap(&mut frame.rgb, &mut read.rgb);
            frame.sequence = self.sequence;
            frame.captured = Instant::now();
            Ok(())
        })?;
        self.sequence += 1;
        // Gone where the stream is over.
        let _ = self.spare.send(read);
        Ok(Event::Frame(frame))
    }
}

fn run(
    mut read: impl FnMut(&mut Frame) -> Result<bool>,
    frames: &SyncSender<Result<Frame>>,
    used: &Receiver<Frame>,
) {
    loop {
        let mut frame = used.try_recv().unwrap_or_else(|_| Frame::black(0, 0));
        let (sent, more) = match read(&mut frame) {
            Ok(true) => (frames.send(Ok(frame)), true),
            Ok(false) => return,
            Err(error) => (frames.send(Err(error)), false),
        };
        if sent.is_err() || !more {
            return;
        }
    }
}
