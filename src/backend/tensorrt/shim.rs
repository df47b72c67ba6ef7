//! `shim/api.h` in Rust: the table of functions that each major version's object has.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};

pub(super) const MAX_RANK: usize = 8;

/// An object of TensorRT's.
pub(super) type Handle = *mut c_void;

pub(super) const OK: i32 = 0;
pub(super) const EXCEPTION: i32 = 2;

pub(super) type Log = extern "C" fn(severity: i32, message: *const c_char);
pub(super) type OnProgress = extern "C" fn(
    context: *mut c_void,
    event: i32,
    phase: *const c_char,
    parent: *const c_char,
    number: i32,
) -> i32;
pub(super) type CreateParser =
    unsafe extern "C" fn(network: Handle, logger: Handle, version: c_int) -> Handle;

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dims {
    pub rank: i32,
    pub sides: [i64; MAX_RANK],
}

impl Dims {
    /// None where there are more sides than TensorRT takes.
    pub fn of(shape: &[usize]) -> Option<Self> {
        let mut dims = Self { rank: shape.len().try_into().ok()?, ..Self::default() };
        for (to, side) in dims.sides.get_mut(..shape.len())?.iter_mut().zip(shape) {
            *to = i64::try_from(*side).ok()?;
        }
        Some(dims)
    }

    /// The sides; -1 for a dynamic one.
    pub fn sides(&self) -> &[i64] {
        usize::try_from(self.rank).ok().and_then(|rank| self.sides.get(..rank)).unwrap_or(&[])
    }

    /// The shape where no side is dynamic.
    pub fn shape(&self) -> Option<Vec<usize>> {
        self.sides().iter().map(|side| usize::try_from(*side).ok()).collect()
    }
}

#[repr(C)]
pub(super) struct Range {
    pub input: *const c_char,
    pub profile: i32,
    pub min: Dims,
    pub opt: Dims,
    pub max: Dims,
}

#[repr(C)]
pub(super) struct Build {
    pub onnx: *const c_void,
    pub onnx_size: usize,
    pub ranges: *const Range,
    pub range_count: usize,
    pub profile_count: i32,
    pub workspace: u64,
    pub fp16: i32,
    pub int8: i32,
    pub tf32: i32,
    pub pin: i32,
    pub lean: i32,
    pub dla_core: i32,
    pub optimization_level: i32,
    pub timing: *const c_void,
    pub timing_size: usize,
    pub create_parser: CreateParser,
    pub progress: OnProgress,
    pub progress_context: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Memory {
    pub handle: Handle,
    pub data: *const c_void,
    pub size: usize,
}

/// Where a build failed, by `vlunet_trt_step`.
pub(super) const STEPS: [&str; 7] = [
    "TensorRT makes no network",
    "TensorRT's ONNX parser doesn't start",
    "TensorRT can't read the model",
    "TensorRT makes no configuration",
    "that DLA core isn't there",
    "TensorRT doesn't take these sizes",
    "TensorRT can't build the engine",
];

#[repr(C)]
pub(super) struct Built {
    pub step: i32,
    pub pinned: i32,
    pub plan: Memory,
    pub timing: Memory,
}

#[repr(C)]
pub(super) struct Tensor {
    pub name: *const c_char,
    pub is_input: i32,
    pub kind: i32,
    pub on_host: i32,
    pub dims: Dims,
}

#[repr(C)]
pub(super) struct Slot {
    pub class: *const c_char,
    pub method: *const c_char,
    pub slot: i32,
}

/// `vlunet_trt_api`.
#[repr(C)]
pub(super) struct Api {
    pub headers: i32,
    pub set_log: unsafe extern "C" fn(log: Log),
    pub logger: unsafe extern "C" fn() -> Handle,
    pub build: unsafe extern "C" fn(builder: Handle, request: *const Build, built: *mut Built) -> i32,
    pub memory_destroy: unsafe extern "C" fn(Handle),
    pub runtime_dla_cores: unsafe extern "C" fn(Handle) -> i32,
    pub runtime_deserialize: unsafe extern "C" fn(Handle, *const c_void, usize, i32, *mut Handle) -> i32,
    pub runtime_destroy: unsafe extern "C" fn(Handle),
    pub engine_tensor_count: unsafe extern "C" fn(Handle) -> i32,
    pub engine_tensor: unsafe extern "C" fn(Handle, i32, *mut Tensor) -> i32,
    pub engine_profile_count: unsafe extern "C" fn(Handle) -> i32,
    pub engine_range: unsafe extern "C" fn(Handle, *const c_char, i32, *mut Dims, *mut Dims) -> i32,
    pub engine_memory: unsafe extern "C" fn(Handle) -> i64,
    pub engine_context: unsafe extern "C" fn(Handle, *mut Handle) -> i32,
    pub engine_destroy: unsafe extern "C" fn(Handle),
    pub context_profile: unsafe extern "C" fn(Handle, i32, Handle) -> i32,
    pub context_set_shape: unsafe extern "C" fn(Handle, *const c_char, *const Dims) -> i32,
    pub context_shape: unsafe extern "C" fn(Handle, *const c_char, *mut Dims) -> i32,
    pub context_address: unsafe extern "C" fn(Handle, *const c_char, *mut c_void) -> i32,
    pub context_enqueue: unsafe extern "C" fn(Handle, Handle) -> i32,
    pub context_destroy: unsafe extern "C" fn(Handle),
    pub slots: *const Slot,
    pub slot_count: usize,
    pub sizes: [usize; 7],
}

// SAFETY: a constant of the shim's, which nothing writes.
unsafe impl Sync for Api {}

unsafe extern "C" {
    fn vlunet_trt10_api() -> *const Api;
    fn vlunet_trt11_api() -> *const Api;
}

/// The shim for a major version.
pub(super) fn api(major: u32) -> Option<&'static Api> {
    let api = match major {
        10 => vlunet_trt10_api,
        11 => vlunet_trt11_api,
        _ => return None,
    };
    // SAFETY: each gives the address of a constant of the layout above, whose sizes the
    // tests hold against the shim's.
    unsafe { api().as_ref() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_majors_are_in_the_binary_and_keep_apart() {
        let [ten, eleven] = [10, 11].map(|major| api(major).unwrap());
        assert_eq!(ten.headers / 10_000, 10);
        assert_eq!(eleven.headers / 10_000, 11);
        // SAFETY: they give the address of a logger, and touch no library.
        let loggers = unsafe { [(ten.logger)(), (eleven.logger)()] };
        assert!(!loggers[0].is_null() && !loggers[1].is_null() && loggers[0] != loggers[1]);
        assert!(api(8).is_none() && api(12).is_none());
    }

    #[test]
    fn the_structures_are_as_large_as_the_shims() {
        let own = [
            size_of::<Dims>(),
            size_of::<Range>(),
            size_of::<Build>(),
            size_of::<Built>(),
            size_of::<Tensor>(),
            size_of::<Slot>(),
            size_of::<Api>(),
        ];
        for major in [10, 11] {
            assert_eq!(api(major).unwrap().sizes, own);
        }
    }

    #[test]
    fn more_sides_than_tensorrt_has_are_refused() {
        assert!(Dims::of(&[1; 9]).is_none());
        assert_eq!(Dims::of(&[1, 3, 720, 1280]).unwrap().sides(), [1, 3, 720, 1280]);
        assert_eq!(Dims { rank: 2, sides: [1, -1, 0, 0, 0, 0, 0, 0] }.shape(), None);
    }
}
