//! Video outputs by Video4Linux: a loopback device that other programs read as a camera, or
//! hardware.
//!
//! `v4l2:///dev/video10?format=yuyv&io=mmap`: `format` is `yuyv` (BT.601, limited range) or
//! `rgb3`, the first of them that the device takes where none is given; `io` is `write` or
//! `mmap`, by default the first that works. A frame of another size sets the device up anew.

use super::{Output, Sink};
use crate::frame::{Colour, Frame, Layout, Packer, PixelFormat};
use crate::uri::Uri;
use crate::v4l2::{self, Device, Direction, Format, Queue};
use crate::{Error, Result};
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Buffers on their way: drivers begin with two or three, and one is filled meanwhile.
const BUFFERS: u32 = 4;
/// How long a device may keep all of them.
const PATIENCE: Duration = Duration::from_secs(1);

/// How frames get to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Io {
    Write,
    Mmap,
}

impl FromStr for Io {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "write" => Ok(Self::Write),
            "mmap" => Ok(Self::Mmap),
            _ => Err(()),
        }
    }
}

/// What a URI asks for.
#[derive(Debug)]
struct Options {
    path: PathBuf,
    format: Option<PixelFormat>,
    io: Option<Io>,
    fps: f64,
}

/// A video output.
pub(super) struct VideoOutput {
    options: Options,
    /// Set up for frames of one size.
    stream: Option<Stream>,
}

impl VideoOutput {
    pub(super) fn open(mut uri: Uri, fps: f64) -> Result<Box<dyn Sink>> {
        let format = uri.take::<PixelFormat>("format", "yuyv or rgb3")?;
        if format.is_some_and(|format| !Packer::FORMATS.contains(&format)) {
            return Err(uri.fault("format is yuyv or rgb3"));
        }
        let io = uri.take::<Io>("io", "write or mmap")?;
        uri.done(&["format", "io"])?;
        if !uri.rest().starts_with('/') {
            return Err(uri.fault("give the device's path, as in v4l2:///dev/video10"));
        }
        let options = Options { path: uri.rest().into(), format, io, fps };
        output_device(&options)?;
        Ok(Box::new(Self { options, stream: None }))
    }
}

impl VideoOutput {
    fn stream(&mut self, size: (u32, u32)) -> Result<&mut Stream> {
        match &mut self.stream {
            Some(stream) if stream.size == size => {}
            stale => {
                // Closed first: a device has one format at a time.
                *stale = None;
                *stale = Some(Stream::open(&self.options, size)?);
            }
        }
        self.stream.as_mut().ok_or_else(|| Error::Input("no stream".into()))
    }
}

impl Sink for VideoOutput {
    fn put(&mut self, output: &Output) -> Result<()> {
        let frame = &output.restored;
        let stream = self.stream((frame.width, frame.height))?;
        let outcome = stream.put(frame);
        let by_write = stream.buffers.is_none() && stream.device.streams();
        match outcome {
            // What drivers with buffers of the kernel's own answer to write(), whose frames
            // come without a length there (Linux 6.1).
            Err(Error::Io { source, .. })
                if source.kind() == io::ErrorKind::InvalidInput && by_write && self.options.io.is_none() =>
            {
                log::info!("{}: takes no write(); going over to mmap", self.options.path.display());
                self.options.io = Some(Io::Mmap);
                self.stream = None;
                self.stream((frame.width, frame.height))?.put(frame)
            }
            outcome => outcome,
        }
    }
}

/// Opens the device and sees that it can show.
fn output_device(options: &Options) -> Result<Device> {
    let device = Device::open(&options.path)?;
    let able = match options.io {
        Some(Io::Write) => device.reads_and_writes(),
        Some(Io::Mmap) => device.streams(),
        None => device.reads_and_writes() || device.streams(),
    };
    if !device.outputs() || !able {
        let name = &device.name;
        return Err(device.refuse(format!("{name} shows no video that way; it is no output device")));
    }
    Ok(device)
}

/// An output that frames of one size go to.
struct Stream {
    device: Arc<Device>,
    size: (u32, u32),
    packer: Packer,
    /// The frame in the device's format.
    bytes: Vec<u8>,
    /// Buffers and the numbers of those that we have; `None` for write().
    buffers: Option<(Queue, Vec<u32>)>,
}

impl Stream {
    fn open(options: &Options, size: (u32, u32)) -> Result<Self> {
        let device = Arc::new(output_device(options)?);
        let (layout, format) = set_format(&device, options.format, size)?;
        device.frame_rate(Direction::Output, Some(options.fps).filter(|fps| *fps > 0.0));
        let by_write = options.io.map_or(device.reads_and_writes(), |io| io == Io::Write);
        let buffers = if by_write {
            None
        } else {
            let queue = Queue::new(Arc::clone(&device), Direction::Output, BUFFERS)
                .map_err(device.fault("get buffers from"))?;
            if queue.len() < 2 || queue.room() < layout.bytes() {
                let (count, room) = (queue.len(), queue.room());
                return Err(device.refuse(format!("{count} buffers of {room} bytes for {}", layout.bytes())));
            }
            let free = (0..queue.len()).collect();
            Some((queue, free))
        };
        // write() hands a frame on when it has as many bytes as the device said.
        let bytes = vec![0; layout.bytes().max(format.size as usize)];
        Ok(Self { packer: Packer::new(layout)?, device, size, bytes, buffers })
    }

    fn put(&mut self, frame: &Frame) -> Result<()> {
        self.packer.pack(&frame.rgb, &mut self.bytes)?;
        let deadline = Instant::now() + PATIENCE;
        let (device, bytes) = (&self.device, &self.bytes);
        let outcome = match &mut self.buffers {
            None => write(device, bytes, deadline),
            Some((queue, free)) => hand_over(device, queue, free, bytes, deadline),
        };
        outcome.map_err(device.fault("show on"))
    }
}

fn write(device: &Device, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        device.wait(Direction::Output, deadline)?.ok_or_else(stalled)?;
        match rustix::io::write(device.fd(), bytes).map_err(io::Error::from) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            // Ready, and then not: the time is up at some point.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(stalled()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn hand_over(
    device: &Device,
    queue: &mut Queue,
    free: &mut Vec<u32>,
    bytes: &[u8],
    deadline: Instant,
) -> io::Result<()> {
    loop {
        while free.len() < queue.len() as usize {
            let Some(buffer) = queue.take()? else { break };
            free.push(buffer.index);
        }
        let Some(index) = free.pop() else {
            let ready = device.wait(Direction::Output, deadline)?.ok_or_else(stalled)?;
            if ready.trouble && !ready.buffer {
                return Err(io::Error::other("the device reports an error"));
            }
            continue;
        };
        queue.write(index, bytes);
        queue.give(index, bytes.len())?;
        return queue.start();
    }
}

fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("it took no frame within {PATIENCE:?}"))
}

/// Sets the size and a format that the device takes.
fn set_format(
    device: &Device,
    wanted: Option<PixelFormat>,
    (width, height): (u32, u32),
) -> Result<(Layout, Format)> {
    let offers = v4l2::formats(device, Direction::Output);
    // Before anybody reads it, a loopback device lists nothing and takes everything.
    let offered = |format| offers.is_empty() || offers.iter().any(|offer| offer.format == Some(format));
    let colour = |format| if format == PixelFormat::Rgb3 { Colour::FULL } else { Colour::WEBCAM };
    let fits = |format: &PixelFormat| Layout::new(*format, width, height, 0, colour(*format)).is_ok();
    let choice = match wanted {
        Some(format) => Some(format),
        None => Packer::FORMATS.into_iter().find(|format| offered(*format) && fits(format)),
    };
    let Some(choice) = choice else {
        return Err(device.refuse(format!("takes neither yuyv nor rgb3 of {width}x{height}")));
    };
    let asked = Format {
        width,
        height,
        fourcc: choice.fourcc(),
        // V4L2_FIELD_NONE, V4L2_COLORSPACE_SRGB, V4L2_YCBCR_ENC_601, and the range of `colour`.
        field: 1,
        colorspace: 8,
        encoding: 1,
        quantization: if choice == PixelFormat::Rgb3 { 1 } else { 2 },
        ..Format::default()
    };
    let given = device.set_format(Direction::Output, asked).map_err(device.fault("set the format of"))?;
    if (given.width, given.height, given.fourcc) != (width, height, choice.fourcc()) {
        let (w, h, fourcc) = (given.width, given.height, String::from_utf8_lossy(&given.fourcc));
        let reason = format!("takes {w}x{h} {fourcc:?} and the frames are {width}x{height} {choice}");
        return Err(device.refuse(format!("{reason}; is a program reading it in another format?")));
    }
    let stride = given.stride as usize;
    Layout::new(choice, width, height, stride, colour(choice)).map(|layout| (layout, given))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    #[test]
    fn mistakes_are_one_line() {
        for (uri, said) in [
            ("v4l2:", "v4l2:///dev/video10"),
            ("v4l2:///dev/video10?format=mjpeg", "yuyv or rgb3"),
            ("v4l2:///dev/video10?io=dma", "write or mmap"),
            ("v4l2:///dev/video10?size=1x1", "allowed: format, io"),
            ("v4l2:///dev/null", "no video device"),
            ("v4l2:///dev/video-none", "there is no such device"),
        ] {
            let error = crate::sink::open(uri, 30.0, &Arc::default()).err().expect(uri).to_string();
            assert!(error.contains(said) && error.lines().count() == 1, "{error}");
        }
    }
}
