//! A picture of any size and its d_I in, the restored picture out.
//!
//! The picture is padded by reflection to the network's multiple and restored whole where that
//! fits the memory budget, else in overlapping tiles that share the attentions of the whole picture
//! and are blended smoothly.
//!
//! ```no_run
//! use vlunet::{bundle::Bundle, restore::{Options, Restorer}, vlm::Degradation};
//! # let picture = ndarray::Array3::<f32>::zeros((3, 240, 320));
//!
//! let bundle = Bundle::find("nano")?;
//! let mut restorer = Restorer::open(&bundle, &Options::default())?;
//! let haze = Degradation::for_task(&bundle, "dehaze")?;
//! let restored = restorer.restore(picture.view(), &haze)?;
//! # Ok::<(), vlunet::Error>(())
//! ```

mod gpu;
mod memory;
mod padding;
mod pooled;
mod restorer;
mod tiles;
mod upsample;

pub use gpu::Engines;
pub(crate) use gpu::is_there as gpu_is_there;
pub use memory::default_memory;
pub use restorer::{Options, Restorer};
pub use upsample::GuidedUpsampler;
