//! Buffers that go round between the program and a device.

use super::device::Device;
use super::raw::{self, Direction, Mapping};
use std::io;
use std::sync::Arc;
use std::time::Duration;

const ERROR: u32 = 0x0040;
const TIMESTAMP_MASK: u32 = 0xe000;
const TIMESTAMP_MONOTONIC: u32 = 0x2000;

/// The buffers of a device, mapped; given back when it is dropped, whatever state the device
/// is in.
#[derive(Debug)]
pub(crate) struct Queue {
    device: Arc<Device>,
    direction: Direction,
    buffers: Vec<Mapping>,
    streaming: bool,
}

/// A buffer that the device is done with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffer {
    pub index: u32,
    /// Bytes in it.
    pub used: usize,
    /// The device's number of the frame.
    pub sequence: u32,
    /// On the clock CLOCK_MONOTONIC, where the device says that it is.
    pub time: Option<Duration>,
    /// The device says that its content is damaged.
    pub damaged: bool,
}

impl Queue {
    /// Asks for `count` buffers and maps them; the device may give more or fewer.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(device: Arc<Device>, direction: Direction, count: u32) -> io::Result<Self> {
        let count = raw::request_buffers(device.fd(), direction, count)?;
        // From here on, dropping it frees the buffers.
        let mut queue = Self { device, direction, buffers: Vec::new(), streaming: false };
        for index in 0..count {
            queue.buffers.push(Mapping::new(queue.device.fd(), direction, index)?);
        }
        Ok(queue)
    }

    /// How many buffers there are.
    pub fn len(&self) -> u32 {
        self.buffers.len() as u32
    }

    /// Bytes of the smallest buffer.
    pub fn room(&self) -> usize {
        self.buffers.iter().map(Mapping::length).min().unwrap_or(0)
    }

    /// Begins to stream; once is enough.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(&mut self) -> io::Result<()> {
        if !self.streaming {
            raw::stream(self.device.fd(), self.direction, true)?;
            self.streaming = true;
        }
        Ok(())
    }

    /// Gives a buffer to the device, with that many bytes in it (which counts for output).
    ///
    /// # Errors
    /// What the system says.
    pub fn give(&self, index: u32, used: usize) -> io::Result<()> {
        raw::queue(self.device.fd(), self.direction, index, used as u32)
    }

    /// Takes a buffer that the device is done with; `None` where there is none yet.
    ///
    /// # Errors
    /// What the system says.
    pub fn take(&self) -> io::Result<Option<Buffer>> {
        let buffer = match raw::dequeue(self.device.fd(), self.direction) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            outcome => outcome?,
        };
        let time = buffer.timestamp;
        let monotonic = buffer.flags & TIMESTAMP_MASK == TIMESTAMP_MONOTONIC;
        let since = u64::try_from(time.tv_sec).ok().zip(u32::try_from(time.tv_usec).ok());
        Ok(Some(Buffer {
            index: buffer.index,
            used: buffer.bytesused as usize,
            sequence: buffer.sequence,
            time: since
                .filter(|(_, micros)| monotonic && *micros < 1_000_000)
                .map(|(seconds, micros)| Duration::new(seconds, 1000 * micros)),
            damaged: buffer.flags & ERROR != 0,
        }))
    }

    /// Copies a buffer's bytes out.
    pub fn read(&self, buffer: &Buffer, into: &mut Vec<u8>) {
        match self.buffers.get(buffer.index as usize) {
            Some(mapping) => mapping.read(buffer.used, into),
            None => into.clear(),
        }
    }

    /// Copies bytes into a buffer, as many as fit.
    pub fn write(&mut self, index: u32, bytes: &[u8]) {
        if let Some(mapping) = self.buffers.get_mut(index as usize) {
            mapping.write(bytes);
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // A device that is gone refuses all of it, which changes nothing.
        if self.streaming {
            let _ = raw::stream(self.device.fd(), self.direction, false);
        }
        self.buffers.clear();
        let _ = raw::request_buffers(self.device.fd(), self.direction, 0);
    }
}
