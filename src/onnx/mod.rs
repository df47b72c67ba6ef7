//! VLU-Net and its VLM head as ONNX: the one form that tract, TensorRT, ONNX Runtime and
//! others read alike.
//!
//! The graphs use standard operators of opset 17 only. The same weights give the same bytes.
//!
//! | model | inputs | outputs |
//! |---|---|---|
//! | [`restorer()`] | `image` `[1, 3, H, W]` RGB in 0..=1, `degradation` `[1, 512]` d_I | `restored` `[1, 3, H, W]` |
//! | [`image_tower`] | `image` `[1, 3, S, S]`, resized and normalised as CLIP does | `degradation` `[1, 512]` d_I |
//! | [`text_tower`] | `tokens` `[1, 77]` int64 | `features` `[1, 512]` d_T |
//!
//! ```no_run
//! use vlunet::{onnx, weights};
//!
//! let checkpoint = weights::Checkpoint::open("last.ckpt".as_ref())?;
//! let (config, weights) = weights::read_restorer(&checkpoint)?;
//! let bytes = onnx::restorer(&config, &weights, onnx::Size::Symbolic)?;
//! std::fs::write("restorer.onnx", bytes).unwrap();
//! # Ok::<(), vlunet::Error>(())
//! ```

mod blocks;
mod clip;
mod conv_tower;
pub mod edit;
mod element;
mod graph;
mod layers;
pub(crate) mod precision;
mod restorer;
pub mod tiles;
mod weights_of;
mod widen;

pub use clip::{image_tower, text_tower};
pub use restorer::{Size, restorer, restorer_with_taps};
pub use weights_of::{image_tower_weights, restorer_weights};
pub(crate) use widen::widen;
