//! Training of the VLM head: first the text side, so that d_T of each prompt is settled, then
//! the image side, so that a picture's d_I lies at the d_T of what is wrong with it.

mod adamw;
mod init;
mod layers;
mod phrases;
pub mod prompts;
mod schedule;
pub mod text;
mod text_phase;

pub use init::initial;
pub use phrases::Phrase;
pub use text_phase::{TextOptions, TextOutcome, train_text, vectors};
