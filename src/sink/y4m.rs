//! Y4M, uncompressed video that ffmpeg, mpv and encoders read from a pipe.

use super::steady::{OneSize, fraction};
use super::{Output, Sink};
use crate::frame::{Colour, Frame, rgb_to_planar_420};
use crate::uri::Uri;
use crate::{Error, Result};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use y4m::{Colorspace, Encoder, Ratio, VendorExtensionString};

/// A stream of 4:2:0 frames, limited range, of the first frame's size.
pub(super) struct Y4m<W: Write> {
    fps: f64,
    /// What frames are written to, until the first one says what the header says.
    writer: Option<W>,
    encoder: Option<Encoder<W>>,
    one_size: OneSize,
    planes: [Vec<u8>; 3],
}

/// Y4M on standard output.
pub(super) fn open(uri: &Uri, fps: f64) -> Result<Box<dyn Sink>> {
    uri.done(&[])?;
    Ok(Box::new(Y4m::new(standard_output().map_err(failed)?, fps)))
}

/// Without the standard library's buffer, which looks for line breaks in all it is given.
#[cfg(unix)]
fn standard_output() -> io::Result<File> {
    use std::os::fd::AsFd;
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(windows)]
fn standard_output() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    io::stdout().as_handle().try_clone_to_owned().map(File::from)
}

impl<W: Write> Y4m<W> {
    fn new(writer: W, fps: f64) -> Self {
        Self {
            fps,
            writer: Some(writer),
            encoder: None,
            one_size: OneSize::new(),
            planes: [vec![], vec![], vec![]],
        }
    }

    fn encoder(&mut self, frame: &Frame) -> Result<&mut Encoder<W>> {
        if let Some(writer) = self.writer.take() {
            let (over, under) = fraction(self.fps);
            let range = VendorExtensionString::new(b"COLORRANGE=LIMITED".to_vec()).map_err(explained)?;
            let header = y4m::encode(frame.width as usize, frame.height as usize, Ratio::new(over, under))
                .with_colorspace(Colorspace::C420jpeg)
                .append_vendor_extension(range);
            self.encoder = Some(header.write_header(writer).map_err(explained)?);
        }
        self.encoder.as_mut().ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))
    }
}

impl<W: Write + Send> Sink for Y4m<W> {
    fn put(&mut self, output: &Output) -> Result<()> {
        let frame = self.one_size.fit(&output.restored)?;
        let size = (frame.width as usize, frame.height as usize);
        let colour = Colour::of_video(frame.height);
        let mut planes = std::mem::take(&mut self.planes);
        rgb_to_planar_420(&frame.rgb, size, colour, &mut planes)?;
        let [y, u, v] = &planes;
        let written = self.encoder(&frame)?.write_frame(&y4m::Frame::new([y, u, v], None));
        self.planes = planes;
        written.map_err(explained)
    }
}

fn explained(error: y4m::Error) -> Error {
    failed(match error {
        y4m::Error::IoError(error) => error,
        other => io::Error::other(other.to_string()),
    })
}

fn failed(error: io::Error) -> Error {
    Error::io("write to", Path::new("standard output"))(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn output(width: u32, height: u32, value: u8) -> Output {
        let mut frame = Frame::black(width, height);
        frame.rgb.fill(value);
        let frame = Arc::new(frame);
        Output { input: Arc::clone(&frame), restored: frame }
    }

    #[test]
    fn the_stream_reads_back_and_keeps_its_first_size() {
        let mut bytes = Vec::new();
        let mut sink = Y4m::new(&mut bytes, 29.97);
        for (size, value) in [((7, 5), 0), ((7, 5), 255), ((20, 10), 128)] {
            sink.put(&output(size.0, size.1, value)).unwrap();
        }
        drop(sink);
        let mut decoder = y4m::decode(&bytes[..]).unwrap();
        assert_eq!((decoder.get_width(), decoder.get_height()), (7, 5));
        assert_eq!(decoder.get_framerate().to_string(), "30000:1001");
        for luma in [16, 235, 126] {
            let frame = decoder.read_frame().unwrap();
            assert_eq!((frame.get_y_plane().len(), frame.get_u_plane().len()), (35, 12));
            assert!(frame.get_y_plane().iter().all(|&y| y == luma));
            assert!(frame.get_v_plane().iter().all(|&v| v == 128));
        }
        assert!(matches!(decoder.read_frame(), Err(y4m::Error::EOF)));
    }

    #[test]
    fn a_closed_pipe_is_one_clear_line() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut sink = Y4m::new(writer, 30.0);
        for _ in 0..2 {
            let error = sink.put(&output(64, 48, 9)).unwrap_err();
            assert!(error.to_string().starts_with("cannot write to standard output"), "{error}");
            let Error::Io { source, .. } = error else { panic!("another error") };
            assert_eq!(source.kind(), io::ErrorKind::BrokenPipe);
        }
    }
}
