//! TensorRT on NVIDIA GPUs, as a Jetson's.
//!
//! Nothing of NVIDIA's is linked: the CUDA driver and TensorRT, 10 (from 10.3) or 11, are opened when
//! they are asked for. [`probe`] says whether they can be used, and if not, why. An [`Engine`] is
//! built from ONNX for a GPU and some sizes, which takes minutes; its plan is kept in a [`Cache`] and
//! loaded from there the next time. A [`Session`] runs it.
//!
//! ```no_run
//! use vlunet::backend::tensorrt::{self, Cache, Dtype, Engine, Options, PlanKey, Profile, Reason, Values};
//!
//! let onnx = std::fs::read("restorer.f32.onnx").unwrap();
//! let shapes: [(&str, &[usize]); 2] = [("image", &[1, 3, 360, 640]), ("degradation", &[1, 512])];
//! let options = Options::new(Dtype::Fp16, vec![Profile::fixed(&shapes)]);
//!
//! let device = tensorrt::probe().map_err(Reason::into_error)?;
//! let (cache, key) = (Cache::open()?, PlanKey::new(&device, &onnx, &options).key());
//! let plan = match cache.get(&key) {
//!     Ok(plan) => plan,
//!     Err(why) => {
//!         log::info!("{why}: building the engine");
//!         let plan = Engine::build(&device, &onnx, &options, &[], &|_| true)?.unwrap();
//!         cache.put(&key, &plan.bytes)?;
//!         plan.bytes
//!     }
//! };
//! let engine = Engine::load(&device, &plan, options.dla_core)?;
//! let mut session = engine.session(&shapes, 1)?;
//! let (image, degradation) = (vec![0.5; 3 * 360 * 640], vec![0.0; 512]);
//! let time = session.run(&[("image", Values::F32(&image)), ("degradation", Values::F32(&degradation))])?;
//! println!("{time:?}, {} values", session.output(0, "restored")?.len());
//! # Ok::<(), vlunet::Error>(())
//! ```

mod builder;
mod cache;
mod context;
mod driver;
mod engine;
mod frame;
mod gpu;
mod guard;
mod key;
mod library;
mod logger;
mod memory;
#[cfg(test)]
mod on_gpu;
mod options;
mod reason;
mod session;
mod shim;
#[cfg(test)]
mod slots;
mod stream;

pub use builder::{OnProgress, Plan, Progress};
pub use cache::{Cache, Unusable};
pub use engine::{Element, Engine, Tensor};
pub use key::{Key, PlanKey};
pub use library::{Library, Version};
pub use options::{Dtype, Options, Profile, Range, Variant};
pub use reason::Reason;
pub use session::{Session, Values};

use crate::Result;
use std::sync::Arc;

/// A GPU that TensorRT can use, and the TensorRT for it.
#[derive(Clone)]
pub struct Device {
    gpu: Arc<gpu::Gpu>,
    library: &'static Library,
}

/// Looks for a GPU and TensorRT. No function of TensorRT's but its version is called before the
/// driver has started and has found a GPU.
///
/// # Errors
/// Why there is none to be used, in one line.
pub fn probe() -> Result<Device, Reason> {
    let gpu = gpu::Gpu::open()?;
    Ok(Device { gpu, library: Library::open()? })
}

impl Device {
    /// The GPU's name.
    pub fn name(&self) -> &str {
        &self.gpu.name
    }

    /// The GPU's compute capability: `[8, 7]` for an Orin.
    pub fn compute_capability(&self) -> [i32; 2] {
        self.gpu.compute
    }

    /// Bytes of the GPU's memory.
    pub fn memory(&self) -> u64 {
        self.gpu.memory
    }

    /// Whether GPU and CPU have the same memory, as on a Jetson: frames aren't copied then.
    pub fn is_integrated(&self) -> bool {
        self.gpu.is_integrated
    }

    /// The newest CUDA that the driver runs, as major and minor: `[12, 6]`.
    pub fn cuda(&self) -> [i32; 2] {
        [self.gpu.cuda() / 1000, self.gpu.cuda() % 1000 / 10]
    }

    /// TensorRT's library.
    pub fn library(&self) -> &'static Library {
        self.library
    }

    /// How many DLA cores there are: 0 where there is no DLA.
    ///
    /// # Errors
    /// [`Error::Gpu`](crate::Error::Gpu) where TensorRT doesn't start.
    pub fn dla_cores(&self) -> Result<u32> {
        Ok(engine::Runtime::new(self)?.dla_cores())
    }
}
