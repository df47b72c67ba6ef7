//! A GPU's work: streams, events and graphs, each ended once.
#![allow(unsafe_code)]

use super::driver::{Entries, Object};
use super::gpu::Gpu;
use super::memory::{DeviceMemory, Pinned};
use crate::Result;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

/// `CU_STREAM_NON_BLOCKING`: doesn't wait for the legacy default stream.
const NON_BLOCKING: u32 = 1;

/// `CU_EVENT_BLOCKING_SYNC`: who waits sleeps, and leaves its core to others.
const SLEEPING: u32 = 1;

/// `CU_STREAM_CAPTURE_MODE_THREAD_LOCAL`: what other threads do meanwhile is no matter.
const CAPTURE_OF_THIS_THREAD: c_int = 1;

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
            fn entries(&self) -> &'static Entries {
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
        let code = unsafe { (gpu.driver.entries.stream_create)(&mut raw, NON_BLOCKING) };
        gpu.driver.check("begin a stream", code)?;
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
        let bytes = from.bytes().min(to.bytes());
        // SAFETY: `bytes` are in both.
        self.check("copy to the GPU", unsafe {
            (self.entries().copy_to_device)(to.address(), from.start(), bytes, self.raw)
        })
    }

    /// Copies device memory to as much of the host's, when its turn comes.
    ///
    /// # Safety
    /// Both live, and the host's is neither read nor written, until the stream has come past it.
    pub unsafe fn download(&self, from: &DeviceMemory, to: &Pinned) -> Result<()> {
        let bytes = from.bytes().min(to.bytes());
        // SAFETY: `bytes` are in both.
        self.check("copy from the GPU", unsafe {
            (self.entries().copy_to_host)(to.start(), from.address(), bytes, self.raw)
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
        let code = unsafe { (entries.stream_end_capture)(self.raw, &mut graph) };
        let ended = self.check("record a graph", code);
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
        let code = unsafe { (gpu.driver.entries.event_create)(&mut raw, SLEEPING) };
        gpu.driver.check("make an event", code)?;
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
