//! How good a restorer is: metrics, sets of pictures, synthetic degradations.

pub mod dataset;
pub mod degrade;
pub mod metrics;
mod report;
pub mod video;

pub use report::{Evaluation, ImageScores, MeanScores};
