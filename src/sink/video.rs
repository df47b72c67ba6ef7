//! Video files, written by a child process of ffmpeg.

use super::steady::{Clock, OneSize, fraction};
use super::{Output, Sink};
use crate::Result;
use crate::ffmpeg::Child;
use crate::frame::Frame;
use crate::uri::Uri;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ChildStdin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A child that takes no frame for this long hangs.
const STALLED: Duration = Duration::from_secs(10);

/// What ffmpeg may take to end a file.
const ENDING: Duration = Duration::from_secs(20);

/// How often a full hand-over is tried again.
const GLANCE: Duration = Duration::from_millis(2);

/// Frames on their way to ffmpeg.
const QUEUED: usize = 2;

const KEYS: [&str; 5] = ["codec", "crf", "fps", "preset", "realtime"];

/// Encodes frames into a file whose extension says of which kind.
pub(super) struct Video {
    uri: Uri,
    /// ffmpeg, and what comes before our own arguments.
    program: Vec<String>,
    fps: f64,
    settings: Vec<String>,
    one_size: OneSize,
    clock: Option<Clock>,
    recording: Option<Recording>,
    stalled: Duration,
    ending: Duration,
}

/// A running child, and the thread that feeds it: a pipe that nobody reads blocks that thread
/// alone, and killing the child ends it.
struct Recording {
    child: Child,
    frames: Option<SyncSender<(Arc<Frame>, u64)>>,
    feeder: Option<JoinHandle<()>>,
}

impl Video {
    pub(super) fn open(mut uri: Uri, fps: f64) -> Result<Box<dyn Sink>> {
        let fps = uri.take::<f64>("fps", "a number of frames per second")?.unwrap_or(fps);
        let realtime = uri.take_flag("realtime")?;
        let mut settings = Vec::new();
        if let Some(codec) = uri.take::<String>("codec", "an encoder of ffmpeg")? {
            settings.extend(["-c:v".into(), codec]);
        }
        if let Some(preset) = uri.take::<String>("preset", "a preset of the encoder")? {
            settings.extend(["-preset".into(), preset]);
        }
        if let Some(crf) = uri.take::<u8>("crf", "a number of 0 (lossless) to 63 (worst)")? {
            settings.extend(["-crf".into(), crf.to_string()]);
        }
        uri.done(&KEYS)?;
        if !(0.1..=1000.0).contains(&fps) {
            return Err(uri.fault("fps is 0.1 to 1000"));
        }
        let path = Path::new(uri.rest());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if path.extension().is_none() || folder.is_some_and(|folder| !folder.is_dir()) {
            return Err(uri.fault("it names no file in a folder that is there, as file:out.mp4 does"));
        }
        Ok(Box::new(Self::new(uri, vec!["ffmpeg".into()], fps, settings, realtime)))
    }

    fn new(uri: Uri, program: Vec<String>, fps: f64, settings: Vec<String>, realtime: bool) -> Self {
        let clock = realtime.then(|| Clock::new(fps));
        let (stalled, ending) = (STALLED, ENDING);
        Self {
            uri,
            program,
            fps,
            settings,
            one_size: OneSize::new(),
            clock,
            recording: None,
            stalled,
            ending,
        }
    }

    fn start(&mut self, frame: &Frame) -> Result<Recording> {
        let path = free_name(Path::new(self.uri.rest()));
        log::info!("recording to {}", path.display());
        let (over, under) = fraction(self.fps);
        let matrix = if frame.height < 720 { "bt601" } else { "bt709" };
        // yuv420p is what every player takes; its sides are even.
        let filter =
            format!("scale=ceil(iw/2)*2:ceil(ih/2)*2:out_color_matrix={matrix}:out_range=tv,format=yuv420p");
        let size = format!("{}x{}", frame.width, frame.height);
        let rate = format!("{over}/{under}");
        let mut arguments: Vec<String> = ["-hide_banner", "-loglevel", "error", "-n", "-f", "rawvideo"]
            .into_iter()
            .chain(["-pix_fmt", "rgb24", "-s", &size, "-r", &rate, "-i", "pipe:0", "-vf", &filter])
            .map(String::from)
            .collect();
        arguments.extend_from_slice(&self.settings);
        // Named as a file, whatever protocol its name might look like.
        arguments.push(format!("file:{}", path.display()));
        let (child, stdin, _stdout) = Child::start(&self.uri, &self.program, &arguments)?;
        let (frames, taken) = sync_channel(QUEUED);
        let feeder = std::thread::Builder::new().name("ffmpeg-frames".into());
        let feeder = feeder.spawn(move || feed(stdin, &taken)).map_err(|e| self.uri.fault(e))?;
        Ok(Recording { child, frames: Some(frames), feeder: Some(feeder) })
    }
}

impl Sink for Video {
    fn put(&mut self, output: &Output) -> Result<()> {
        let times = self.clock.as_mut().map_or(1, |clock| clock.times(output));
        if times == 0 {
            return Ok(());
        }
        let frame = self.one_size.fit(&output.restored)?;
        let mut recording = match self.recording.take() {
            Some(recording) => recording,
            None => self.start(&frame)?,
        };
        match recording.hand_over((frame, times), self.stalled) {
            Ok(()) => {
                self.recording = Some(recording);
                Ok(())
            }
            Err(Refused::Gone) => Err(self.uri.fault(recording.reason(self.ending))),
            // It is killed as the recording drops.
            Err(Refused::Stalled) => {
                let seconds = self.stalled.as_secs_f64();
                Err(self.uri.fault(format!("ffmpeg took no frame for {seconds} s")))
            }
        }
    }

    fn finish(&mut self) -> Result<()> {
        let Some(mut recording) = self.recording.take() else { return Ok(()) };
        recording.frames = None;
        match recording.child.end(self.ending) {
            Some(status) if status.success() => Ok(()),
            Some(_) => Err(self.uri.fault(recording.reason(self.ending))),
            None => Err(self.uri.fault("ffmpeg did not end the file: it is not whole")),
        }
    }
}

enum Refused {
    Stalled,
    Gone,
}

impl Recording {
    fn hand_over(&self, frame: (Arc<Frame>, u64), patience: Duration) -> Result<(), Refused> {
        let frames = self.frames.as_ref().ok_or(Refused::Gone)?;
        let deadline = Instant::now() + patience;
        let mut frame = frame;
        loop {
            frame = match frames.try_send(frame) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => return Err(Refused::Gone),
                Err(TrySendError::Full(_)) if Instant::now() >= deadline => return Err(Refused::Stalled),
                Err(TrySendError::Full(frame)) => frame,
            };
            std::thread::sleep(GLANCE);
        }
    }

    /// Why the child ended.
    fn reason(&mut self, patience: Duration) -> String {
        let status = self.child.end(patience);
        match (self.child.complaint(), status) {
            (complaint, _) if !complaint.is_empty() => format!("ffmpeg: {complaint}"),
            (_, Some(status)) => format!("ffmpeg ended ({status})"),
            (_, None) => "ffmpeg took no more frames".into(),
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.frames = None;
        // Nobody reads the pipe any more, so the feeder ends.
        self.child.kill();
        if let Some(feeder) = self.feeder.take() {
            let _ = feeder.join();
        }
    }
}

/// Ends, and with it the child's standard input, where no more frames come or the child is gone.
fn feed(mut stdin: ChildStdin, frames: &Receiver<(Arc<Frame>, u64)>) {
    for (frame, times) in frames {
        for _ in 0..times {
            if stdin.write_all(&frame.rgb).is_err() {
                return;
            }
        }
    }
}

/// The path itself, or with a number where a recording is there already: what was recorded
/// stays, also where the loop opens a sink anew behind a fault.
fn free_name(path: &Path) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    let numbered = (2..u32::MAX).map(|number| path.with_file_name(format!("{stem}-{number}.{extension}")));
    std::iter::once(path.to_owned())
        .chain(numbered)
        .find(|path| !path.exists())
        .unwrap_or_else(|| path.into())
}

#[cfg(unix)]
#[cfg(test)]
#[path = "video/tests.rs"]
mod tests;
