//! Memory of the host and of the GPU, each freed once.
#![allow(unsafe_code)]

use super::driver::Address;
use super::gpu::Gpu;
use crate::Result;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

/// `CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP`.
const PORTABLE_AND_MAPPED: u32 = 1 | 2;

/// Host memory that the GPU reads and writes without a detour; all 0 at first.
pub(super) struct Pinned {
    gpu: Arc<Gpu>,
    start: *mut c_void,
    bytes: usize,
}

// SAFETY: memory of the process, not of a thread, which a `Pinned` owns alone.
unsafe impl Send for Pinned {}
// SAFETY: reading needs `&self`, writing `&mut self`.
unsafe impl Sync for Pinned {}

impl Pinned {
    pub fn new(gpu: &Arc<Gpu>, bytes: usize) -> Result<Self> {
        gpu.make_current()?;
        let (mut start, bytes) = (ptr::null_mut(), bytes.max(1));
        // SAFETY: writes the address of memory that `Self` owns.
        gpu.driver.check("take host memory", unsafe {
            (gpu.driver.entries.host_alloc)(&mut start, bytes, PORTABLE_AND_MAPPED)
        })?;
        // SAFETY: so many bytes are ours.
        unsafe { start.cast::<u8>().write_bytes(0, bytes) };
        Ok(Self { gpu: Arc::clone(gpu), start, bytes })
    }

    /// Where the GPU sees it.
    pub fn address(&self) -> Result<Address> {
        let mut address = 0;
        // SAFETY: allocated as mapped.
        self.gpu.driver.check("map host memory", unsafe {
            (self.gpu.driver.entries.host_address)(&mut address, self.start, 0)
        })?;
        Ok(address)
    }

    /// Its start; aligned to a page.
    pub fn start(&self) -> *mut c_void {
        self.start
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`, and freed here alone.
        self.gpu.free("free host memory", || unsafe { (self.gpu.driver.entries.host_free)(self.start) });
    }
}

/// Memory of a GPU that has its own.
pub(super) struct DeviceMemory {
    gpu: Arc<Gpu>,
    address: Address,
    bytes: usize,
}

impl DeviceMemory {
    pub fn new(gpu: &Arc<Gpu>, bytes: usize) -> Result<Self> {
        gpu.make_current()?;
        let (mut address, bytes) = (0, bytes.max(1));
        // SAFETY: writes the address of memory that `Self` owns.
        let code = unsafe { (gpu.driver.entries.memory_alloc)(&mut address, bytes) };
        gpu.driver.check("take GPU memory", code)?;
        Ok(Self { gpu: Arc::clone(gpu), address, bytes })
    }

    pub fn address(&self) -> Address {
        self.address
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`, and freed here alone.
        self.gpu.free("free GPU memory", || unsafe { (self.gpu.driver.entries.memory_free)(self.address) });
    }
}
