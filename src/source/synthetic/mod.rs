//! Frames without a camera: a drive on a made-up road, clean and in bad weather.
//!
//! Each frame comes with its clean original, so restoring can be shown, measured and tested on
//! any machine, for ever the same.
//!
//! ```
//! use vlunet::source::synthetic::{SyntheticConfig, SyntheticSource};
//! let config = SyntheticConfig::from_uri("road?weather=rain&size=64x36&fps=30&seed=7")?;
//! let mut source = SyntheticSource::new(config)?;
//! let frame = source.next_frame();
//! assert_eq!(frame.degraded.dimensions(), (64, 36));
//! # Ok::<(), vlunet::Error>(())
//! ```

mod config;
mod road;
mod stream;
mod weather;

pub use config::SyntheticConfig;
pub use road::{Daylight, RoadScene, SceneFrame};
pub use stream::{SyntheticFrame, SyntheticSource};
pub use weather::Weather;
