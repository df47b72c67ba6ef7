//! Pixels in memory: planar float RGB, as the networks take it, and 8-bit RGB, as files and
//! cameras give it.
//!
//! Cameras deliver other formats, too: [`PixelFormat`] names them, [`Layout`] says where their
//! pixels lie, [`Unpacker`] turns their buffers into the RGB of a [`Frame`], and [`Packer`]
//! does the reverse for output devices.

mod colour;
mod layout;
mod live;
mod mjpeg;
mod pack;
mod pixel_format;
mod planar;
mod resize;
mod rgb8;
mod shrink;
mod unpack;

pub use colour::{Colour, Matrix, Range};
pub use layout::Layout;
pub use live::{Frame, FramePool};
pub use pack::Packer;
pub use pixel_format::PixelFormat;
pub use planar::{Subsampling, planar_to_rgb, rgb_to_planar_420};
pub use resize::resize_bicubic;
pub use rgb8::{fill_frame, from_rgb8, to_planes, to_rgb8};
pub use shrink::Shrinker;
pub use unpack::Unpacker;

/// A picture as three planes of floats: `[3, H, W]`, RGB, nominally in 0..=1 (sRGB-encoded,
/// as stored in files).
pub type Planes = ndarray::Array3<f32>;
