//! Stands in for CubeCL's LLVM backend, whose build downloads LLVM.
//!
//! `cubecl-cuda` names the types below whichever backend it runs. Vlunet sets its feature `cpp`,
//! which compiles kernels as CUDA C++ by NVRTC, so nothing here is ever reached; what would be
//! answers with an error.

use cubecl_core::ir::nvidia::SmArch;
use cubecl_core::prelude::KernelDefinition;
use cubecl_environment::backtrace::BackTrace;
use cubecl_server::compiler::CompilationError;
use cubecl_server::kernel::BufferIOAttr;

/// PTX, NVIDIA's assembly language.
pub mod nvptx {
    /// Versions of PTX.
    pub mod ptx_version {
        /// A version of PTX; without LLVM there are none.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum PtxVersion {}

        impl PtxVersion {
            /// The newest version that a driver loads, of those that can be written: none.
            pub fn for_driver(_driver: i32) -> Option<Self> {
                None
            }
        }

        impl core::fmt::Display for PtxVersion {
            fn fmt(&self, _: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match *self {}
            }
        }
    }
}

/// What the targets have in common.
pub mod shared {
    /// Features that need LLVM's lowering.
    pub mod lowered_features {
        /// A kind of GPU.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum GpuTarget {
            /// NVIDIA's.
            Nvptx,
        }

        /// Takes away what a target's lowering lacks; the lowering itself is absent here.
        pub fn restrict_features<T>(_properties: &mut T, _target: GpuTarget) {}
    }
}

/// What LLVM would generate code for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LlvmTarget {
    /// NVIDIA GPUs.
    Nvptx,
}

/// The compiler's settings.
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    /// Unused on NVIDIA GPUs.
    pub arch: Option<String>,
    /// The GPU's architecture.
    pub sm_arch: Option<SmArch>,
    /// The PTX to write.
    pub ptx_version: Option<nvptx::ptx_version::PtxVersion>,
    /// Whether launch parameters are constants of the grid.
    pub grid_constants: bool,
    /// Here so that a caller may end its list of fields with `..Default::default()`.
    pub others: (),
}

/// A compiled kernel.
#[derive(Clone, Debug)]
pub struct NvptxModule {
    /// Assembly, ending with a zero.
    pub ptx: Vec<core::ffi::c_char>,
    /// The kernel's name in it.
    pub entrypoint: String,
    /// The same in LLVM's language.
    pub ir: String,
    /// Bytes of shared memory that a launch reserves.
    pub shared_memory_size: usize,
    /// How each buffer is used.
    pub io: Vec<BufferIOAttr>,
}

/// What compiling gives.
#[derive(Clone, Debug)]
pub enum PlironArtifact {
    /// For NVIDIA GPUs.
    NvptxCode(NvptxModule),
    /// For anything else.
    Other,
}

/// The compiler that is not there.
#[derive(Clone, Debug)]
pub struct PlironCompiler {
    /// What it would generate code for.
    pub target: LlvmTarget,
}

impl PlironCompiler {
    /// Compiles nothing.
    ///
    /// # Errors
    /// Always: the way round is cubecl-cuda's feature `cpp`.
    pub fn compile(
        &mut self,
        _kernel: KernelDefinition,
        _options: &PlironOptions,
    ) -> Result<PlironArtifact, CompilationError> {
        let reason = "built without LLVM: cubecl-cuda's feature `cpp` is missing".into();
        Err(CompilationError::Generic { reason, backtrace: BackTrace::capture() })
    }

    /// The language's name.
    pub fn lang_tag(&self) -> &'static str {
        "llvm"
    }
}
