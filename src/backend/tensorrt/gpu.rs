//! A GPU that the driver has found.
#![allow(unsafe_code)]

use super::Reason;
use super::driver::{Driver, Object};
use crate::Result;
use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

/// Of `CUdevice_attribute`.
const INTEGRATED: c_int = 18;
const CAN_MAP_HOST_MEMORY: c_int = 19;
const COMPUTE_MAJOR: c_int = 75;
const COMPUTE_MINOR: c_int = 76;

/// A GPU, with the primary context, which CUDA's runtime inside TensorRT has, too.
///
/// There is none without a driver that started and a GPU that it found: whoever has one may call
/// TensorRT.
pub(super) struct Gpu {
    pub(super) driver: &'static Driver,
    context: Object,
    pub name: String,
    pub compute: [i32; 2],
    pub memory: u64,
    /// Of the same memory as the CPU, as a Jetson's.
    pub is_integrated: bool,
}

// SAFETY: the driver's functions may be called from any thread, with objects of any thread's; the
// structures below change no field after they are made.
unsafe impl Send for Gpu {}
// SAFETY: the same.
unsafe impl Sync for Gpu {}

impl Gpu {
    /// The first GPU that the driver shows (CUDA_VISIBLE_DEVICES may choose), held until the process
    /// ends: the driver destroys a primary context that nobody holds, and what TensorRT keeps for
    /// itself is in it.
    pub fn open() -> Result<Arc<Self>, Reason> {
        static HELD: Mutex<Option<Arc<Gpu>>> = Mutex::new(None);
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gpu) = &*held {
            return Ok(Arc::clone(gpu));
        }
        let gpu = Self::find()?;
        *held = Some(Arc::clone(&gpu));
        Ok(gpu)
    }

    fn find() -> Result<Arc<Self>, Reason> {
        let driver = Driver::open()?;
        let entries = &driver.entries;
        let fine = |code| match code {
            0 => Ok(()),
            code => Err(Reason::DriverFails { code, text: driver.text(code) }),
        };
        let attribute = |device, attribute| {
            let mut value = 0;
            // SAFETY: a number is written.
            fine(unsafe { (entries.device_attribute)(&mut value, attribute, device) }).map(|()| value)
        };
        let (mut device, mut memory, mut context) = (0, 0, ptr::null_mut());
        let mut name: [c_char; 128] = [0; 128];
        // SAFETY: a device that the driver counted; numbers and a text that fits are written.
        unsafe {
            fine((entries.device_get)(&mut device, 0))?;
            fine((entries.device_name)(name.as_mut_ptr(), name.len() as c_int - 1, device))?;
            fine((entries.device_memory)(&mut memory, device))?;
        }
        // SAFETY: the last character is 0, whatever the driver wrote before.
        let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
        let compute = [attribute(device, COMPUTE_MAJOR)?, attribute(device, COMPUTE_MINOR)?];
        let is_integrated =
            attribute(device, INTEGRATED)? != 0 && attribute(device, CAN_MAP_HOST_MEMORY)? != 0;
        // SAFETY: the last that can fail; never given back.
        fine(unsafe { (entries.context_retain)(&mut context, device) })?;
        Ok(Arc::new(Self { driver, context, name, compute, memory: memory as u64, is_integrated }))
    }

    /// The newest CUDA that the driver runs: 12060 of 12.6.
    pub fn cuda(&self) -> i32 {
        self.driver.version
    }

    /// Makes this GPU the one that this thread's calls go to, as TensorRT needs it.
    pub fn make_current(&self) -> Result<()> {
        // SAFETY: the context is retained for good.
        self.driver.check("turn to the GPU", unsafe { (self.driver.entries.context_set)(self.context) })
    }

    /// For destructors: does it, and logs what goes wrong.
    pub(super) fn free(&self, what: &str, free: impl FnOnce() -> c_int) {
        if let Err(error) = self.make_current().and_then(|()| self.driver.check(what, free())) {
            log::debug!("{error}");
        }
    }
}
