//! The vision-language head: which degradation a picture shows, as the vector d_I that steers
//! the restorer and as probabilities over prompts (paper, section 3.2).
//!
//! ```no_run
//! use vlunet::{backend::Options, bundle::Bundle, vlm::Detector};
//! # let picture = ndarray::Array3::<f32>::zeros((3, 240, 320));
//!
//! let bundle = Bundle::open("models/authors".as_ref())?;
//! let mut detector = Detector::open(&bundle, None, &Options::default())?;
//! let detection = detector.detect(picture.view())?;
//! println!("{}: {:.0} %", detection.label(), 100.0 * detection.confidence());
//! # Ok::<(), vlunet::Error>(())
//! ```

mod degradation;
mod detector;
mod preprocess;
mod smoothing;
mod tokenizer;

pub use degradation::Degradation;
pub use detector::{CLEAR_FROM, Detection, Detector, Score};
pub use preprocess::preprocess;
pub use smoothing::{Guidance, Smoother, Smoothing};
pub use tokenizer::tokenize;
