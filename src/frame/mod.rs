//! Pixels in memory: planar float RGB, as the networks take it, and 8-bit RGB, as files and
//! cameras give it.

mod live;
mod resize;
mod rgb8;

pub use live::{Frame, FramePool};
pub use resize::resize_bicubic;
pub use rgb8::{fill_frame, from_rgb8, to_planes, to_rgb8};

/// A picture as three planes of floats: `[3, H, W]`, RGB, nominally in 0..=1 (sRGB-encoded,
/// as stored in files).
pub type Planes = ndarray::Array3<f32>;
