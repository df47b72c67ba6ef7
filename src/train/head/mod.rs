//! Training of the VLM head: first the text side, so that d_T of each prompt is settled, then
//! the image side, so that a picture's d_I lies at the d_T of what is wrong with it.

mod calibration;
mod confusion;
mod conv_tower;
mod exam;
mod export;
mod folder;
mod frozen;
mod image;
mod image_phase;
mod image_tower;
mod init;
mod layers;
mod phrases;
pub mod prompts;
mod recipe;
mod run;
mod state;
pub mod text;
mod text_phase;
mod text_tower;
mod twist;
mod views;
mod vit;

pub use calibration::Calibration;
pub use confusion::Confusion;
pub use exam::{Exam, ExamSet};
pub use export::Head;
pub use folder::{HeadFolder, LogLine};
pub use frozen::FrozenClip;
pub use image::{image_feature, image_vector};
pub use image_phase::{ImagePhase, StepReport};
pub use init::initial;
pub use phrases::Phrase;
pub use recipe::HeadRecipe;
pub use run::{HeadRun, RunOptions};
pub use state::State;
pub use text_phase::{TextOptions, TextOutcome, train_text};
pub use text_tower::TextTower;
pub use views::{View, Views};
