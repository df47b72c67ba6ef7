//! Video files, read by a child process of ffmpeg.

use super::piped::Piped;
use super::{Event, Source};
use crate::ffmpeg::Child;
use crate::frame::{Frame, FramePool};
use crate::uri::Uri;
use crate::{Error, Result};
use serde::Deserialize;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

/// What ffprobe may take to look at a file.
const PROBING: Duration = Duration::from_secs(20);

/// What ffmpeg may take to end once its output has.
const ENDING: Duration = Duration::from_secs(5);

/// Frames per second where the file states none.
const FPS: f64 = 25.0;

/// Twice 8K.
const MOST_PIXELS: u64 = 2 * 7680 * 4320;

const KEYS: [&str; 2] = ["loop", "realtime"];

/// The frames of a file's first video stream, upright.
pub(super) struct Video {
    uri: Uri,
    about: About,
    realtime: bool,
    frames: Piped,
    child: Child,
}

/// What ffprobe tells of a video stream.
#[derive(Debug, Deserialize)]
struct About {
    codec_name: String,
    width: u32,
    height: u32,
    avg_frame_rate: String,
    r_frame_rate: String,
}

#[derive(Deserialize)]
struct Probed {
    #[serde(default)]
    streams: Vec<About>,
}

impl Video {
    pub(super) fn open(mut uri: Uri) -> Result<Box<dyn Source>> {
        let (repeats, realtime) = (uri.take_flag("loop")?, uri.take_flag("realtime")?);
        uri.done(&KEYS)?;
        let path = Path::new(uri.rest());
        // Before ffprobe, whose answer would be of its own kind.
        let file = std::fs::metadata(path).map_err(Error::io("read", path))?;
        if file.is_dir() {
            return Err(uri.fault("this is a folder; dir: reads the pictures of one"));
        }
        let about = probe(&uri)?;
        let mut arguments = vec!["-v", "error", "-nostdin"];
        if repeats {
            arguments.extend(["-stream_loop", "-1"]);
        }
        // Named as a file, whatever protocol its name might look like. As PPM each frame comes
        // with its size.
        let name = format!("file:{}", uri.rest());
        arguments.extend(["-i", &name, "-map", "0:v:0", "-f", "image2pipe", "-c:v", "ppm", "pipe:1"]);
        let arguments: Vec<String> = arguments.into_iter().map(String::from).collect();
        let (child, _stdin, stdout) = Child::start(&uri, &["ffmpeg".into()], &arguments)?;
        let mut pictures = BufReader::with_capacity(1 << 16, stdout);
        let named = uri.clone();
        let frames = Piped::start("ffmpeg-frames", move |frame| {
            read_ppm(&mut pictures, frame).map_err(|reason| named.fault(reason))
        })?;
        Ok(Box::new(Self { uri, about, realtime, frames, child }))
    }
}

impl Source for Video {
    fn next(&mut self, pool: &FramePool, patience: Duration) -> Result<Event> {
        let event = self.frames.next(pool, patience, self.realtime.then(|| self.about.fps()))?;
        if !matches!(event, Event::End) {
            return Ok(event);
        }
        let status = self.child.end(ENDING);
        match (status, self.child.complaint()) {
            (Some(status), complaint) if status.success() => {
                if !complaint.is_empty() {
                    log::warn!("{}: ffmpeg: {complaint}", self.uri.text());
                }
                Ok(Event::End)
            }
            (_, complaint) if !complaint.is_empty() => Err(self.uri.fault(format!("ffmpeg: {complaint}"))),
            (Some(status), _) => Err(self.uri.fault(format!("ffmpeg failed ({status})"))),
            (None, _) => Err(self.uri.fault("ffmpeg closed its output and did not end")),
        }
    }

    fn is_live(&self) -> bool {
        self.realtime
    }

    fn fps(&self) -> Option<f64> {
        Some(self.about.fps())
    }

    fn describe(&self) -> String {
        let About { codec_name, width, height, .. } = &self.about;
        format!("{}, {codec_name}, {width}x{height} at {:.2}/s", self.uri.rest(), self.about.fps())
    }
}

impl About {
    fn fps(&self) -> f64 {
        let rate = |text: &str| {
            let (over, under) = text.split_once('/')?;
            let fps = over.parse::<f64>().ok()? / under.parse::<f64>().ok()?;
            (0.01..=1000.0).contains(&fps).then_some(fps)
        };
        rate(&self.r_frame_rate).or_else(|| rate(&self.avg_frame_rate)).unwrap_or(FPS)
    }
}

fn probe(uri: &Uri) -> Result<About> {
    const ENTRIES: &str = "stream=codec_name,width,height,avg_frame_rate,r_frame_rate";
    let name = format!("file:{}", uri.rest());
    let arguments = ["-v", "error", "-select_streams", "v:0", "-show_entries", ENTRIES, "-of", "json", &name];
    let arguments = arguments.map(String::from);
    let (mut child, _stdin, stdout) = Child::start(uri, &["ffprobe".into()], &arguments)?;
    let answer = std::thread::spawn(move || {
        let mut json = Vec::new();
        stdout.take(1 << 20).read_to_end(&mut json).map(|_| json)
    });
    let status = child.end(PROBING);
    // Ended or killed: either way the pipe is closed.
    let json = answer.join().ok().and_then(std::io::Result::ok).unwrap_or_default();
    let complaint = child.complaint();
    match status {
        Some(status) if status.success() => {}
        Some(_) if !complaint.is_empty() => return Err(uri.fault(format!("ffprobe: {complaint}"))),
        Some(status) => return Err(uri.fault(format!("ffprobe failed ({status})"))),
        None => return Err(uri.fault("ffprobe did not end; is the file on a disk that answers?")),
    }
    let probed: Probed =
        serde_json::from_slice(&json).map_err(|e| uri.fault(format!("ffprobe said something else: {e}")))?;
    let about = probed.streams.into_iter().next();
    about.ok_or_else(|| uri.fault("there is no video in this file"))
}

/// Reads `P6\nWIDTH HEIGHT\n255\n` and the pixels; false at the end.
fn read_ppm(reader: &mut impl BufRead, frame: &mut Frame) -> Result<bool, String> {
    let mut line = || -> Result<String, String> {
        let mut line = String::new();
        reader.by_ref().take(64).read_line(&mut line).map_err(|e| format!("cannot read from ffmpeg: {e}"))?;
        Ok(line)
    };
    let magic = line()?;
    if magic.is_empty() {
        return Ok(false);
    }
    let (size, depth) = (line()?, line()?);
    let sides = size.trim_end().split_once(' ');
    let sides =
        sides.and_then(|(width, height)| Some((width.parse::<u32>().ok()?, height.parse::<u32>().ok()?)));
    let Some((width, height)) = sides.filter(|_| magic == "P6\n" && depth == "255\n") else {
        return Err("what came from ffmpeg is no PPM".into());
    };
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > MOST_PIXELS {
        return Err(format!("frames of {width}x{height} are too large"));
    }
    frame.resize(width, height);
    match reader.read_exact(&mut frame.rgb) {
        // ffmpeg was killed within a frame; its status says why.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        result => result.map(|()| true).map_err(|e| format!("cannot read from ffmpeg: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_follow_each_other_in_a_pipe_and_each_has_its_size() {
        let mut bytes = b"P6\n2 1\n255\nabcdefP6\n1 2\n255\nABCDEFP6\n3 3\n255\nab".as_slice();
        let mut frame = Frame::black(9, 9);
        assert!(read_ppm(&mut bytes, &mut frame).unwrap());
        assert_eq!((frame.width, frame.height, frame.rgb.as_slice()), (2, 1, b"abcdef".as_slice()));
        assert!(read_ppm(&mut bytes, &mut frame).unwrap());
        assert_eq!((frame.width, frame.height, frame.rgb.as_slice()), (1, 2, b"ABCDEF".as_slice()));
        assert!(!read_ppm(&mut bytes, &mut frame).unwrap());
    }

    #[test]
    fn damage_is_an_error_before_memory_is_taken() {
        for bytes in [
            "P5\n2 1\n255\nabcdef",
            "P6\n2\n255\n",
            "P6\n0 9\n255\n",
            "P6\n4000000000 4000000000\n255\n",
            "P6\n2 1\n65535\n",
        ] {
            assert!(read_ppm(&mut bytes.as_bytes(), &mut Frame::black(0, 0)).is_err(), "{bytes}");
        }
    }

    #[test]
    fn a_rate_is_read_where_the_file_states_one() {
        let about = |r_frame_rate: &str, avg_frame_rate: &str| {
            let (r_frame_rate, avg_frame_rate) = (r_frame_rate.into(), avg_frame_rate.into());
            About { codec_name: "h264".into(), width: 1, height: 1, avg_frame_rate, r_frame_rate }.fps()
        };
        assert!((about("30000/1001", "25/1") - 29.97).abs() < 0.001);
        assert_eq!([about("0/0", "24/1"), about("90000/1", "0/0"), about("", "x")], [24.0, 25.0, 25.0]);
    }
}
