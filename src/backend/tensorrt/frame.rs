//! The buffers of one frame in flight.
#![allow(unsafe_code)]

use super::context::Context;
use super::engine::{Element, Tensor};
use super::gpu::Gpu;
use super::memory::{DeviceMemory, Pinned};
use super::session::Values;
use super::stream::{Event, Graph, Stream};
use crate::{Error, Result};
use half::f16;
use half::slice::HalfFloatSliceExt;
use std::borrow::Cow;
use std::slice;
use std::sync::Arc;

/// A tensor at its shape, with its memory.
pub(super) struct Buffer {
    pub tensor: Tensor,
    pub shape: Vec<usize>,
    host: Pinned,
    /// None where the GPU works in the host's.
    device: Option<DeviceMemory>,
    /// Where the GPU finds it.
    address: u64,
}

impl Buffer {
    pub fn new(gpu: &Arc<Gpu>, tensor: &Tensor, shape: &[usize]) -> Result<Self> {
        let bytes = shape.iter().try_fold(tensor.element.size(), |bytes, side| bytes.checked_mul(*side));
        let bytes = bytes.ok_or_else(|| {
            Error::Model(format!("{} of shape {shape:?} is larger than any memory", tensor.name))
        })?;
        let host = Pinned::new(gpu, bytes)?;
        let device = if gpu.is_integrated { None } else { Some(DeviceMemory::new(gpu, bytes)?) };
        // Asked for once: the driver isn't to be asked while a graph is recorded.
        let address = device.as_ref().map_or_else(|| host.address(), |device| Ok(device.address()))?;
        Ok(Self { tensor: tensor.clone(), shape: shape.to_vec(), host, device, address })
    }

    fn len(&self) -> usize {
        self.host.bytes() / self.tensor.element.size()
    }

    fn is_of(&self, element: Element) -> Result<()> {
        match self.tensor.element == element {
            true => Ok(()),
            false => Err(Error::Model(format!(
                "{} is of {:?}, not {element:?}",
                self.tensor.name, self.tensor.element
            ))),
        }
    }

    /// The values, where they are of `T`.
    fn values<T: Plain>(&self) -> Result<&[T]> {
        self.is_of(T::ELEMENT)?;
        // SAFETY: aligned to a page, of so many `T`, of which any bits are a value. No frame in
        // flight is asked for its values, so that the GPU doesn't write them.
        Ok(unsafe { slice::from_raw_parts(self.host.start().cast::<T>(), self.len()) })
    }

    /// The same, to be written.
    pub fn values_mut<T: Plain>(&mut self) -> Result<&mut [T]> {
        self.is_of(T::ELEMENT)?;
        // SAFETY: the same, and `&mut self` is the only way to it.
        Ok(unsafe { slice::from_raw_parts_mut(self.host.start().cast::<T>(), self.len()) })
    }

    /// Copies values in, as what the tensor is made of.
    pub fn set(&mut self, values: Values<'_>) -> Result<()> {
        let given = match values {
            Values::F32(values) => values.len(),
            Values::I64(values) => values.len(),
        };
        if given != self.len() {
            return Err(Error::Model(format!(
                "{} of shape {:?} takes {} values, not {given}",
                self.tensor.name,
                self.shape,
                self.len()
            )));
        }
        match (values, self.tensor.element) {
            (Values::F32(values), Element::F16) => self.values_mut::<f16>()?.convert_from_f32_slice(values),
            (Values::F32(values), _) => self.values_mut::<f32>()?.copy_from_slice(values),
            (Values::I64(values), Element::I32) => {
                for (to, value) in self.values_mut::<i32>()?.iter_mut().zip(values) {
                    *to = i32::try_from(*value).map_err(|_| {
                        Error::Model(format!("{value} is more than a number of 32 bits takes"))
                    })?;
                }
            }
            (Values::I64(values), _) => self.values_mut::<i64>()?.copy_from_slice(values),
        }
        Ok(())
    }

    /// The values as `f32`.
    pub fn floats(&self) -> Result<Cow<'_, [f32]>> {
        match self.tensor.element {
            Element::F16 => Ok(Cow::Owned(self.values::<f16>()?.to_f32_vec())),
            _ => self.values::<f32>().map(Cow::Borrowed),
        }
    }
}

/// Numbers of which any bits are a value.
///
/// # Safety
/// They are, and have the size of their element.
pub(super) unsafe trait Plain: Copy {
    const ELEMENT: Element;
}

// SAFETY: a number of 4 bytes.
unsafe impl Plain for f32 {
    const ELEMENT: Element = Element::F32;
}
// SAFETY: a number of 2 bytes.
unsafe impl Plain for f16 {
    const ELEMENT: Element = Element::F16;
}
// SAFETY: a number of 4 bytes.
unsafe impl Plain for i32 {
    const ELEMENT: Element = Element::I32;
}
// SAFETY: a number of 8 bytes.
unsafe impl Plain for i64 {
    const ELEMENT: Element = Element::I64;
}

/// What one frame needs while it is in flight.
pub(super) struct Frame {
    pub inputs: Vec<Buffer>,
    pub outputs: Vec<Buffer>,
    /// The run, recorded.
    pub graph: Option<Graph>,
    pub in_flight: bool,
    uploaded: Event,
    pub started: Event,
    pub computed: Event,
    downloaded: Event,
}

impl Frame {
    pub fn new(gpu: &Arc<Gpu>, inputs: Vec<Buffer>, outputs: Vec<Buffer>) -> Result<Self> {
        let event = || Event::new(gpu);
        let [uploaded, started, computed, downloaded] = [event()?, event()?, event()?, event()?];
        Ok(Self { inputs, outputs, graph: None, in_flight: false, uploaded, started, computed, downloaded })
    }

    /// Tells the context where this frame's tensors are.
    ///
    /// # Safety
    /// The frame lives until the last of the runs that follow is over.
    pub unsafe fn bind(&self, context: &mut Context) -> Result<()> {
        for buffer in self.inputs.iter().chain(&self.outputs) {
            // SAFETY: memory of the tensor's size; by what is asked of the caller.
            unsafe { context.set_address(&buffer.tensor.c_name, buffer.address)? };
        }
        Ok(())
    }

    /// Gives all of the frame's work to the streams: up, through the engine, and down again.
    ///
    /// # Safety
    /// The frame lives, and its values aren't touched, until [`Self::wait`] has returned or the
    /// streams have been waited for.
    pub unsafe fn give(&self, context: &mut Context, streams: &Streams) -> Result<()> {
        let Streams { upload, compute, download } = streams;
        if let Some(upload) = upload {
            for buffer in &self.inputs {
                if let Some(device) = &buffer.device {
                    // SAFETY: by what is asked of the caller.
                    unsafe { upload.upload(&buffer.host, device)? };
                }
            }
            self.uploaded.record(upload)?;
            compute.wait_for(&self.uploaded)?;
        }
        self.started.record(compute)?;
        match &self.graph {
            // SAFETY: by what is asked of the caller.
            Some(graph) => unsafe { graph.launch(compute)? },
            None => {
                // SAFETY: the same.
                unsafe {
                    self.bind(context)?;
                    context.enqueue(compute.raw())?;
                }
            }
        }
        self.computed.record(compute)?;
        if let Some(download) = download {
            download.wait_for(&self.computed)?;
            for buffer in &self.outputs {
                if let Some(device) = &buffer.device {
                    // SAFETY: the same.
                    unsafe { download.download(device, &buffer.host)? };
                }
            }
            self.downloaded.record(download)?;
        }
        Ok(())
    }

    /// Waits until the values are there.
    pub fn wait(&self, streams: &Streams) -> Result<()> {
        match streams.download {
            Some(_) => self.downloaded.synchronize(),
            None => self.computed.synchronize(),
        }
    }
}

/// Where work is given to. Frames go up and down beside the run of another; where GPU and CPU have
/// the same memory, they don't move.
pub(super) struct Streams {
    upload: Option<Stream>,
    pub compute: Stream,
    download: Option<Stream>,
}

impl Streams {
    pub fn new(gpu: &Arc<Gpu>) -> Result<Self> {
        let mover = || (!gpu.is_integrated).then(|| Stream::new(gpu)).transpose();
        Ok(Self { upload: mover()?, compute: Stream::new(gpu)?, download: mover()? })
    }

    /// Waits for all that was given to them.
    pub fn synchronize(&self) -> Result<()> {
        let all = [self.upload.as_ref(), Some(&self.compute), self.download.as_ref()];
        // Each of them, whatever the others say; then the first error.
        let outcomes = all.map(|stream| stream.map_or(Ok(()), Stream::synchronize));
        outcomes.into_iter().collect()
    }
}
