//! Y4M, uncompressed video as ffmpeg and others write it to a pipe.

use super::piped::Piped;
use super::{Event, Source};
use crate::frame::{Colour, Frame, FramePool, Range, Subsampling, planar_to_rgb};
use crate::uri::Uri;
use crate::{Error, Result};
use std::io::{BufReader, Chain, Cursor, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use y4m::{Colorspace, Decoder};

const MAGIC: &[u8] = b"YUV4MPEG2 ";

/// The longest header; real ones have less than 100 bytes.
const LONGEST_HEADER: usize = 1024;

/// The longest side, as that of pictures.
const LONGEST_SIDE: usize = 16_384;

/// Twice 8K.
const MOST_PIXELS: usize = 2 * 7680 * 4320;

/// Reads the frames of a Y4M stream: 8 bits, 4:2:0, 4:2:2, 4:4:4 or grey.
///
/// The colours are taken as BT.601 below 720 rows and BT.709 from there on, as players do:
/// the format has no word for it.
pub struct Y4mReader<R: Read> {
    decoder: Decoder<Counted<R>>,
    /// Bytes that were read.
    position: Arc<AtomicU64>,
    size: (u32, u32),
    subsampling: Subsampling,
    colour: Colour,
}

type Counted<R> = Count<Chain<Cursor<Vec<u8>>, R>>;

impl<R: Read> Y4mReader<R> {
    /// Reads the header of a stream whose frames have at most `max_pixels`; the memory for one
    /// frame is taken when that is known.
    ///
    /// # Errors
    /// [`Error::Input`] where the stream is empty, no Y4M, too large or of another format.
    pub fn open(mut reader: R, max_pixels: usize) -> Result<Self> {
        let header = header(&mut reader)?;
        check_size(&header, max_pixels)?;
        let full =
            header.split(|&byte| byte == b' ' || byte == b'\n').any(|word| word == b"XCOLORRANGE=FULL");
        let position = Arc::new(AtomicU64::new(0));
        let reader = Count { inner: Cursor::new(header).chain(reader), position: Arc::clone(&position) };
        let decoder = Decoder::new(reader).map_err(|error| match error {
            y4m::Error::UnknownColorspace => unsupported("an unknown colour space"),
            other => fault(other),
        })?;
        let subsampling = match decoder.get_colorspace() {
            Colorspace::Cmono => Subsampling::Mono,
            Colorspace::C420 | Colorspace::C420jpeg | Colorspace::C420mpeg2 | Colorspace::C420paldv => {
                Subsampling::Yuv420
            }
            Colorspace::C422 => Subsampling::Yuv422,
            Colorspace::C444 => Subsampling::Yuv444,
            other => return Err(unsupported(&format!("{other:?}"))),
        };
        let size = (decoder.get_width() as u32, decoder.get_height() as u32);
        let mut colour = Colour::of_video(size.1);
        if full {
            colour.range = Range::Full;
        }
        Ok(Self { decoder, position, size, subsampling, colour })
    }

    /// Width and height of every frame.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Frames per second as the header states them, where that makes sense.
    pub fn fps(&self) -> Option<f64> {
        let rate = self.decoder.get_framerate();
        Some(rate.num as f64 / rate.den as f64).filter(|fps| (0.01..=1000.0).contains(fps))
    }

    /// Reads the next frame's pixels; false at the end of the stream. A stream that ends within
    /// a frame has ended before it.
    ///
    /// # Errors
    /// [`Error::Input`] where the stream is damaged or can't be read.
    pub fn read(&mut self, frame: &mut Frame) -> Result<bool> {
        let before = self.position.load(Ordering::Relaxed);
        let read = match self.decoder.read_frame() {
            Ok(read) => read,
            Err(y4m::Error::EOF) => {
                if self.position.load(Ordering::Relaxed) > before {
                    log::warn!("the Y4M stream ends within a frame, which is left out");
                }
                return Ok(false);
            }
            Err(error) => return Err(fault(error)),
        };
        let (width, height) = self.size;
        frame.resize(width, height);
        let planes = [read.get_y_plane(), read.get_u_plane(), read.get_v_plane()];
        let size = (width as usize, height as usize);
        planar_to_rgb(planes, size, self.subsampling, self.colour, &mut frame.rgb)?;
        Ok(true)
    }
}

/// The first line, with its end.
fn header(reader: &mut impl Read) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.last() != Some(&b'\n') && line.len() < LONGEST_HEADER {
        match reader.read(&mut byte) {
            Ok(0) if line.is_empty() => return Err(Error::Input("Y4M: the stream is empty".into())),
            Ok(0) => break,
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fault(y4m::Error::IoError(error))),
        }
        if line.len() == MAGIC.len() && line != MAGIC {
            break;
        }
    }
    if line.starts_with(MAGIC) && line.last() == Some(&b'\n') {
        return Ok(line);
    }
    Err(Error::Input("this is no Y4M stream; ffmpeg makes one: ffmpeg -i clip.mp4 -f yuv4mpegpipe -".into()))
}

/// The decoder multiplies the sides and takes that much memory: whatever it may find there is
/// within bounds.
fn check_size(header: &[u8], max_pixels: usize) -> Result<()> {
    let mut largest = [0, 0];
    for word in header.split(|&byte| byte == b' ' || byte == b'\n') {
        let side = match word.first() {
            Some(b'W') => 0,
            Some(b'H') => 1,
            _ => continue,
        };
        let length = std::str::from_utf8(&word[1..]).ok().and_then(|word| word.parse().ok());
        match length {
            Some(length @ 1..=LONGEST_SIDE) => largest[side] = length.max(largest[side]),
            _ => return Err(Error::Input(format!("Y4M: the header's sides are not 1 to {LONGEST_SIDE}"))),
        }
    }
    let [width, height] = largest;
    if width * height > max_pixels {
        return Err(Error::Input(format!("Y4M: {width}x{height} is over the limit of {max_pixels} pixels")));
    }
    Ok(())
}

fn unsupported(what: &str) -> Error {
    Error::Input(format!(
        "Y4M: frames are {what}; C420, C420jpeg, C420mpeg2, C420paldv, C422, C444 and Cmono are read \
         (ffmpeg: -pix_fmt yuv420p)"
    ))
}

fn fault(error: y4m::Error) -> Error {
    Error::Input(match error {
        y4m::Error::EOF => "Y4M: the stream ends in its header".into(),
        y4m::Error::IoError(error) => format!("cannot read Y4M: {error}"),
        other => format!("Y4M: the stream is damaged: {other}"),
    })
}

/// Counts what is read.
struct Count<R> {
    inner: R,
    position: Arc<AtomicU64>,
}

impl<R: Read> Read for Count<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.position.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// There is one standard input, and what was read can't be read again: a source that is opened
/// anew goes on where the last one was dropped.
static STANDARD_INPUT: Mutex<Standard> = Mutex::new(Standard::Unread);

enum Standard {
    Unread,
    Taken,
    Left(Stream),
}

struct Stream {
    frames: Piped,
    stated: Arc<OnceLock<Stated>>,
}

/// What the header said, once it was read.
struct Stated {
    size: (u32, u32),
    fps: Option<f64>,
}

/// Y4M on standard input.
pub(super) struct StandardInput {
    /// Always there, up to the drop.
    stream: Option<Stream>,
}

impl StandardInput {
    pub(super) fn open(uri: &Uri) -> Result<Box<dyn Source>> {
        uri.done(&[])?;
        let mut standard = STANDARD_INPUT.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = match std::mem::replace(&mut *standard, Standard::Taken) {
            Standard::Left(stream) => stream,
            Standard::Taken => return Err(uri.fault("standard input is read already")),
            Standard::Unread => Stream::start().inspect_err(|_| *standard = Standard::Unread)?,
        };
        Ok(Box::new(Self { stream: Some(stream) }))
    }

    fn stated(&self) -> Option<&Stated> {
        self.stream.as_ref()?.stated.get()
    }
}

impl Stream {
    fn start() -> Result<Self> {
        let stated = Arc::new(OnceLock::new());
        let told = Arc::clone(&stated);
        let mut reader = None;
        let frames = Piped::start("standard-input", move |frame| {
            let reader = match &mut reader {
                Some(reader) => reader,
                none => {
                    let stdin = BufReader::with_capacity(1 << 16, std::io::stdin());
                    let opened = Y4mReader::open(stdin, MOST_PIXELS)?;
                    let _ = told.set(Stated { size: opened.size(), fps: opened.fps() });
                    none.insert(opened)
                }
            };
            reader.read(frame)
        })?;
        Ok(Self { frames, stated })
    }
}

impl Drop for StandardInput {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            *STANDARD_INPUT.lock().unwrap_or_else(PoisonError::into_inner) = Standard::Left(stream);
        }
    }
}

impl Source for StandardInput {
    fn next(&mut self, pool: &FramePool, patience: Duration) -> Result<Event> {
        match &mut self.stream {
            Some(stream) => stream.frames.next(pool, patience, None),
            None => Ok(Event::End),
        }
    }

    fn is_live(&self) -> bool {
        false
    }

    fn fps(&self) -> Option<f64> {
        self.stated()?.fps
    }

    fn describe(&self) -> String {
        let size = self.stated().map(|stated| format!(", {}x{}", stated.size.0, stated.size.1));
        format!("Y4M on standard input{}", size.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8]) -> Result<(Vec<Frame>, Option<f64>)> {
        let mut reader = Y4mReader::open(bytes, 1 << 16)?;
        let mut frames = Vec::new();
        let mut frame = Frame::black(0, 0);
        while reader.read(&mut frame)? {
            frames.push(frame.clone());
        }
        Ok((frames, reader.fps()))
    }

    #[test]
    fn every_8_bit_format_is_read() {
        for (space, chroma, grey) in [
            (" C420jpeg", 2 * 4 * 3, 128),
            (" C420mpeg2 XCOLORRANGE=LIMITED", 2 * 4 * 3, 128),
            ("", 2 * 4 * 3, 128),
            (" C422", 2 * 4 * 5, 128),
            (" C444", 2 * 35, 128),
            (" Cmono", 0, 128),
            (" Cmono XCOLORRANGE=FULL", 0, 126),
        ] {
            // 7x5 pixels of mid-grey in limited range, with odd sides.
            let mut bytes = format!("YUV4MPEG2 W7 H5 F30000:1001 Ip A1:1{space}\n").into_bytes();
            for _ in 0..2 {
                bytes.extend_from_slice(b"FRAME Xsomething\n");
                bytes.extend(std::iter::repeat_n(126, 35));
                bytes.extend(std::iter::repeat_n(128, chroma));
            }
            let (frames, fps) = read_all(&bytes).unwrap();
            assert_eq!(frames.len(), 2, "{space}");
            assert!((fps.unwrap() - 29.97).abs() < 0.01);
            for frame in &frames {
                assert_eq!((frame.width, frame.height), (7, 5));
                assert!(frame.rgb.iter().all(|&value| value == grey), "{space}: {:?}", frame.rgb);
            }
            // Half of the last frame is missing.
            assert_eq!(read_all(&bytes[..bytes.len() - 9]).unwrap().0.len(), 1);
        }
    }

    #[test]
    fn what_is_no_such_stream_is_one_line() {
        for (bytes, said) in [
            (&b""[..], "empty"),
            (b"YUV4MPEG2 W7 H5 F30:1", "no Y4M stream"),
            (b"\x00\x00\x00 ftypisom", "ffmpeg -i"),
            (b"YUV4MPEG2 W7 F30:1\n", "damaged"),
            (b"YUV4MPEG2 W0 H5\n", "1 to 16384"),
            (b"YUV4MPEG2 W99999999999999999999 H5\n", "1 to 16384"),
            (b"YUV4MPEG2 W16384 H16384\n", "over the limit"),
            (b"YUV4MPEG2 W7 W16000 H16000\n", "over the limit"),
            (b"YUV4MPEG2 W7 H5 C420p10\n", "yuv420p"),
            (b"YUV4MPEG2 W7 H5 C411\n", "yuv420p"),
            (b"YUV4MPEG2 W7 H5 Cmono\nFRAM", "damaged"),
        ] {
            let text = String::from_utf8_lossy(bytes);
            // The last one has a line that is too short to be a frame's.
            let bytes = if text.ends_with("FRAM") { [bytes, b"\n"].concat() } else { bytes.to_vec() };
            let message = read_all(&bytes).expect_err(&text).to_string();
            assert!(message.contains(said) && message.lines().count() == 1, "{text}: {message}");
        }
        let endless = std::io::repeat(b'Y');
        assert!(Y4mReader::open(endless, 1 << 16).is_err());
        let (_, fps) = read_all(b"YUV4MPEG2 W7 H5 F30:0 Cmono\n").unwrap();
        assert_eq!(fps, None);
    }
}
