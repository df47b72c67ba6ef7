//! Training of the VLM head: first the text side, so that d_T of each prompt is settled, then
//! the image side, so that a picture's d_I lies at the d_T of what is wrong with it.

mod conv_tower;
mod init;
mod layers;
mod phrases;
pub mod prompts;
pub mod text;
mod text_phase;

pub use conv_tower::{image_vector, statistics};
pub use init::initial;
pub use phrases::Phrase;
pub use text_phase::{TextOptions, TextOutcome, train_text, vectors};
