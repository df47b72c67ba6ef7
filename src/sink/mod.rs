//! Where frames go, by URI.
//!
//! | URI | frames go |
//! |---|---|
//! | `dir:out?max=2GiB&format=jpg&quality=90` | to numbered pictures; beyond `max` the oldest are deleted |
//! | `file:out.mp4?crf=23&preset=veryfast&codec=libx264&fps=30&realtime=1` | to a video file, by ffmpeg; with `realtime` frames are repeated or left out so that it keeps their time |
//! | `-` | to standard output, as Y4M |
//! | `http://127.0.0.1:8080?token=...&quality=80` | to browsers: a page, MJPEG, JSON, Prometheus |
//! | `null:` | nowhere |
//! | `v4l2:///dev/video10` | to a video output, as v4l2loopback makes one, on Linux |

mod http;
mod null;
mod pictures;
mod steady;
#[cfg(target_os = "linux")]
mod v4l2;
mod video;
mod y4m;

use crate::Result;
use crate::frame::Frame;
use crate::telemetry::Telemetry;
use crate::uri::Uri;
use std::sync::Arc;

/// A frame at the end of its way.
#[derive(Clone, Debug)]
pub struct Output {
    /// As the camera saw it.
    pub input: Arc<Frame>,
    /// Restored; the same as `input` where it passed untouched.
    pub restored: Arc<Frame>,
}

/// Takes frames, on a thread of its own: a slow one loses frames and delays nobody.
pub trait Sink: Send {
    /// Takes a frame.
    ///
    /// # Errors
    /// [`crate::Error`] where the sink can't go on (a full disk, a device that is gone). It is opened
    /// anew after a while.
    fn put(&mut self, output: &Output) -> Result<()>;

    /// What it is, for people, where that says more than its URI: the port that was chosen.
    /// Holds no secret, unlike the URI. Empty where the URI says it all.
    fn describe(&self) -> String {
        String::new()
    }

    /// Ends the stream: files are closed whole.
    ///
    /// # Errors
    /// [`crate::Error`] where what was put can't be kept.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What this build has.
const SCHEMES: &str = "http:, v4l2: (Linux), dir:, file:, - (Y4M on standard output) and null:";

/// Opens the sink of a URI.
///
/// `fps` is the rate at which frames are expected, for files that state one; `telemetry` what
/// a page shows beside the picture.
///
/// # Errors
/// [`crate::Error::Input`] for a URI that no sink takes, and whatever opening it brings.
pub fn open(uri: &str, fps: f64, telemetry: &Arc<Telemetry>) -> Result<Box<dyn Sink>> {
    let parsed = Uri::parse(uri)?;
    match parsed.scheme() {
        "http" => http::Http::open(parsed, telemetry),
        #[cfg(target_os = "linux")]
        "v4l2" => v4l2::VideoOutput::open(parsed, fps),
        #[cfg(not(target_os = "linux"))]
        "v4l2" => Err(parsed.fault("v4l2: is for video outputs on Linux")),
        "dir" => pictures::Pictures::open(parsed),
        "file" => video::Video::open(parsed, fps),
        "-" => y4m::open(&parsed, fps),
        "null" => null::Null::open(&parsed),
        other => Err(parsed.fault(format!("no sink has the scheme {other:?}; there are {SCHEMES}"))),
    }
}
