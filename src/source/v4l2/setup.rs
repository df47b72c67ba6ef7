//! A camera from its URI: format, rate, controls, buffers.

use super::clock::Numbering;
use super::{Camera, Damage};
use crate::frame::{PixelFormat, Unpacker};
use crate::uri::Uri;
use crate::v4l2::{self, Device, Direction, Format, Queue, Wanted};
use crate::{Error, Result};
use rustix::io::Errno;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// One that is being filled, one that is read, and two for when the program is late.
const BUFFERS: u32 = 4;
/// `V4L2_FIELD_NONE`: whole frames.
const PROGRESSIVE: u32 = 1;

/// What a URI asks for.
#[derive(Debug, PartialEq)]
struct Options {
    path: PathBuf,
    wanted: Wanted,
    controls: Vec<(String, String)>,
}

impl Options {
    fn read(mut uri: Uri) -> Result<Self> {
        let wanted = Wanted {
            format: uri.take::<PixelFormat>("format", "one of yuyv, uyvy, nv12, grey, rgb3, bgr3, mjpeg")?,
            size: uri.take_size("size")?,
            fps: uri.take::<f64>("fps", "a number of frames per second")?,
        };
        if wanted.fps.is_some_and(|fps| !(0.1..=1000.0).contains(&fps)) {
            return Err(uri.fault("fps is from 0.1 to 1000"));
        }
        if !uri.rest().starts_with('/') {
            return Err(uri.fault("give the camera's path, as in v4l2:///dev/video0"));
        }
        Ok(Self { path: uri.rest().into(), wanted, controls: uri.left().to_vec() })
    }
}

/// Opens the camera of a URI and begins to stream.
pub(super) fn open(uri: Uri) -> Result<Camera> {
    let Options { path, wanted, controls } = Options::read(uri)?;
    let device = Arc::new(Device::open(&path)?);
    if !device.captures() || !device.streams() {
        let hint = if device.is_multi_planar() {
            "is multi-planar, which v4l2: doesn't take; use gst:v4l2src"
        } else {
            "captures no video; vlunet doctor lists cameras"
        };
        return Err(device.refuse(format!("{} {hint}", device.name)));
    }
    let (pixels, format) = set_format(&device, &wanted)?;
    let fps = device.frame_rate(Direction::Capture, wanted.fps.or(Some(30.0)));
    v4l2::set_controls(&device, &controls)?;
    let layout = v4l2::layout(pixels, &format)?;

    let mut queue =
        Queue::new(Arc::clone(&device), Direction::Capture, BUFFERS).map_err(|e| busy(&device, e))?;
    if queue.len() == 0 || queue.room() < layout.bytes() {
        let (count, room) = (queue.len(), queue.room());
        return Err(device.refuse(format!("{count} buffers of {room} bytes for {}", layout.bytes())));
    }
    device.watch_source();
    (0..queue.len()).try_for_each(|index| queue.give(index, 0)).map_err(device.fault("give buffers to"))?;
    queue.start().map_err(|e| busy(&device, e))?;
    Ok(Camera {
        unpacker: Unpacker::new(layout),
        bytes: Vec::with_capacity(queue.room()),
        numbering: Numbering::default(),
        damage: Damage::default(),
        device,
        queue,
        fps,
    })
}

fn set_format(device: &Device, wanted: &Wanted) -> Result<(PixelFormat, Format)> {
    let offers = v4l2::formats(device, Direction::Capture);
    let choice = v4l2::choose(&offers, wanted).map_err(|e| device.refuse(e))?;
    let [width, height] = choice.size;
    // JPEG may go by either code.
    let other = offers.iter().find(|offer| offer.format == Some(choice.format));
    let fourcc = other.and_then(|offer| offer.fourcc.as_bytes().try_into().ok());
    let fourcc = fourcc.unwrap_or(choice.format.fourcc());
    let asked = Format { width, height, fourcc, field: PROGRESSIVE, ..Format::default() };
    let given = device.set_format(Direction::Capture, asked).map_err(|e| busy(device, e))?;
    let Format { width: w, height: h, field, .. } = given;
    if PixelFormat::from_fourcc(given.fourcc) != Some(choice.format) {
        let fourcc = String::from_utf8_lossy(&given.fourcc).into_owned();
        return Err(device.refuse(format!("gives {fourcc:?} for {}", choice.format)));
    }
    if wanted.size.is_some() && (w, h) != (width, height) {
        return Err(device.refuse(format!("gives {w}x{h} for {width}x{height}; ask for a size that it has")));
    }
    match field {
        0 | PROGRESSIVE => {}
        // Both fields in one picture: combs where things move, but a whole picture.
        4 | 8 | 9 => log::warn!("{}: interlaced pictures", device.path().display()),
        _ => return Err(device.refuse(format!("gives half pictures (field order {field})"))),
    }
    Ok((choice.format, given))
}

/// The error of a camera that doesn't begin, with what to do.
fn busy(device: &Device, error: io::Error) -> Error {
    let hint = match Errno::from_io_error(&error) {
        Some(Errno::BUSY) => "another program is capturing from it",
        Some(Errno::NOSPC) => "not enough USB bandwidth; ask for format=mjpeg or a smaller size",
        _ => return device.fault("begin to capture from")(error),
    };
    device.fault("begin to capture from")(io::Error::new(error.kind(), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_option_is_a_control_in_its_order() {
        let uri =
            "v4l2:///dev/v4l/by-id/usb-Cam_1-video-index0?gain=12&size=640x360&fps=29.97&format=MJPG&focus=0";
        let options = Options::read(Uri::parse(uri).unwrap()).unwrap();
        assert_eq!(options.path.to_str(), Some("/dev/v4l/by-id/usb-Cam_1-video-index0"));
        let wanted = Wanted { format: Some(PixelFormat::Mjpeg), size: Some((640, 360)), fps: Some(29.97) };
        assert_eq!(options.wanted, wanted);
        let controls = [("gain", "12"), ("focus", "0")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(options.controls, controls);
    }

    #[test]
    fn mistakes_are_one_line() {
        for (uri, said) in [
            ("v4l2:", "v4l2:///dev/video0"),
            ("v4l2://video0", "v4l2:///dev/video0"),
            ("v4l2:///dev/video0?format=h264", "yuyv, uyvy"),
            ("v4l2:///dev/video0?fps=0", "0.1 to 1000"),
            ("v4l2:///dev/video0?fps=inf", "0.1 to 1000"),
            ("v4l2:///dev/video0?size=big", "WIDTHxHEIGHT"),
            ("v4l2:///dev/no-camera", "is the camera plugged in?"),
            ("v4l2:///dev/null", "no video device"),
        ] {
            let error = crate::source::open(uri).err().expect(uri).to_string();
            assert!(error.contains(said) && error.lines().count() == 1, "{error}");
        }
    }
}
