//! VLU-Net, the all-in-one image restorer, on edge devices.
//!
//! A picture taken in noise, rain, haze, blur or low light goes in; [`vlm`] sees which
//! degradation it is, as a vector d_I; [`restore`] undoes it with the network that
//! "Vision-Language Gradient Descent-driven All-in-One Deep Unfolding Networks" (Zeng et al.,
//! CVPR 2025, arXiv 2503.16930) describes. The paper's terms are in `docs/GLOSSARY.md`.
//!
//! ```no_run
//! use vlunet::{bundle::Bundle, picture::{Limits, Picture, SaveOptions}, restore::{Options, Restorer}};
//! use vlunet::vlm::Degradation;
//!
//! let bundle = Bundle::find("nano")?;
//! let mut restorer = Restorer::open(&bundle, &Options::default())?;
//! let mut photo = Picture::open("foggy.jpg".as_ref(), &Limits::default())?;
//! photo.planes = restorer.restore(photo.planes.view(), &Degradation::for_task(&bundle, "dehaze")?)?;
//! photo.save("clear.jpg".as_ref(), &SaveOptions::default())?;
//! # Ok::<(), vlunet::Error>(())
//! ```
//!
//! Data flows one way, and a module uses only those before it: [`arch`] (what the network is)
//! → [`weights`] (tensors by name) → [`onnx`] (graphs) → [`bundle`] (what is shipped) →
//! [`backend`] (a session that runs) → [`vlm`] and [`restore`]. [`frame`] and [`picture`] hold
//! pixels, [`source`] makes them, [`eval`] measures, [`import`] brings the authors'
//! checkpoints, [`update`] new models onto a device.
#![deny(missing_docs)]
#![warn(clippy::unwrap_used, clippy::expect_used)]
#![deny(unsafe_code)]

pub mod arch;
pub mod atomic_file;
pub mod backend;
pub mod board;
pub mod bundle;
pub mod config;
pub mod control;
pub mod cpu;
#[cfg(target_os = "linux")]
pub mod doctor;
pub mod eval;
pub mod frame;
pub mod import;
pub mod onnx;
pub mod picture;
pub mod pipeline;
pub mod plot;
pub mod quantize;
pub mod restore;
pub mod sink;
pub mod source;
#[cfg(target_os = "linux")]
pub mod systemd;
pub mod telemetry;
#[cfg(feature = "train")]
pub mod train;
pub mod update;
pub mod uri;
pub mod vlm;
pub mod weights;

mod error;
mod ffmpeg;
mod strict_toml;
#[cfg(target_os = "linux")]
mod v4l2;

pub use error::{Error, Result};
