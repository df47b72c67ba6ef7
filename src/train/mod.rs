//! The trainer: VLU-Net and its VLM head in full precision, on a CPU or a CUDA GPU.

pub mod data;
pub mod devices;
pub mod export;
pub mod guide;
pub mod head;
pub mod kernels;
pub mod loss;
pub mod network;
pub mod optimizer;
pub mod parameters;
pub mod parity;
pub mod quantized;
pub mod recipe;
pub mod replicas;
pub mod run;
pub mod speed;
