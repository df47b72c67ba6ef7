//! Video4Linux devices: what cameras and output devices can do, their controls, their buffers.
//!
//! [`crate::source`] captures by it, [`crate::sink`] shows by it, `vlunet doctor` lists by it.
//!
//! From the crate `v4l` come the structures, the request codes and the calls; what it builds
//! on them isn't used, for in 0.14 it ends the program on what devices do: text that isn't
//! UTF-8 (a USB camera's name cut off within a letter), kinds of controls and colour spaces
//! that it doesn't know, a `STREAMOFF` that fails with anything but `ENODEV`. Its capture
//! stream queues a buffer twice after a timeout, its output stream keeps one buffer in flight,
//! with which some drivers never begin, and its formats lack the Y'CbCr encoding.

mod choose;
mod controls;
mod device;
mod formats;
mod list;
mod pixels;
mod queue;
mod raw;

pub(crate) use choose::{Wanted, choose};
pub(crate) use controls::set_controls;
pub use controls::{ControlInfo, MenuItem, set_control};
pub(crate) use device::Device;
pub(crate) use formats::formats;
pub use formats::{FormatInfo, SizeInfo};
pub use list::{DeviceInfo, devices};
pub(crate) use pixels::layout;
pub(crate) use queue::{Buffer, Queue};
pub(crate) use raw::{Direction, Format};
