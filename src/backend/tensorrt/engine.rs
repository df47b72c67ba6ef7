//! An engine on a GPU: a plan that was loaded.
#![allow(unsafe_code)]

use super::logger::Mark;
use super::shim::{self, Api, Dims, Handle};
use super::{Device, Session, guard};
use crate::{Error, Result};
use std::ffi::{CStr, CString, c_void};
use std::ptr;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

/// What a tensor is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// `f32`
    F32,
    /// `f16`
    F16,
    /// `i32`
    I32,
    /// `i64`
    I64,
}

impl Element {
    /// By `nvinfer1::DataType`.
    fn of(kind: i32) -> Option<Self> {
        match kind {
            0 => Some(Self::F32),
            1 => Some(Self::F16),
            3 => Some(Self::I32),
            8 => Some(Self::I64),
            _ => None,
        }
    }

    /// Bytes of one.
    pub const fn size(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::I64 => 8,
        }
    }
}

/// An input or output of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name, as in the ONNX file.
    pub name: String,
    /// What it is made of.
    pub element: Element,
    /// Its sides; -1 for those that a profile fixes.
    pub dims: Vec<i64>,
    /// The name as TensorRT takes it.
    pub(super) c_name: CString,
}

impl Tensor {
    pub(super) fn is_dynamic(&self) -> bool {
        self.dims.iter().any(|side| *side < 0)
    }
}

/// `IRuntime`, which every engine is loaded by.
pub(super) struct Runtime {
    device: Device,
    handle: NonNull<c_void>,
}

impl Runtime {
    pub fn new(device: &Device) -> Result<Self> {
        let handle = guard::made(&device.gpu, "runtime", || device.library.create_runtime())?;
        Ok(Self { device: device.clone(), handle })
    }

    fn api(&self) -> &'static Api {
        self.device.library.api
    }

    pub fn dla_cores(&self) -> u32 {
        // SAFETY: a runtime.
        u32::try_from(unsafe { (self.api().runtime_dla_cores)(self.handle.as_ptr()) }).unwrap_or(0)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = self.device.gpu.make_current();
        // SAFETY: made in `new`; what it made is gone, as it owns a `Runtime`.
        unsafe { (self.api().runtime_destroy)(self.handle.as_ptr()) };
    }
}

/// An engine, ready to make sessions.
pub struct Engine {
    pub(super) handle: NonNull<c_void>,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
    /// Contexts are made and destroyed one at a time.
    pub(super) making: Mutex<()>,
    // Dropped after the engine.
    runtime: Runtime,
}

// SAFETY: what is called through `&Engine` only reads the engine, which TensorRT allows from any
// number of threads, or holds `making`.
unsafe impl Send for Engine {}
// SAFETY: the same.
unsafe impl Sync for Engine {}

impl Engine {
    /// Loads a plan that was built here, on the DLA core that it was built for.
    ///
    /// A plan is code: only those that [`Cache`](super::Cache) gives, or that were just built, are to
    /// be loaded.
    ///
    /// # Errors
    /// [`Error::Gpu`] where TensorRT doesn't take it; [`Error::Model`] where its inputs or outputs are
    /// of types that aren't served.
    pub fn load(device: &Device, plan: &[u8], dla_core: Option<u32>) -> Result<Arc<Self>> {
        let runtime = Runtime::new(device)?;
        let api = runtime.api();
        let core = dla_core.and_then(|core| i32::try_from(core).ok()).unwrap_or(-1);
        let mark = Mark::now();
        let mut handle: Handle = ptr::null_mut();
        // SAFETY: a runtime; the plan is copied. It writes an engine or null.
        let outcome = unsafe {
            (api.runtime_deserialize)(
                runtime.handle.as_ptr(),
                plan.as_ptr().cast(),
                plan.len(),
                core,
                &mut handle,
            )
        };
        let handle = NonNull::new(handle).filter(|_| outcome == shim::OK);
        let handle = handle.ok_or_else(|| refused("TensorRT doesn't load the engine", &mark))?;
        // From here on, dropping it destroys the engine.
        let mut engine =
            Self { handle, inputs: Vec::new(), outputs: Vec::new(), making: Mutex::new(()), runtime };
        engine.find_tensors()?;
        Ok(Arc::new(engine))
    }

    fn find_tensors(&mut self) -> Result<()> {
        let (api, handle) = (self.api(), self.handle.as_ptr());
        // SAFETY: an engine.
        for index in 0..unsafe { (api.engine_tensor_count)(handle) } {
            let mut found =
                shim::Tensor { name: ptr::null(), is_input: 0, kind: -1, on_host: 0, dims: Dims::default() };
            // SAFETY: an index of a tensor that there is; the name lives as long as the engine.
            let outcome = unsafe { (api.engine_tensor)(handle, index, &mut found) };
            if outcome != shim::OK || found.name.is_null() {
                return Err(Error::Gpu(format!("TensorRT says nothing of tensor {index}")));
            }
            // SAFETY: not null, and ends in a zero.
            let c_name = unsafe { CStr::from_ptr(found.name) }.to_owned();
            let name = c_name.to_string_lossy().into_owned();
            let element = Element::of(found.kind).filter(|_| found.on_host == 0).ok_or_else(|| {
                Error::Model(format!("the engine's {name} is of a type that isn't served ({})", found.kind))
            })?;
            let tensor = Tensor { name, element, dims: found.dims.sides().to_vec(), c_name };
            if found.is_input != 0 { self.inputs.push(tensor) } else { self.outputs.push(tensor) }
        }
        Ok(())
    }

    /// Its inputs, in the engine's order.
    pub fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    /// Its outputs, in the engine's order.
    pub fn outputs(&self) -> &[Tensor] {
        &self.outputs
    }

    /// The GPU that it is on.
    pub fn device(&self) -> &Device {
        &self.runtime.device
    }

    /// Bytes of GPU memory that a session takes beside weights, inputs and outputs, at the largest
    /// of its sizes.
    pub fn session_memory(&self) -> u64 {
        // SAFETY: an engine.
        u64::try_from(unsafe { (self.api().engine_memory)(self.handle.as_ptr()) }).unwrap_or(0)
    }

    /// Makes it ready for inputs of these shapes, with so many frames in flight (1 to 4).
    ///
    /// # Errors
    /// [`Error::Model`] where it wasn't built for these shapes; [`Error::Gpu`] where memory or
    /// anything else of the GPU's is missing.
    pub fn session(self: &Arc<Self>, shapes: &[(&str, &[usize])], frames: usize) -> Result<Session> {
        Session::new(self, shapes, frames)
    }

    pub(super) fn api(&self) -> &'static Api {
        self.runtime.api()
    }

    /// The profile that has these shapes, in the order of the inputs.
    pub(super) fn profile(&self, shapes: &[Dims]) -> Option<i32> {
        // SAFETY: an engine.
        let count = unsafe { (self.api().engine_profile_count)(self.handle.as_ptr()) };
        (0..count).find(|profile| {
            let mut inputs = self.inputs.iter().zip(shapes);
            inputs.all(|(input, shape)| !input.is_dynamic() || self.takes(input, *profile, shape))
        })
    }

    fn takes(&self, input: &Tensor, profile: i32, shape: &Dims) -> bool {
        let (mut min, mut max) = (Dims::default(), Dims::default());
        // SAFETY: an engine, and a name that ends in a zero; two shapes are written.
        let outcome = unsafe {
            (self.api().engine_range)(
                self.handle.as_ptr(),
                input.c_name.as_ptr(),
                profile,
                &mut min,
                &mut max,
            )
        };
        let sides = min.sides().iter().zip(max.sides()).zip(shape.sides());
        outcome == shim::OK
            && [min.rank, max.rank] == [shape.rank; 2]
            && sides.into_iter().all(|((min, max), side)| min <= side && side <= max)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.device().gpu.make_current();
        // SAFETY: made in `load`; its contexts are gone, as each has an `Arc` of it.
        unsafe { (self.api().engine_destroy)(self.handle.as_ptr()) };
    }
}

/// An error in TensorRT's own words.
pub(super) fn refused(what: &str, mark: &Mark) -> Error {
    let why = mark.any().unwrap_or_else(|| "it gives no reason".into());
    Error::Gpu(format!("{what}: {why}"))
}
