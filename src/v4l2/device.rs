//! An open video device.

use super::raw::{self, Direction, Format};
use crate::{Error, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const CAN_CAPTURE: u32 = 0x0000_0001;
const CAN_OUTPUT: u32 = 0x0000_0002;
const MULTI_PLANAR: u32 = 0x0000_1000 | 0x0000_2000 | 0x0000_4000;
const MEMORY_TO_MEMORY: u32 = 0x0000_8000 | 0x0000_4000;
const READ_WRITE: u32 = 0x0100_0000;
const STREAMING: u32 = 0x0400_0000;
/// `device_caps` of the structure counts.
const DEVICE_CAPABILITIES: u32 = 0x8000_0000;

/// A video device, open without blocking.
#[derive(Debug)]
pub(crate) struct Device {
    path: PathBuf,
    fd: OwnedFd,
    pub name: String,
    pub driver: String,
    pub bus: String,
    capabilities: u32,
}

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    /// A buffer can be taken, or the device has an error to tell.
    pub buffer: bool,
    /// An event can be taken.
    pub event: bool,
    /// The device is in trouble, or gone.
    pub trouble: bool,
}

impl Device {
    /// Opens a device by its node, or a link to it.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses, [`Error::Input`] where it is something else.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| {
            let hint = match e {
                Errno::ACCESS | Errno::PERM => "permission denied; join the group \"video\" or run as root",
                Errno::NOENT => "there is no such device; is the camera plugged in?",
                Errno::BUSY => "another program is using it",
                _ => return Error::io("open camera", path)(e.into()),
            };
            Error::io("open camera", path)(io::Error::new(io::Error::from(e).kind(), hint))
        })?;
        let said = raw::capability(&fd).map_err(|e| match e.raw_os_error() {
            Some(code) if code == Errno::NOTTY.raw_os_error() || code == Errno::INVAL.raw_os_error() => {
                Error::Input(format!("{}: no video device", path.display()))
            }
            _ => Error::io("ask what it can do of", path)(e),
        })?;
        let capabilities =
            if said.capabilities & DEVICE_CAPABILITIES == 0 { said.capabilities } else { said.device_caps };
        Ok(Self {
            path: path.to_owned(),
            fd,
            name: text(&said.card),
            driver: text(&said.driver),
            bus: text(&said.bus_info),
            capabilities,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn captures(&self) -> bool {
        self.capabilities & CAN_CAPTURE != 0 && self.capabilities & MEMORY_TO_MEMORY == 0
    }

    pub fn outputs(&self) -> bool {
        self.capabilities & CAN_OUTPUT != 0 && self.capabilities & MEMORY_TO_MEMORY == 0
    }

    /// Whether its frames are in several pieces of memory, as on system-on-chip cameras.
    pub fn is_multi_planar(&self) -> bool {
        self.capabilities & MULTI_PLANAR != 0
    }

    pub fn streams(&self) -> bool {
        self.capabilities & STREAMING != 0
    }

    pub fn reads_and_writes(&self) -> bool {
        self.capabilities & READ_WRITE != 0
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// An error of this device's: what was tried, as a verb with its preposition.
    pub fn fault(&self, action: &'static str) -> impl FnOnce(io::Error) -> Error + '_ {
        Error::io(action, &self.path)
    }

    /// An error in words.
    pub fn refuse(&self, reason: impl std::fmt::Display) -> Error {
        Error::Input(format!("{}: {reason}", self.path.display()))
    }

    /// Sets a format; the answer is what the device made of it.
    pub fn set_format(&self, direction: Direction, format: Format) -> io::Result<Format> {
        raw::set_format(&self.fd, direction, format)
    }

    /// Sets the frame rate where one is given, and tells which holds; `None` where the device
    /// has none or doesn't say.
    pub fn frame_rate(&self, direction: Direction, wanted: Option<f64>) -> Option<f64> {
        // In thousandths, which holds 29.97.
        let interval = wanted.map(|fps| [1000, (1000.0 * fps).round() as u32]);
        let [numerator, denominator] = raw::frame_interval(&self.fd, direction, interval).ok()?;
        (numerator > 0 && denominator > 0).then(|| f64::from(denominator) / f64::from(numerator))
    }

    /// Asks to be woken when the picture's source changes; not every device can tell.
    pub fn watch_source(&self) {
        if let Err(error) = raw::subscribe_source_change(&self.fd) {
            log::debug!("{}: tells no changes of its source: {error}", self.path.display());
        }
    }

    /// Takes the events that wait; whether the source changed.
    pub fn source_changed(&self) -> bool {
        // An error: none is left.
        std::iter::from_fn(|| raw::source_changed(&self.fd).ok()).take(64).any(|changed| changed)
    }

    /// Waits for a buffer or an event, until the deadline at the latest; `None` at the deadline.
    ///
    /// # Errors
    /// What the system says.
    pub fn wait(&self, direction: Direction, deadline: Instant) -> io::Result<Option<Ready>> {
        let wanted = match direction {
            Direction::Capture => PollFlags::IN,
            Direction::Output => PollFlags::OUT,
        };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // A day: what `Timespec` holds in any case.
            let left = left.min(Duration::from_secs(86_400)).try_into().map_err(io::Error::other)?;
            let mut fds = [PollFd::new(&self.fd, wanted | PollFlags::PRI)];
            match poll(&mut fds, Some(&left)) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(0) => return Ok(None),
                Ok(_) => {
                    let said = fds[0].revents();
                    return Ok(Some(Ready {
                        buffer: said.intersects(wanted),
                        event: said.contains(PollFlags::PRI),
                        trouble: said.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL),
                    }));
                }
            }
        }
    }
}

/// The text of a field that zeroes fill up; it may be cut off within a letter.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    crate::error::one_line(&String::from_utf8_lossy(&bytes[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_cut_off_within_a_letter_are_read() {
        assert_eq!(text(b"Kamera f\xc3\xbcr\0\0\xff"), "Kamera für");
        assert_eq!(text(b"Kamera f\xc3"), "Kamera f\u{fffd}");
        assert_eq!(text(&[0; 4]), "");
    }

    #[test]
    fn what_is_no_camera_is_one_clear_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (path, said) in [
            (Path::new("/dev/null"), "/dev/null: no video device"),
            (file.path(), "no video device"),
            (Path::new("/dev/video-none"), "is the camera plugged in?"),
            (Path::new("/tmp/a\0b"), "cannot open camera"),
        ] {
            let message = Device::open(path).unwrap_err().to_string();
            assert!(message.contains(said) && message.lines().count() == 1, "{message:?}");
        }
    }
}
