//! Synthetic weather and camera faults: from a clean picture, and for some its depth, to one
//! worth restoring.
//!
//! Everything is a function of its parameters, its input and a `u64` seed: the same call gives
//! the same picture. Depth maps are `[H, W]` in metres along the view ray; the sky is
//! [`f32::INFINITY`] or anything far.
//!
//! ```
//! use vlunet::eval::degrade::Haze;
//! let clean = vlunet::frame::Planes::from_elem((3, 4, 4), 0.2);
//! let depth = ndarray::Array2::from_elem((4, 4), 50.0);
//! let hazy = Haze { beta: 0.02, ..Haze::default() }.apply(&clean, &depth, 7);
//! assert!(hazy[[0, 0, 0]] > 0.5);
//! ```

mod blur;
mod defocus;
pub mod depth;
pub mod draw;
mod forward;
pub(super) mod guided;
mod haze;
mod jpeg;
mod kernel;
mod low_light;
mod noise;
mod patches;
mod rain;
mod rain_sheet;
mod sensor;
mod shake;
pub mod srgb;
mod streak;

pub use blur::MotionBlur;
pub use defocus::Defocus;
pub use forward::ForwardMotion;
pub use haze::Haze;
pub use jpeg::Jpeg;
pub use low_light::LowLight;
pub use noise::{SensorNoise, gaussian_noise_8bit};
pub use rain::Rain;
pub use rain_sheet::RainSheet;
pub use shake::CameraShake;

use crate::frame::Planes;
use ndarray::Array2;

/// A depth map of another size than its picture is a mistake of the calling code, and every
/// degradation that uses one would quietly misplace the weather.
fn assert_same_size(planes: &Planes, depth: &Array2<f32>) {
    let (_, height, width) = planes.dim();
    assert_eq!(depth.dim(), (height, width), "the depth map must have the size of the picture");
}
