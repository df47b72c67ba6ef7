//! The CUDA driver's interface, `libcuda.so.1`, opened at run time; CUDA's runtime isn't needed.
#![allow(unsafe_code)]

use super::Reason;
use super::library::why;
use crate::{Error, Result};
use libloading::os::unix::{Library, RTLD_NOW};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;

/// `CUcontext`, `CUstream`, `CUevent`, `CUgraph`, `CUgraphExec`.
pub(super) type Object = *mut c_void;

/// `CUdeviceptr`.
pub(super) type Address = u64;

/// `CUDA_ERROR_NO_DEVICE`.
const NO_DEVICE: c_int = 100;

macro_rules! entries {
    ($($field:ident = $symbol:literal ($($argument:ty),*);)*) => {
        /// The functions of the driver that are called, by the names that it exports; all give a
        /// `CUresult`.
        pub(super) struct Entries {
            $(pub $field: unsafe extern "C" fn($($argument),*) -> c_int,)*
        }

        impl Entries {
            fn of(library: &Library) -> Result<Self, Reason> {
                $(
                    // SAFETY: `cuda.h` of CUDA 12 and 13 has it of this type, under this name.
                    let $field = *unsafe {
                        library.get::<unsafe extern "C" fn($($argument),*) -> c_int>($symbol.as_bytes())
                    }
                    .map_err(|_| Reason::OldDriver($symbol.into()))?;
                )*
                Ok(Self { $($field),* })
            }
        }
    };
}

entries! {
    init = "cuInit" (c_uint);
    driver_version = "cuDriverGetVersion" (*mut c_int);
    error_string = "cuGetErrorString" (c_int, *mut *const c_char);
    device_count = "cuDeviceGetCount" (*mut c_int);
    device_get = "cuDeviceGet" (*mut c_int, c_int);
    device_name = "cuDeviceGetName" (*mut c_char, c_int, c_int);
    device_attribute = "cuDeviceGetAttribute" (*mut c_int, c_int, c_int);
    device_memory = "cuDeviceTotalMem_v2" (*mut usize, c_int);
    context_retain = "cuDevicePrimaryCtxRetain" (*mut Object, c_int);
    context_set = "cuCtxSetCurrent" (Object);
    memory_alloc = "cuMemAlloc_v2" (*mut Address, usize);
    memory_free = "cuMemFree_v2" (Address);
    host_alloc = "cuMemHostAlloc" (*mut *mut c_void, usize, c_uint);
    host_free = "cuMemFreeHost" (*mut c_void);
    host_address = "cuMemHostGetDevicePointer_v2" (*mut Address, *mut c_void, c_uint);
    copy_to_device = "cuMemcpyHtoDAsync_v2" (Address, *const c_void, usize, Object);
    copy_to_host = "cuMemcpyDtoHAsync_v2" (*mut c_void, Address, usize, Object);
    stream_create = "cuStreamCreate" (*mut Object, c_uint);
    stream_destroy = "cuStreamDestroy_v2" (Object);
    stream_synchronize = "cuStreamSynchronize" (Object);
    stream_wait_event = "cuStreamWaitEvent" (Object, Object, c_uint);
    stream_begin_capture = "cuStreamBeginCapture_v2" (Object, c_int);
    stream_end_capture = "cuStreamEndCapture" (Object, *mut Object);
    event_create = "cuEventCreate" (*mut Object, c_uint);
    event_destroy = "cuEventDestroy_v2" (Object);
    event_record = "cuEventRecord" (Object, Object);
    event_synchronize = "cuEventSynchronize" (Object);
    event_elapsed = "cuEventElapsedTime" (*mut f32, Object, Object);
    graph_instantiate = "cuGraphInstantiateWithFlags" (*mut Object, Object, u64);
    graph_destroy = "cuGraphDestroy" (Object);
    graph_exec_destroy = "cuGraphExecDestroy" (Object);
    graph_launch = "cuGraphLaunch" (Object, Object);
}

/// The driver, started, with a GPU; open until the process ends.
pub(super) struct Driver {
    pub entries: Entries,
    /// The newest CUDA that it runs: 12060 of 12.6.
    pub version: i32,
}

impl Driver {
    /// Opens and starts the driver, once for the process.
    ///
    /// # Errors
    /// Why there is no GPU that can be used.
    pub fn open() -> Result<&'static Self, Reason> {
        static DRIVER: OnceLock<Result<Driver, Reason>> = OnceLock::new();
        DRIVER.get_or_init(|| Self::start("libcuda.so.1")).as_ref().map_err(Clone::clone)
    }

    fn start(name: &str) -> Result<Self, Reason> {
        // SAFETY: the driver's initialisers ask nothing of the caller.
        let library = unsafe { Library::open(Some(name), RTLD_NOW) };
        let library = library.map_err(|e| Reason::NoDriver(why(&e)))?;
        let entries = Entries::of(&library)?;
        // The driver has threads of its own once it is started.
        std::mem::forget(library);
        let fine = |code: c_int| match code {
            0 => Ok(()),
            NO_DEVICE => Err(Reason::NoGpu),
            code => Err(Reason::DriverFails { code, text: text(&entries, code) }),
        };
        let (mut devices, mut version) = (0, 0);
        // SAFETY: numbers are written where they are asked for; `init` comes first.
        unsafe {
            fine((entries.init)(0))?;
            fine((entries.device_count)(&mut devices))?;
            fine((entries.driver_version)(&mut version))?;
        }
        if devices < 1 {
            return Err(Reason::NoGpu);
        }
        Ok(Self { entries, version })
    }

    /// Makes an error of a code that isn't 0; `what` says what was tried.
    ///
    /// # Errors
    /// [`Error::Gpu`] with the driver's words.
    pub fn check(&self, what: &str, code: c_int) -> Result<()> {
        match code {
            0 => Ok(()),
            code => Err(Error::Gpu(format!("cannot {what}: CUDA error {code} ({})", self.text(code)))),
        }
    }

    /// The driver's words for a code.
    pub fn text(&self, code: c_int) -> String {
        text(&self.entries, code)
    }
}

fn text(entries: &Entries, code: c_int) -> String {
    let mut text = std::ptr::null();
    // SAFETY: it writes the address of a constant, or null for a code that it doesn't know.
    unsafe {
        if (entries.error_string)(code, &mut text) != 0 || text.is_null() {
            return "unknown".into();
        }
        CStr::from_ptr(text).to_string_lossy().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_driver_says_so_in_one_line() {
        let reason = Driver::start("libcuda-that-is-not-here.so.1").err().unwrap();
        assert!(matches!(reason, Reason::NoDriver(_)));
        assert!(!reason.to_string().contains('\n'));
    }

    #[test]
    fn a_library_that_is_no_driver_is_not_called() {
        assert_eq!(Driver::start("libc.so.6").err().unwrap(), Reason::OldDriver("cuInit".into()));
    }
}
