//! An engine at fixed shapes, with some frames in flight.
#![allow(unsafe_code)]

use super::context::Context;
use super::engine::{Engine, Tensor};
use super::frame::{Buffer, Frame, Streams};
use super::gpu::Gpu;
use super::shim::Dims;
use crate::{Error, Result};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Frames that may be in flight.
const MOST_FRAMES: usize = 4;

/// The values of an input, in the order of its memory.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Floats; rounded where the engine takes them as `f16`.
    F32(&'a [f32]),
    /// Integers.
    I64(&'a [i64]),
}

/// An engine at one set of input shapes.
///
/// Each frame has buffers of its own, by a number from 0: while the GPU works on one, the next is
/// filled, and the one before read.
pub struct Session {
    frames: Vec<Frame>,
    // Dropped after the frames, whose work is in them.
    streams: Streams,
    context: Context,
}

impl Session {
    pub(super) fn new(engine: &Arc<Engine>, shapes: &[(&str, &[usize])], frames: usize) -> Result<Self> {
        let gpu = &engine.device().gpu;
        gpu.make_current()?;
        let inputs = ordered(engine, shapes)?;
        let dims: Option<Vec<Dims>> = inputs.iter().map(|(_, shape)| Dims::of(shape)).collect();
        let unfit = || Error::Model(format!("the engine isn't built for {shapes:?}"));
        let dims = dims.ok_or_else(unfit)?;
        let profile = engine.profile(&dims).ok_or_else(unfit)?;

        let streams = Streams::new(gpu)?;
        let mut context = Context::new(engine)?;
        if engine.inputs().iter().any(Tensor::is_dynamic) {
            context.set_profile(profile, streams.compute.raw())?;
            streams.synchronize()?;
        }
        for ((tensor, _), dims) in inputs.iter().zip(&dims) {
            if tensor.is_dynamic() {
                context.set_shape(&tensor.c_name, dims)?;
            }
        }
        let outputs = engine.outputs().iter().map(|tensor| {
            let shape = context.shape(&tensor.c_name)?.shape().ok_or_else(|| {
                Error::Model(format!("the size of {} depends on the values of the inputs", tensor.name))
            })?;
            Ok((tensor, shape))
        });
        let outputs: Vec<(&Tensor, Vec<usize>)> = outputs.collect::<Result<_>>()?;

        let mut session = Self { frames: Vec::new(), streams, context };
        for _ in 0..frames.clamp(1, MOST_FRAMES) {
            let buffers = |tensors: &[(&Tensor, Vec<usize>)]| -> Result<Vec<Buffer>> {
                tensors.iter().map(|(tensor, shape)| Buffer::new(gpu, tensor, shape)).collect()
            };
            session.frames.push(Frame::new(gpu, buffers(&inputs)?, buffers(&outputs)?)?);
        }
        session.record()?;
        Ok(session)
    }

    /// Records each frame's run as a graph, which starts at a lower cost; where that can't be, as
    /// with a DLA, runs are given one by one.
    fn record(&mut self) -> Result<()> {
        for at in 0..self.frames.len() {
            // The first run sets up what isn't to be recorded, and says where the frame's tensors are.
            self.submit(at)?;
            self.wait(at)?;
            let Self { frames, streams, context } = self;
            let Some(frame) = frames.get_mut(at) else { continue };
            let graph = streams.compute.capture(|| {
                // SAFETY: the frame lives as long as its graph; nothing runs while it is recorded.
                unsafe { context.enqueue(streams.compute.raw()) }
            });
            match graph {
                Ok(graph) => frame.graph = Some(graph),
                Err(error) => {
                    log::info!("the engine runs without a CUDA graph: {error}");
                    // What that left behind in CUDA's runtime goes with a run, whatever it says; the
                    // one after it must be good.
                    if let Err(left) = self.submit(at).and_then(|()| self.wait(at)) {
                        log::debug!("{left}");
                        self.submit(at)?;
                        self.wait(at)?;
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// How many frames may be in flight.
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// Whether runs are started as a CUDA graph.
    pub fn has_graph(&self) -> bool {
        self.frames.iter().all(|frame| frame.graph.is_some())
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        self.context.engine()
    }

    /// Inputs and outputs are named in errors.
    fn gpu(&self) -> &Gpu {
        &self.engine().device().gpu
    }

    /// A frame that isn't in flight.
    fn at_rest(&mut self, frame: usize) -> Result<&mut Frame> {
        match self.frames.get_mut(frame) {
            Some(found) if !found.in_flight => Ok(found),
            Some(_) => Err(Error::Model(format!("frame {frame} is in flight: it is to be waited for first"))),
            None => Err(Error::Model(format!("the session has no frame {frame}"))),
        }
    }

    /// An input's memory, of `f32`, to be filled in place: what isn't written keeps its value from
    /// the run before.
    ///
    /// # Errors
    /// [`Error::Model`] where there is no such input, it isn't of `f32`, or the frame is in flight.
    pub fn input(&mut self, frame: usize, name: &str) -> Result<&mut [f32]> {
        named_mut(&mut self.at_rest(frame)?.inputs, name)?.values_mut()
    }

    /// Copies an input's values in.
    ///
    /// # Errors
    /// [`Error::Model`] where there is no such input, it is of another size or type, or the frame is
    /// in flight.
    pub fn set(&mut self, frame: usize, name: &str, values: Values<'_>) -> Result<()> {
        named_mut(&mut self.at_rest(frame)?.inputs, name)?.set(values)
    }

    /// Begins a run of a frame, and doesn't wait for it. Frames run in the order in which they are
    /// given.
    ///
    /// # Errors
    /// [`Error::Gpu`] where the GPU doesn't take it; the frame isn't in flight then.
    /// [`Error::Model`] where it is in flight already.
    pub fn submit(&mut self, frame: usize) -> Result<()> {
        self.gpu().make_current()?;
        self.at_rest(frame)?;
        let Self { frames, streams, context } = self;
        let Some(frame) = frames.get_mut(frame) else { return Ok(()) };
        // SAFETY: the frame is in flight from here on, so that nobody gets at its values, and is
        // dropped only after the streams have been waited for.
        match unsafe { frame.give(context, streams) } {
            Ok(()) => {
                frame.in_flight = true;
                Ok(())
            }
            Err(error) => {
                // What was given before the error.
                if let Err(lost) = streams.synchronize() {
                    log::debug!("{lost}");
                }
                Err(error)
            }
        }
    }

    /// Waits for a frame; how long the GPU worked on it, without its way up and down.
    ///
    /// # Errors
    /// [`Error::Gpu`] where the GPU failed: the frame has no values then. [`Error::Model`] where the
    /// frame isn't in flight.
    pub fn wait(&mut self, frame: usize) -> Result<Duration> {
        self.gpu().make_current()?;
        let Self { frames, streams, .. } = self;
        let found = frames.get_mut(frame).filter(|found| found.in_flight);
        let found = found.ok_or_else(|| Error::Model(format!("frame {frame} isn't in flight")))?;
        let waited = found.wait(streams);
        if waited.is_err() {
            // What of it can still end; a GPU that is lost uses nothing any more.
            if let Err(lost) = streams.synchronize() {
                log::debug!("{lost}");
            }
        }
        found.in_flight = false;
        waited?;
        found.computed.since(&found.started)
    }

    /// An output's values, as the newest run of a frame gave them.
    ///
    /// # Errors
    /// [`Error::Model`] where there is no such output, it isn't of floats, or the frame is in flight.
    pub fn output(&self, frame: usize, name: &str) -> Result<Cow<'_, [f32]>> {
        let outputs = match self.frames.get(frame) {
            Some(found) if !found.in_flight => &found.outputs,
            _ => {
                return Err(Error::Model(format!(
                    "frame {frame} has no values: it is in flight, or isn't there"
                )));
            }
        };
        named(outputs, name)?.floats()
    }

    /// The shape of an output.
    ///
    /// # Errors
    /// [`Error::Model`] where there is no such output.
    pub fn output_shape(&self, name: &str) -> Result<&[usize]> {
        let outputs = self.frames.first().map_or(&[][..], |frame| &frame.outputs);
        named(outputs, name).map(|buffer| buffer.shape.as_slice())
    }

    /// Sets all inputs of frame 0, by name in any order, runs it and waits; how long the GPU worked.
    ///
    /// # Errors
    /// As [`Session::set`], [`Session::submit`] and [`Session::wait`]; [`Error::Model`] where an input
    /// is missing.
    pub fn run(&mut self, inputs: &[(&str, Values<'_>)]) -> Result<Duration> {
        for (name, values) in inputs {
            self.set(0, name, *values)?;
        }
        let given = |tensor: &&Tensor| !inputs.iter().any(|(name, _)| *name == tensor.name);
        if let Some(missing) = self.engine().inputs().iter().find(given) {
            return Err(Error::Model(format!("the engine wants an input {}", missing.name)));
        }
        self.submit(0)?;
        self.wait(0)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Buffers and context may be used until then. A GPU that is lost uses nothing.
        let waited = self.gpu().make_current().and_then(|()| self.streams.synchronize());
        if let Err(error) = waited {
            log::debug!("{error}");
        }
    }
}

/// Shapes in the order of the engine's inputs.
fn ordered<'a>(engine: &'a Engine, shapes: &[(&str, &[usize])]) -> Result<Vec<(&'a Tensor, Vec<usize>)>> {
    let inputs = engine.inputs();
    if let Some((unknown, _)) =
        shapes.iter().find(|(name, _)| !inputs.iter().any(|input| input.name == *name))
    {
        return Err(Error::Model(format!("the engine has no input {unknown}")));
    }
    let shape_of = |input: &'a Tensor| {
        let given = shapes.iter().find(|(name, _)| *name == input.name);
        let (_, shape) = given
            .ok_or_else(|| Error::Model(format!("the engine wants a shape for its input {}", input.name)))?;
        let fits = shape.len() == input.dims.len()
            && shape
                .iter()
                .zip(&input.dims)
                .all(|(side, own)| *own < 0 || usize::try_from(*own) == Ok(*side));
        match fits {
            true => Ok((input, shape.to_vec())),
            false => Err(Error::Model(format!(
                "the engine takes {} of shape {:?}, not {shape:?}",
                input.name, input.dims
            ))),
        }
    };
    inputs.iter().map(shape_of).collect()
}

fn unknown(buffers: &[Buffer], name: &str) -> Error {
    let names: Vec<_> = buffers.iter().map(|buffer| buffer.tensor.name.as_str()).collect();
    Error::Model(format!("the engine has no {name} there; it has {}", names.join(", ")))
}

fn named<'a>(buffers: &'a [Buffer], name: &str) -> Result<&'a Buffer> {
    buffers.iter().find(|buffer| buffer.tensor.name == name).ok_or_else(|| unknown(buffers, name))
}

fn named_mut<'a>(buffers: &'a mut [Buffer], name: &str) -> Result<&'a mut Buffer> {
    match buffers.iter().position(|buffer| buffer.tensor.name == name) {
        Some(at) => Ok(&mut buffers[at]),
        None => Err(unknown(buffers, name)),
    }
}
