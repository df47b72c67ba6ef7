//! What runs an engine, at shapes and with memory that it is told.
#![allow(unsafe_code)]

use super::engine::{Engine, refused};
use super::logger::Mark;
use super::shim::{self, Api, Dims, Handle};
use crate::Result;
use std::ffi::{CStr, c_void};
use std::ptr::{self, NonNull};
use std::sync::{Arc, PoisonError};

/// `IExecutionContext`: one run at a time.
pub(super) struct Context {
    handle: NonNull<c_void>,
    // Dropped after the context.
    engine: Arc<Engine>,
}

// SAFETY: used by one thread at a time, as no method takes `&self` of two.
unsafe impl Send for Context {}

impl Context {
    pub fn new(engine: &Arc<Engine>) -> Result<Self> {
        engine.device().gpu.make_current()?;
        let mark = Mark::now();
        let mut handle = ptr::null_mut();
        let making = engine.making.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: an engine. It writes a context or null.
        unsafe { (engine.api().engine_context)(engine.handle.as_ptr(), &mut handle) };
        drop(making);
        let handle = NonNull::new(handle).ok_or_else(|| refused("TensorRT makes no session", &mark))?;
        Ok(Self { handle, engine: Arc::clone(engine) })
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    fn asked(&self, what: &str, ask: impl FnOnce(&'static Api, Handle) -> i32) -> Result<()> {
        let mark = Mark::now();
        match ask(self.engine.api(), self.handle.as_ptr()) {
            shim::OK => Ok(()),
            _ => Err(refused(what, &mark)),
        }
    }

    /// Turns to a profile; what it copies is in the stream.
    pub fn set_profile(&mut self, profile: i32, stream: *mut c_void) -> Result<()> {
        // SAFETY: a context and a stream.
        self.asked("TensorRT takes no such size", |api, it| unsafe {
            (api.context_profile)(it, profile, stream)
        })
    }

    pub fn set_shape(&mut self, input: &CStr, dims: &Dims) -> Result<()> {
        // SAFETY: a context; name and shape are copied.
        self.asked("TensorRT takes no such shape", |api, it| unsafe {
            (api.context_set_shape)(it, input.as_ptr(), dims)
        })
    }

    /// The shape that a tensor has by now.
    pub fn shape(&self, tensor: &CStr) -> Result<Dims> {
        let mut dims = Dims::default();
        // SAFETY: a context; a shape is written.
        self.asked("TensorRT knows no shape of an output", |api, it| unsafe {
            (api.context_shape)(it, tensor.as_ptr(), &mut dims)
        })?;
        Ok(dims)
    }

    /// Says where a tensor is, for the runs that follow.
    ///
    /// # Safety
    /// The GPU finds memory there that is large enough, until the last of those runs is over.
    pub unsafe fn set_address(&mut self, tensor: &CStr, address: u64) -> Result<()> {
        let address = ptr::without_provenance_mut(address as usize);
        // SAFETY: a context; by what is asked of the caller.
        self.asked("TensorRT takes no such address", |api, it| unsafe {
            (api.context_address)(it, tensor.as_ptr(), address)
        })
    }

    /// Gives a run to a stream.
    ///
    /// # Safety
    /// The memory of all tensors isn't used until the stream has come past it.
    pub unsafe fn enqueue(&mut self, stream: *mut c_void) -> Result<()> {
        // SAFETY: a context and a stream; by what is asked of the caller.
        self.asked("the GPU doesn't run the engine", |api, it| unsafe { (api.context_enqueue)(it, stream) })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let _ = self.engine.device().gpu.make_current();
        let _making = self.engine.making.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: made in `new`, and at rest, as the session has waited for its streams.
        unsafe { (self.engine.api().context_destroy)(self.handle.as_ptr()) };
    }
}
