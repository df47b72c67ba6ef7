//! What a GPU's work takes: a context, streams, events, memory and graphs, each freed once.
#![allow(unsafe_code)]

use super::Reason;
use super::driver::{Address, Driver, Object};
use crate::Result;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

/// Of `CUdevice_attribute`.
const INTEGRATED: c_int = 18;
const CAN_MAP_HOST_MEMORY: c_int = 19;
const COMPUTE_MAJOR: c_int = 75;
const COMPUTE_MINOR: c_int = 76;

/// `CU_STREAM_NON_BLOCKING`: doesn't wait for the legacy default stream.
const NON_BLOCKING: u32 = 1;

/// `CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP`.
const PORTABLE_AND_MAPPED: u32 = 1 | 2;

/// `CU_EVENT_BLOCKING_SYNC`: who waits sleeps, and leaves its core to others.
const SLEEPING: u32 = 1;

/// `CU_STREAM_CAPTURE_MODE_THREAD_LOCAL`: what other threads do meanwhile is no matter.
const CAPTURE_OF_THIS_THREAD: c_int = 1;

/// A GPU, with the primary context, which CUDA's runtime inside TensorRT has, too.
///
/// There is none without a driver that started and a GPU that it found: whoever has one may call
/// TensorRT.
pub(super) struct Gpu {
    driver: &'static Driver,
    device: c_int,
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
    /// The first GPU that the driver shows (CUDA_VISIBLE_DEVICES may choose).
    pub fn open() -> Result<Arc<Self>, Reason> {
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
        // SAFETY: the last that can fail; given back when the `Gpu` is dropped.
        fine(unsafe { (entries.context_retain)(&mut context, device) })?;
        Ok(Arc::new(Self { driver, device, context, name, compute, memory: memory as u64, is_integrated }))
    }

    /// The newest CUDA that the driver runs: 12060 of 12.6.
    pub fn cuda(&self) -> i32 {
        self.driver.version
    }

    /// Makes this GPU the one that this thread's calls go to, as TensorRT needs it.
    pub fn make_current(&self) -> Result<()> {
        // SAFETY: the context is retained as long as `self` lives.
        self.driver.check("turn to the GPU", unsafe { (self.driver.entries.context_set)(self.context) })
    }

    /// For destructors: does it, and logs what goes wrong.
    fn free(&self, what: &str, free: impl FnOnce() -> c_int) {
        if let Err(error) = self.make_current().and_then(|()| self.driver.check(what, free())) {
            log::debug!("{error}");
        }
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        // SAFETY: retained once, by `open`.
        let code = unsafe { (self.driver.entries.context_release)(self.device) };
        if let Err(error) = self.driver.check("leave the GPU", code) {
            log::debug!("{error}");
        }
    }
}

/// Declares an owner of an object of the driver's.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident, $destroy:ident, $what:literal) => {
        $(#[$doc])*
        pub(super) struct $name {
            gpu: Arc<Gpu>,
            raw: Object,
        }

        // SAFETY: as for `Gpu`.
        unsafe impl Send for $name {}

        impl $name {
            fn entries(&self) -> &'static super::driver::Entries {
                &self.gpu.driver.entries
            }

            fn check(&self, what: &str, code: c_int) -> Result<()> {
                self.gpu.driver.check(what, code)
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: made by this type and destroyed here alone.
                self.gpu.free($what, || unsafe { (self.gpu.driver.entries.$destroy)(self.raw) });
            }
        }
    };
}

object! {
    /// Work that is done in its order.
    Stream, stream_destroy, "end a stream"
}

object! {
    /// A point in a stream's work.
    Event, event_destroy, "end an event"
}

object! {
    /// A stream's work, recorded, to be done again at a lower cost.
    Graph, graph_exec_destroy, "end a graph"
}

impl Stream {
    pub fn new(gpu: &Arc<Gpu>) -> Result<Self> {
        gpu.make_current()?;
        let mut raw = ptr::null_mut();
        // SAFETY: writes a stream, which `Self` owns.
        gpu.driver
            .check("begin a stream", unsafe { (gpu.driver.entries.stream_create)(&mut raw, NON_BLOCKING) })?;
        Ok(Self { gpu: Arc::clone(gpu), raw })
    }

    /// As TensorRT takes it.
    pub fn raw(&self) -> *mut c_void {
        self.raw
    }

    /// Waits for all of it.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: a stream of ours.
        self.check("wait for the GPU", unsafe { (self.entries().stream_synchronize)(self.raw) })
    }

    /// What comes after waits for an event.
    pub fn wait_for(&self, event: &Event) -> Result<()> {
        // SAFETY: both are ours.
        self.check("wait in a stream", unsafe { (self.entries().stream_wait_event)(self.raw, event.raw, 0) })
    }

    /// Copies host memory to as much of the device's, when its turn comes.
    ///
    /// # Safety
    /// Both live, and the host's isn't written, until the stream has come past it.
    pub unsafe fn upload(&self, from: &Pinned, to: &DeviceMemory) -> Result<()> {
        let bytes = from.bytes.min(to.bytes);
        // SAFETY: `bytes` are in both.
        self.check("copy to the GPU", unsafe {
            (self.entries().copy_to_device)(to.address, from.start, bytes, self.raw)
        })
    }

    /// Copies device memory to as much of the host's, when its turn comes.
    ///
    /// # Safety
    /// Both live, and the host's is neither read nor written, until the stream has come past it.
    pub unsafe fn download(&self, from: &DeviceMemory, to: &Pinned) -> Result<()> {
        let bytes = from.bytes.min(to.bytes);
        // SAFETY: `bytes` are in both.
        self.check("copy from the GPU", unsafe {
            (self.entries().copy_to_host)(to.start, from.address, bytes, self.raw)
        })
    }

    /// Records what `work` gives the stream, in place of doing it.
    ///
    /// # Errors
    /// What `work` says; else that the driver can't record it. The stream is as before then.
    pub fn capture(&self, work: impl FnOnce() -> Result<()>) -> Result<Graph> {
        let entries = self.entries();
        // SAFETY: a stream of ours; each capture is ended below.
        self.check("record a graph", unsafe {
            (entries.stream_begin_capture)(self.raw, CAPTURE_OF_THIS_THREAD)
        })?;
        let worked = work();
        let mut graph = ptr::null_mut();
        // SAFETY: begun above; writes a graph or null.
        let ended =
            self.check("record a graph", unsafe { (entries.stream_end_capture)(self.raw, &mut graph) });
        let made = worked.and(ended).and_then(|()| {
            let mut raw = ptr::null_mut();
            // SAFETY: a graph that was just recorded.
            self.check("make a graph", unsafe { (entries.graph_instantiate)(&mut raw, graph, 0) })?;
            Ok(Graph { gpu: Arc::clone(&self.gpu), raw })
        });
        if !graph.is_null() {
            // SAFETY: recorded above; what was instantiated doesn't need it.
            unsafe { (entries.graph_destroy)(graph) };
        }
        made
    }
}

impl Graph {
    /// Does the work again, in a stream.
    ///
    /// # Safety
    /// What the recorded work reads and writes lives, and isn't used, until the stream has come
    /// past it.
    pub unsafe fn launch(&self, stream: &Stream) -> Result<()> {
        // SAFETY: both are ours.
        self.check("start a graph", unsafe { (self.entries().graph_launch)(self.raw, stream.raw) })
    }
}

impl Event {
    /// One that takes the time.
    pub fn new(gpu: &Arc<Gpu>) -> Result<Self> {
        gpu.make_current()?;
        let mut raw = ptr::null_mut();
        // SAFETY: writes an event, which `Self` owns.
        gpu.driver
            .check("make an event", unsafe { (gpu.driver.entries.event_create)(&mut raw, SLEEPING) })?;
        Ok(Self { gpu: Arc::clone(gpu), raw })
    }

    /// Marks the point that a stream's work has come to.
    pub fn record(&self, stream: &Stream) -> Result<()> {
        // SAFETY: both are ours.
        self.check("mark a stream", unsafe { (self.entries().event_record)(self.raw, stream.raw) })
    }

    /// Waits until the stream has come to it.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: an event of ours.
        self.check("wait for the GPU", unsafe { (self.entries().event_synchronize)(self.raw) })
    }

    /// From an earlier event to this one, both past.
    pub fn since(&self, earlier: &Self) -> Result<Duration> {
        let mut milliseconds = 0.0;
        // SAFETY: a number is written.
        self.check("take the time", unsafe {
            (self.entries().event_elapsed)(&mut milliseconds, earlier.raw, self.raw)
        })?;
        Ok(Duration::try_from_secs_f32(milliseconds / 1000.0).unwrap_or_default())
    }
}

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
        gpu.driver
            .check("take GPU memory", unsafe { (gpu.driver.entries.memory_alloc)(&mut address, bytes) })?;
        Ok(Self { gpu: Arc::clone(gpu), address, bytes })
    }

    pub fn address(&self) -> Address {
        self.address
    }
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`, and freed here alone.
        self.gpu.free("free GPU memory", || unsafe { (self.gpu.driver.entries.memory_free)(self.address) });
    }
}
