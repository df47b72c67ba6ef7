//! Whether what TensorRT made is an object.
//!
//! Without a GPU, `createInferRuntime_INTERNAL` of TensorRT 10.16 and 11.4 logs errors and gives out
//! a small number in place of a pointer (0x228, 0x260), and the next call crashes. So the driver is
//! asked first ([`Gpu`](super::gpu::Gpu) is the proof that it was), small numbers are no pointers,
//! and an object that came with an error isn't touched.

use super::gpu::Gpu;
use super::logger::Mark;
use super::shim::Handle;
use crate::{Error, Result};
use std::ptr::NonNull;

/// Addresses below are of the page that no program has.
const LOWEST: usize = 4096;

/// Makes an object of TensorRT's on a GPU that is there.
///
/// # Errors
/// [`Error::Gpu`] with TensorRT's own words where it made none. One that came with an error is left
/// where it is: to destroy it may crash.
pub(super) fn made(
    gpu: &Gpu,
    what: &str,
    make: impl FnOnce() -> Handle,
) -> Result<NonNull<std::ffi::c_void>> {
    gpu.make_current()?;
    let mark = Mark::now();
    let handle = make();
    is_object(handle, mark.own()).map_err(|why| Error::Gpu(format!("TensorRT makes no {what}: {why}")))
}

fn is_object(handle: Handle, error: Option<String>) -> Result<NonNull<std::ffi::c_void>, String> {
    match NonNull::new(handle) {
        Some(handle) if handle.addr().get() >= LOWEST && error.is_none() => Ok(handle),
        Some(_) | None => Err(error.unwrap_or_else(|| "it gives no reason".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Library;
    use super::*;
    use std::ptr;

    #[test]
    fn what_tensorrt_gives_without_a_gpu_is_no_object() {
        for garbage in [0, 0x228, 0x230, 0x260, 0xfff] {
            assert!(is_object(ptr::without_provenance_mut(garbage), None).is_err());
        }
        let object = ptr::without_provenance_mut(0x7fff_0000);
        assert!(is_object(object, None).is_ok());
        assert_eq!(
            is_object(object, Some("CUDA initialization failure".into())).unwrap_err(),
            "CUDA initialization failure"
        );
    }

    #[test]
    #[ignore = "takes a real library in VLUNET_TENSORRT_LIB: tests/tensorrt/wheels.sh"]
    fn what_a_real_library_gives_without_a_gpu_is_no_object() {
        let library = Library::open().unwrap();
        if Gpu::open().is_ok() {
            return;
        }
        let mark = Mark::now();
        // Not to be touched but for its address.
        let handle = library.create_runtime();
        println!("TensorRT {} makes {handle:p}: {:?}", library.version(), mark.own());
        assert!(is_object(handle, mark.own()).is_err());
        // Either sign is enough.
        assert!(is_object(handle, None).is_err() || mark.own().is_some());
        if library.is_lean() {
            let why = library.create_builder().err().unwrap().to_string();
            assert!(why.contains("lean") && !why.contains('\n'), "{why}");
        }
    }
}
