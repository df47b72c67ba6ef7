//! Where frames come from, by URI.
//!
//! | URI | frames |
//! |---|---|
//! | `synthetic:road?weather=rain&size=640x360&fps=30` | a drive that the program renders |
//! | `file:clip.mp4?loop=1&realtime=1` | a video file, by ffmpeg; with `realtime` at its own rate |
//! | `dir:frames/?fps=30&loop=1&realtime=1` | the pictures of a folder, in the order of their numbers |
//! | `-` | Y4M on standard input |
//! | `v4l2:///dev/video0?size=640x360&fps=30&format=yuyv` | a camera, on Linux; controls by name |

mod pace;
mod paced;
mod pictures;
mod piped;
pub mod synthetic;
#[cfg(target_os = "linux")]
pub mod v4l2;
mod video;
pub mod y4m;

use crate::Result;
use crate::frame::{Frame, FramePool};
use crate::uri::Uri;
use std::sync::Arc;
use std::time::Duration;

/// What a source had to give.
#[derive(Debug)]
pub enum Event {
    /// The next frame. Its size may differ from that of the one before.
    Frame(Arc<Frame>),
    /// Nothing within the time; ask again.
    Nothing,
    /// The stream is over.
    End,
}

/// A stream of frames, read by one thread.
pub trait Source: Send {
    /// Waits for the next frame, for about `patience` at the most.
    ///
    /// # Errors
    /// [`crate::Error`] where the source can't go on: a camera that was unplugged, a file that is
    /// damaged. Whoever reads it drops the source then and may open it anew.
    fn next(&mut self, pool: &FramePool, patience: Duration) -> Result<Event>;

    /// Whether frames come in their own time and are lost when nobody takes them (a camera);
    /// else each one waits until it is taken (a file).
    fn is_live(&self) -> bool;

    /// Frames per second as the source states them, where it does.
    fn fps(&self) -> Option<f64>;

    /// What it is, for people: `USB Camera, 640x480 yuyv at 30/s`.
    fn describe(&self) -> String;

    /// Frames that arrived damaged and were skipped, since it was opened.
    fn skipped(&self) -> u64 {
        0
    }
}

/// What this build has.
const SCHEMES: &str = "synthetic:, v4l2: (Linux), file:, dir: and - (Y4M on standard input)";

/// Opens the source of a URI.
///
/// # Errors
/// [`crate::Error::Input`] for a URI that no source takes, and whatever opening it brings.
pub fn open(uri: &str) -> Result<Box<dyn Source>> {
    let parsed = Uri::parse(uri)?;
    match parsed.scheme() {
        "synthetic" => paced::Synthetic::open(&parsed),
        #[cfg(target_os = "linux")]
        "v4l2" => v4l2::Camera::open(parsed),
        #[cfg(not(target_os = "linux"))]
        "v4l2" => Err(parsed.fault("v4l2: is for cameras on Linux; use gst: here")),
        "file" => video::Video::open(parsed),
        "dir" => pictures::Pictures::open(parsed),
        "-" => y4m::StandardInput::open(&parsed),
        other => Err(parsed.fault(format!("no source has the scheme {other:?}; there are {SCHEMES}"))),
    }
}
