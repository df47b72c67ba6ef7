//! What VLU-Net is: configurations, the table of parameters, and what a network costs.
//!
//! Nothing here knows tensors, files or engines; everything else is built from it.
//!
//! ```
//! use vlunet::arch::VluNetConfig;
//!
//! let full = VluNetConfig::full();
//! let cost = full.cost(256, 256);
//! assert_eq!(cost.parameters(), 35_353_028);
//! assert!((cost.macs_per_pixel() / 1e6 - 2.842).abs() < 0.001);
//! ```

mod clip;
mod config;
mod cost;
mod infer;
mod parameters;
mod vision;

pub use clip::{ClipConfig, TowerConfig};
pub use config::{DEGRADATION_DIM, DGDM_HEADS, Level, VluNetConfig};
pub use cost::{Cost, StageCost};
pub use infer::Shapes;
pub use parameters::{Parameter, check_parameters};
pub use vision::{ConvTowerConfig, VisionConfig};
