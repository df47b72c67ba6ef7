//! The networks in training, as functions of their [`Parameters`](super::parameters).

mod blocks;
mod grow;
mod initial;
pub(in crate::train) mod layers;
mod rounding;
mod scope;
mod vlu_net;

pub use grow::grown;
pub use initial::initial;
pub use layers::{convolution, pointwise, resize_bilinear};
pub use rounding::Rounding;
pub use vlu_net::VluNet;
