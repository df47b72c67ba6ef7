//! The calls of `linux/videodev2.h`, made safe: each request code has the type of its
//! argument, unions are read by their tag, and memory of buffers is copied, never lent.
#![allow(unsafe_code)]

use super::formats::SizeInfo;
use rustix::fd::{AsFd, AsRawFd};
use std::ffi::c_long;
use std::io;
use std::marker::PhantomData;
use std::mem::zeroed;
use std::ptr;
use v4l::v4l_sys as sys;
use v4l::v4l2::vidioc::{self, _IOC_TYPE as Code};

/// A request code with the type of what it takes.
struct Request<T>(Code, PhantomData<T>);

impl<T> Request<T> {
    const fn new(code: Code) -> Self {
        Self(code, PhantomData)
    }

    /// As C's `_IOC` makes it, for requests that `v4l` doesn't have.
    const fn of(direction: Code, number: Code) -> Self {
        let size = size_of::<T>() as Code;
        Self::new((direction << 30) | (size << 16) | ((b'V' as Code) << 8) | number)
    }
}

const READ: Code = 2;
const WRITE: Code = 1;

const QUERYCAP: Request<sys::v4l2_capability> = Request::new(vidioc::VIDIOC_QUERYCAP);
const ENUM_FMT: Request<sys::v4l2_fmtdesc> = Request::new(vidioc::VIDIOC_ENUM_FMT);
const ENUM_FRAMESIZES: Request<sys::v4l2_frmsizeenum> = Request::new(vidioc::VIDIOC_ENUM_FRAMESIZES);
const ENUM_FRAMEINTERVALS: Request<sys::v4l2_frmivalenum> = Request::new(vidioc::VIDIOC_ENUM_FRAMEINTERVALS);
const S_FMT: Request<sys::v4l2_format> = Request::new(vidioc::VIDIOC_S_FMT);
const G_PARM: Request<sys::v4l2_streamparm> = Request::new(vidioc::VIDIOC_G_PARM);
const S_PARM: Request<sys::v4l2_streamparm> = Request::new(vidioc::VIDIOC_S_PARM);
const QUERY_CONTROL: Request<sys::v4l2_query_ext_ctrl> = Request::new(vidioc::VIDIOC_QUERY_EXT_CTRL);
const QUERYMENU: Request<sys::v4l2_querymenu> = Request::new(vidioc::VIDIOC_QUERYMENU);
const G_CTRL: Request<sys::v4l2_control> = Request::new(vidioc::VIDIOC_G_CTRL);
const S_CTRL: Request<sys::v4l2_control> = Request::new(vidioc::VIDIOC_S_CTRL);
const REQBUFS: Request<sys::v4l2_requestbuffers> = Request::new(vidioc::VIDIOC_REQBUFS);
const QUERYBUF: Request<sys::v4l2_buffer> = Request::new(vidioc::VIDIOC_QUERYBUF);
const QBUF: Request<sys::v4l2_buffer> = Request::new(vidioc::VIDIOC_QBUF);
const DQBUF: Request<sys::v4l2_buffer> = Request::new(vidioc::VIDIOC_DQBUF);
const STREAMON: Request<i32> = Request::new(vidioc::VIDIOC_STREAMON);
const STREAMOFF: Request<i32> = Request::new(vidioc::VIDIOC_STREAMOFF);
const DQEVENT: Request<Event> = Request::of(READ, 89);
const SUBSCRIBE_EVENT: Request<EventSubscription> = Request::of(WRITE, 90);

/// `struct v4l2_event` of 64-bit systems.
#[repr(C)]
#[derive(Clone, Copy)]
struct Event {
    kind: u32,
    /// A union of structures with 64-bit fields.
    data: [u64; 8],
    pending: u32,
    sequence: u32,
    timestamp: [i64; 2],
    id: u32,
    reserved: [u32; 8],
}

const _: () = assert!(size_of::<Event>() == 136 && std::mem::offset_of!(Event, timestamp) == 80);

/// `struct v4l2_event_subscription`.
#[repr(C)]
#[derive(Clone, Copy)]
struct EventSubscription {
    kind: u32,
    id: u32,
    flags: u32,
    reserved: [u32; 5],
}

/// `V4L2_EVENT_SOURCE_CHANGE`.
const SOURCE_CHANGE: u32 = 5;

/// Makes a request; one that a signal interrupts is made again.
///
/// The buffers of REQBUFS, QUERYBUF, QBUF and DQBUF are of the kind MMAP in this module, so
/// that no argument holds an address.
fn call<T>(fd: impl AsFd, request: Request<T>, argument: &mut T) -> io::Result<()> {
    let fd = fd.as_fd();
    loop {
        // SAFETY: the code belongs to the argument's type (the constants above are the only
        // requests), which the kernel reads and writes within its size; no field of it is a
        // pointer that the kernel follows.
        let outcome = unsafe { v4l::v4l2::ioctl(fd.as_raw_fd(), request.0, ptr::from_mut(argument).cast()) };
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// Structures of which zeroes are a value.
///
/// # Safety
/// They consist of integers, arrays of integers, pointers, and unions of those.
unsafe trait Zeroes {}

macro_rules! zeroes {
    ($($structure:ident),* $(,)?) => {
        $(
            // SAFETY: `linux/videodev2.h` makes it of integers, arrays, pointers and unions.
            unsafe impl Zeroes for sys::$structure {}
        )*
    };
}

zeroes![
    v4l2_buffer,
    v4l2_capability,
    v4l2_captureparm,
    v4l2_fmtdesc,
    v4l2_format,
    v4l2_frmivalenum,
    v4l2_frmsizeenum,
    v4l2_pix_format,
    v4l2_query_ext_ctrl,
    v4l2_querymenu,
    v4l2_requestbuffers,
    v4l2_streamparm,
];

/// A structure of the kernel's with all fields 0.
fn empty<T: Zeroes>() -> T {
    // SAFETY: zeroes are a value of it.
    unsafe { zeroed() }
}

/// Which way frames go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the device.
    Capture,
    /// To the device.
    Output,
}

impl Direction {
    /// `enum v4l2_buf_type`.
    fn code(self) -> u32 {
        match self {
            Self::Capture => sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE,
            Self::Output => sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT,
        }
    }
}

/// What `v4l2_pix_format` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Format {
    pub width: u32,
    pub height: u32,
    pub fourcc: [u8; 4],
    /// `enum v4l2_field`.
    pub field: u32,
    /// Bytes per line.
    pub stride: u32,
    /// Bytes that a frame takes at the most.
    pub size: u32,
    /// `enum v4l2_colorspace`.
    pub colorspace: u32,
    /// `enum v4l2_ycbcr_encoding`.
    pub encoding: u32,
    /// `enum v4l2_quantization`.
    pub quantization: u32,
}

pub(super) fn capability(fd: impl AsFd) -> io::Result<sys::v4l2_capability> {
    let mut capability = empty();
    call(fd, QUERYCAP, &mut capability)?;
    Ok(capability)
}

/// Code and description of a format that is offered.
pub(super) fn format_at(fd: impl AsFd, direction: Direction, index: u32) -> io::Result<([u8; 4], [u8; 32])> {
    let mut argument = sys::v4l2_fmtdesc { index, type_: direction.code(), ..empty() };
    call(fd, ENUM_FMT, &mut argument)?;
    Ok((argument.pixelformat.to_le_bytes(), argument.description))
}

/// A size, or a range of sizes, that is offered in a format; without rates.
pub(super) fn size_at(fd: impl AsFd, fourcc: [u8; 4], index: u32) -> io::Result<SizeInfo> {
    let pixel_format = u32::from_le_bytes(fourcc);
    let mut argument = sys::v4l2_frmsizeenum { index, pixel_format, ..empty() };
    call(fd, ENUM_FRAMESIZES, &mut argument)?;
    if argument.type_ == sys::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
        // SAFETY: the tag says which field of the union the kernel filled; both are integers.
        let size = unsafe { argument.__bindgen_anon_1.discrete };
        return Ok(SizeInfo::discrete(size.width, size.height));
    }
    // SAFETY: the same.
    let range = unsafe { argument.__bindgen_anon_1.stepwise };
    Ok(SizeInfo {
        min: [range.min_width, range.min_height],
        max: [range.max_width, range.max_height],
        step: [range.step_width.max(1), range.step_height.max(1)],
        ..SizeInfo::discrete(0, 0)
    })
}

/// A frame interval, in seconds as numerator and denominator, or the ends of a range of them.
pub(super) fn interval_at(
    fd: impl AsFd,
    fourcc: [u8; 4],
    [width, height]: [u32; 2],
    index: u32,
) -> io::Result<([u32; 2], [u32; 2])> {
    let pixel_format = u32::from_le_bytes(fourcc);
    let mut argument = sys::v4l2_frmivalenum { index, pixel_format, width, height, ..empty() };
    call(fd, ENUM_FRAMEINTERVALS, &mut argument)?;
    let fraction = |f: sys::v4l2_fract| [f.numerator, f.denominator];
    if argument.type_ == sys::v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE {
        // SAFETY: the tag says which field of the union the kernel filled; both are integers.
        let interval = fraction(unsafe { argument.__bindgen_anon_1.discrete });
        return Ok((interval, interval));
    }
    // SAFETY: the same.
    let range = unsafe { argument.__bindgen_anon_1.stepwise };
    Ok((fraction(range.min), fraction(range.max)))
}

/// Asks for a format; the answer is what the device made of it.
pub(super) fn set_format(fd: impl AsFd, direction: Direction, format: Format) -> io::Result<Format> {
    let pix = sys::v4l2_pix_format {
        width: format.width,
        height: format.height,
        pixelformat: u32::from_le_bytes(format.fourcc),
        field: format.field,
        bytesperline: format.stride,
        sizeimage: format.size,
        colorspace: format.colorspace,
        // V4L2_PIX_FMT_PRIV_MAGIC: the fields from here on count.
        priv_: 0xfeed_cafe,
        quantization: format.quantization,
        __bindgen_anon_1: sys::v4l2_pix_format__bindgen_ty_1 { ycbcr_enc: format.encoding },
        ..empty()
    };
    let mut argument: sys::v4l2_format = empty();
    argument.type_ = direction.code();
    argument.fmt.pix = pix;
    call(fd, S_FMT, &mut argument)?;
    Ok(read_format(&argument))
}

fn read_format(argument: &sys::v4l2_format) -> Format {
    // SAFETY: `pix` is the field for single-planar capture and output, the only types that
    // `Direction` has; any bits are a value of it.
    let (pix, encoding) = unsafe { (argument.fmt.pix, argument.fmt.pix.__bindgen_anon_1.ycbcr_enc) };
    Format {
        width: pix.width,
        height: pix.height,
        fourcc: pix.pixelformat.to_le_bytes(),
        field: pix.field,
        stride: pix.bytesperline,
        size: pix.sizeimage,
        colorspace: pix.colorspace,
        encoding,
        quantization: pix.quantization,
    }
}

/// The frame interval in seconds, as numerator and denominator; asks for one first where it
/// is given.
pub(super) fn frame_interval(
    fd: impl AsFd,
    direction: Direction,
    wanted: Option<[u32; 2]>,
) -> io::Result<[u32; 2]> {
    let mut argument = sys::v4l2_streamparm { type_: direction.code(), ..empty() };
    match wanted {
        Some([numerator, denominator]) => {
            // Capture and output have the interval at the same place; `capture` serves for both.
            argument.parm.capture =
                sys::v4l2_captureparm { timeperframe: sys::v4l2_fract { numerator, denominator }, ..empty() };
            call(fd, S_PARM, &mut argument)?;
        }
        None => call(fd, G_PARM, &mut argument)?,
    }
    // SAFETY: any bits are a value of a structure of integers.
    let interval = unsafe { argument.parm.capture.timeperframe };
    Ok([interval.numerator, interval.denominator])
}

/// The control with the next higher number that isn't compound.
pub(super) fn control_after(fd: impl AsFd, id: u32) -> io::Result<sys::v4l2_query_ext_ctrl> {
    let mut argument = sys::v4l2_query_ext_ctrl { id: id | sys::V4L2_CTRL_FLAG_NEXT_CTRL, ..empty() };
    call(fd, QUERY_CONTROL, &mut argument)?;
    Ok(argument)
}

/// An entry of a menu: its bytes as text, and as a number for menus of numbers.
pub(super) fn menu_item(fd: impl AsFd, id: u32, index: u32) -> io::Result<([u8; 32], i64)> {
    let mut argument = sys::v4l2_querymenu { id, index, ..empty() };
    call(fd, QUERYMENU, &mut argument)?;
    // SAFETY: the union was zeroed as a whole and then written by the kernel: every byte has
    // a value, and the structure is packed, so the fields are copied out.
    let (name, value) = unsafe { (argument.__bindgen_anon_1.name, argument.__bindgen_anon_1.value) };
    Ok((name, value))
}

pub(super) fn control(fd: impl AsFd, id: u32) -> io::Result<i32> {
    let mut argument = sys::v4l2_control { id, value: 0 };
    call(fd, G_CTRL, &mut argument)?;
    Ok(argument.value)
}

pub(super) fn set_control(fd: impl AsFd, id: u32, value: i32) -> io::Result<()> {
    call(fd, S_CTRL, &mut sys::v4l2_control { id, value })
}

/// Asks for buffers to be mapped; the answer is how many there are. 0 frees them.
pub(super) fn request_buffers(fd: impl AsFd, direction: Direction, count: u32) -> io::Result<u32> {
    let memory = sys::v4l2_memory_V4L2_MEMORY_MMAP;
    let mut argument = sys::v4l2_requestbuffers { count, type_: direction.code(), memory, ..empty() };
    call(fd, REQBUFS, &mut argument)?;
    Ok(argument.count)
}

fn buffer(direction: Direction, index: u32) -> sys::v4l2_buffer {
    let memory = sys::v4l2_memory_V4L2_MEMORY_MMAP;
    sys::v4l2_buffer { index, type_: direction.code(), memory, ..empty() }
}

/// Gives a buffer to the device; an output's has that many bytes in it.
pub(super) fn queue(fd: impl AsFd, direction: Direction, index: u32, used: u32) -> io::Result<()> {
    // V4L2_FIELD_NONE: whole frames.
    call(fd, QBUF, &mut sys::v4l2_buffer { bytesused: used, field: 1, ..buffer(direction, index) })
}

/// Takes a buffer back from the device.
pub(super) fn dequeue(fd: impl AsFd, direction: Direction) -> io::Result<sys::v4l2_buffer> {
    let mut argument = buffer(direction, 0);
    call(fd, DQBUF, &mut argument)?;
    Ok(argument)
}

pub(super) fn stream(fd: impl AsFd, direction: Direction, on: bool) -> io::Result<()> {
    let request = if on { STREAMON } else { STREAMOFF };
    call(fd, request, &mut direction.code().cast_signed())
}

/// Asks to be told when the picture's source changes its size or format.
pub(super) fn subscribe_source_change(fd: impl AsFd) -> io::Result<()> {
    let mut argument = EventSubscription { kind: SOURCE_CHANGE, id: 0, flags: 0, reserved: [0; 5] };
    call(fd, SUBSCRIBE_EVENT, &mut argument)
}

/// Takes an event; whether it is a change of the source.
pub(super) fn source_changed(fd: impl AsFd) -> io::Result<bool> {
    let mut event =
        Event { kind: 0, data: [0; 8], pending: 0, sequence: 0, timestamp: [0; 2], id: 0, reserved: [0; 8] };
    call(fd, DQEVENT, &mut event)?;
    Ok(event.kind == SOURCE_CHANGE)
}

/// The memory of a buffer, shared with the kernel; unmapped when it is dropped.
#[derive(Debug)]
pub(super) struct Mapping {
    start: *mut u8,
    length: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and a `Mapping` is its only
// owner.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps a buffer.
    pub(super) fn new(fd: impl AsFd, direction: Direction, index: u32) -> io::Result<Self> {
        let mut argument = buffer(direction, index);
        call(&fd, QUERYBUF, &mut argument)?;
        let length = argument.length as usize;
        // SAFETY: with memory MMAP the kernel filled the offset.
        let offset = unsafe { argument.m.offset } as c_long;
        /// `PROT_READ | PROT_WRITE` and `MAP_SHARED`, the same on all of Linux.
        const PROTECTION: i32 = 3;
        const SHARED: i32 = 1;
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: a new mapping at an address of the kernel's choice; no memory of ours
        // changes. The kernel refuses lengths and offsets that aren't the buffer's.
        let start = unsafe { v4l::v4l2::mmap(ptr::null_mut(), length, PROTECTION, SHARED, fd, offset)? };
        Ok(Self { start: start.cast(), length })
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Copies the first bytes out, as many as there are of those asked for.
    pub(super) fn read(&self, bytes: usize, into: &mut Vec<u8>) {
        let bytes = bytes.min(self.length);
        into.resize(bytes, 0);
        // SAFETY: `bytes` are mapped for reading as long as `self` lives, and `into` has as
        // many that are its own. The device may be writing them, which makes a torn picture
        // of plain bytes; no reference to them is made.
        unsafe { ptr::copy_nonoverlapping(self.start, into.as_mut_ptr(), bytes) };
    }

    /// Copies bytes to the start, as many as fit.
    pub(super) fn write(&mut self, from: &[u8]) {
        let bytes = from.len().min(self.length);
        // SAFETY: `bytes` are mapped for writing as long as `self` lives; `from` is memory of
        // ours, which no mapping overlaps. The device only reads them.
        unsafe { ptr::copy_nonoverlapping(from.as_ptr(), self.start, bytes) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with that length and not unmapped since; no reference to it
        // was ever made.
        let outcome = unsafe { v4l::v4l2::munmap(self.start.cast(), self.length) };
        if let Err(error) = outcome {
            log::warn!("a video buffer stays mapped: {error}");
        }
    }
}
