//! Why a GPU can't be used.

use crate::Error;
use std::fmt;

/// Why TensorRT can't run here, as one line that says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// `libcuda.so.1` can't be opened.
    NoDriver(String),
    /// The driver lacks a function of CUDA's.
    OldDriver(String),
    /// `cuInit` or the first questions failed.
    DriverFails {
        /// Of `CUresult`.
        code: i32,
        /// What the driver says to it.
        text: String,
    },
    /// The driver is there, a GPU isn't.
    NoGpu,
    /// No `libnvinfer` was found.
    NoTensorRt(String),
    /// TensorRT of a version that isn't served.
    Version {
        /// As `8.5.3`.
        version: String,
        /// The library's file.
        library: String,
    },
    /// A library without a function that it must have.
    Incomplete {
        /// The library's file.
        library: String,
        /// The function.
        missing: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDriver(why) => write!(
                f,
                "no NVIDIA driver ({why}); a Jetson's comes with JetPack, and a container has it when started with \
                 --runtime nvidia"
            ),
            Self::OldDriver(missing) => {
                write!(f, "the NVIDIA driver is too old: it has no {missing}; JetPack 6 or CUDA 12 has it")
            }
            Self::DriverFails { code, text } => write!(
                f,
                "the NVIDIA driver says error {code} ({text}); see that its kernel module is loaded and that this \
                 user may open /dev/nvidia* (on a Jetson, the group video)"
            ),
            Self::NoGpu => write!(
                f,
                "the NVIDIA driver finds no GPU; see that CUDA_VISIBLE_DEVICES hides none and that the container has \
                 one"
            ),
            Self::NoTensorRt(tried) => write!(
                f,
                "TensorRT isn't installed ({tried}); `apt install tensorrt` on a Jetson, or name its folder in \
                 VLUNET_TENSORRT_LIB"
            ),
            Self::Version { version, library } => write!(
                f,
                "{library} is TensorRT {version}, and only 10.3 and later of 10, and 11, are served (JetPack 6 or 7)"
            ),
            Self::Incomplete { library, missing } => {
                write!(f, "{library} has no {missing}: it isn't TensorRT's own")
            }
        }
    }
}

impl std::error::Error for Reason {}

impl Reason {
    /// As an error of the library's. A `From` would be the second for [`Error`], beside which the
    /// compiler can't tell which one a `?` means.
    pub fn into_error(self) -> Error {
        Error::Gpu(self.to_string())
    }
}
