//! The one error type of the library: what went wrong, where, and what to do.

use std::io;
use std::path::{Path, PathBuf};

/// A result of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed.
///
/// Every message is one line that names the thing at fault (a file, a tensor, a flag) and,
/// where it isn't obvious, what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something on a path.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "read", "create", …
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A picture that can't be decoded or encoded.
    #[error("picture {}: {reason}", path.display())]
    Picture {
        /// The picture's file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A frame of a stream that arrived damaged; the next may be whole.
    #[error("damaged frame: {0}")]
    Frame(String),

    /// A network configuration that no VLU-Net or CLIP tower can have.
    #[error("configuration: {0}")]
    Config(String),

    /// Weights that are missing, extra, of the wrong shape, or unreadable.
    #[error("weights: {0}")]
    Weights(String),

    /// A model bundle that is incomplete, altered, or of another format.
    #[error("bundle {bundle}: {reason}")]
    Bundle {
        /// Name or path of the bundle.
        bundle: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A model that the inference engine can't load or run.
    #[error("model: {0}")]
    Model(String),

    /// An NVIDIA GPU, its driver or TensorRT that doesn't do what it is asked for; a CPU still can.
    #[error("GPU: {0}")]
    Gpu(String),

    /// A training run that can't go on.
    #[error("training: {0}")]
    Train(String),

    /// An argument or input that makes no sense.
    #[error("{0}")]
    Input(String),
}

impl Error {
    /// An I/O error with its context; use as `.map_err(Error::io("read", path))`.
    pub fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// A picture error with its context.
    pub fn picture(path: &Path, reason: impl ToString) -> Self {
        Self::Picture { path: path.to_owned(), reason: one_line(&reason.to_string()) }
    }
}

/// Folds a message that a library spread over several lines into one, without control
/// characters, which a file may have brought in.
pub(crate) fn one_line(text: &str) -> String {
    let printable = text.replace(|c: char| c.is_control() && !c.is_whitespace(), "");
    printable.split_whitespace().collect::<Vec<_>>().join(" ")
}
