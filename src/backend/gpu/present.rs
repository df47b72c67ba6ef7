//! TensorRT's engines, from the cache or built for it.

use super::super::tensorrt::{self, Cache, Device, Engine, PlanKey, Profile, Reason, Unusable, Values};
use super::super::{Input, Options, Outputs, Processor, Session};
use super::{Built, OnStep, Search};
use crate::bundle::Dtype;
use crate::{Error, Result};
use ndarray::{ArrayViewD, IxDyn};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A GPU with a TensorRT for it.
#[derive(Clone)]
pub struct Gpu(Device);

impl Gpu {
    /// The GPU of this machine.
    ///
    /// # Errors
    /// [`Error::Gpu`] where there is none, or no driver or TensorRT for it.
    pub fn open() -> Result<Self> {
        tensorrt::probe().map(Self).map_err(Reason::into_error)
    }

    /// Whether an error of [`Gpu::open`] is no more than that this machine has no GPU.
    pub fn is_expected() -> bool {
        matches!(tensorrt::probe(), Err(Reason::NoDriver(_) | Reason::NoGpu))
    }

    /// What it is, for people.
    pub fn describe(&self) -> String {
        let [major, minor] = self.0.compute_capability();
        format!("TensorRT {} on {} (sm_{major}{minor})", self.0.library().version(), self.0.name())
    }

    /// The same with its CUDA, memory and DLA cores.
    pub fn details(&self) -> String {
        let [major, minor] = self.0.cuda();
        let memory = self.0.memory() >> 20;
        let dla = self.0.dla_cores().map_or_else(
            |e| format!("DLA unknown: {e}"),
            |cores| format!("{cores} DLA core{}", if cores == 1 { "" } else { "s" }),
        );
        let lean = if self.0.library().is_lean() { ", lean: it builds no engines" } else { "" };
        format!("{}{lean}; CUDA {major}.{minor}, {memory} MiB, {dla}", self.describe())
    }

    /// The variant of a bundle whose file an engine of that number format is built from.
    pub fn variant(&self, dtype: Dtype) -> Dtype {
        match of(dtype).variant(self.0.library().version()) {
            tensorrt::Variant::F32 => Dtype::F32,
            tensorrt::Variant::F16 => Dtype::F16,
            tensorrt::Variant::Int8 => Dtype::Int8,
        }
    }
}

fn of(dtype: Dtype) -> tensorrt::Dtype {
    match dtype {
        Dtype::F32 => tensorrt::Dtype::Fp32,
        Dtype::F16 => tensorrt::Dtype::Fp16,
        Dtype::Int8 => tensorrt::Dtype::Int8,
    }
}

/// A model on a GPU.
pub struct GpuModel {
    gpu: Gpu,
    onnx: Cow<'static, [u8]>,
    dtype: Dtype,
    dla: Option<u32>,
    builds: bool,
    cache: Cache,
}

impl GpuModel {
    /// A model for engines of that number format.
    ///
    /// # Errors
    /// [`Error::Gpu`] where engines can't be kept.
    pub fn new(gpu: Gpu, onnx: Cow<'static, [u8]>, dtype: Dtype, options: &Options) -> Result<Self> {
        let builds = options.processor == Processor::Gpu;
        Ok(Self { gpu, onnx, dtype, dla: options.dla, builds, cache: Cache::open()? })
    }

    /// The number format that its engines compute in.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// What runs it, for people.
    pub fn describe(&self) -> String {
        let dla = self.dla.map(|core| format!(", DLA {core}")).unwrap_or_default();
        format!("{}, {}{dla}", self.gpu.describe(), of(self.dtype))
    }

    /// Makes the model ready for inputs of these shapes; none where there is no engine for them and none
    /// is to be built.
    ///
    /// # Errors
    /// [`Error::Gpu`] where the engine can't be built or run.
    pub fn session(&self, shapes: &[(&str, &[usize])]) -> Result<Option<Session>> {
        let engine = match self.cached(shapes).map(|plan| self.load(&plan)) {
            // Of another board with a GPU of the same name, perhaps.
            Some(Err(Error::Gpu(why))) if self.builds => {
                log::warn!("the engine for {} isn't used: {why}", size(shapes));
                self.anew(shapes)?
            }
            Some(loaded) => Some(loaded?),
            None if self.builds => self.anew(shapes)?,
            None => {
                log::warn!(
                    "there is no engine for {} yet, so the CPU restores: vlunet engine build --size {0} makes one",
                    size(shapes)
                );
                None
            }
        };
        engine.map(|engine| GpuSession::new(&engine, shapes).map(Session::of_gpu)).transpose()
    }

    fn load(&self, plan: &[u8]) -> Result<Arc<Engine>> {
        Engine::load(&self.gpu.0, plan, self.dla)
    }

    /// Builds an engine and loads it.
    fn anew(&self, shapes: &[(&str, &[usize])]) -> Result<Option<Arc<Engine>>> {
        log::warn!("building the engine for {}: it takes minutes, once", size(shapes));
        let step = |phase: &str, step, steps| {
            log::debug!("{phase}: {step} of {steps}");
            !super::is_ending()
        };
        let Some(made) = self.make(shapes, &Search::default(), &step)? else { return Ok(None) };
        if let Err(e) = made.kept {
            log::warn!("the engine for {} is built anew at the next start: {e}", size(shapes));
        }
        self.load(&made.plan).map(Some)
    }

    /// Builds the engine for inputs of these shapes, where it isn't there; none where `on_step` stopped
    /// it.
    ///
    /// # Errors
    /// As [`GpuModel::session`].
    pub fn build(
        &self,
        shapes: &[(&str, &[usize])],
        search: &Search,
        on_step: OnStep<'_>,
    ) -> Result<Option<Built>> {
        if !search.anew
            && let Some(plan) = self.cached(shapes)
        {
            return Ok(Some(Built { bytes: plan.len(), took: None }));
        }
        let Some(made) = self.make(shapes, search, on_step)? else { return Ok(None) };
        made.kept?;
        Ok(Some(Built { bytes: made.plan.len(), took: Some(made.took) }))
    }

    /// The plan for these shapes, where the cache has one that can be trusted.
    fn cached(&self, shapes: &[(&str, &[usize])]) -> Option<Vec<u8>> {
        let options = self.options(shapes);
        match self.cache.get(&PlanKey::new(&self.gpu.0, &self.onnx, &options).key()) {
            Ok(plan) => Some(plan),
            Err(Unusable::Missing) => None,
            Err(why) => {
                log::warn!("the engine for {} isn't used: {why}", size(shapes));
                None
            }
        }
    }

    fn make(
        &self,
        shapes: &[(&str, &[usize])],
        search: &Search,
        on_step: OnStep<'_>,
    ) -> Result<Option<Made>> {
        let start = Instant::now();
        let key = PlanKey::new(&self.gpu.0, &self.onnx, &self.options(shapes));
        let (key, timing_key) = (key.key(), key.timing_key());
        let options = tensorrt::Options {
            workspace: search.workspace,
            optimization_level: search.level,
            ..self.options(shapes)
        };
        let steps = Mutex::new(HashMap::new());
        let hear = |progress: tensorrt::Progress<'_>| {
            let mut steps = steps.lock().unwrap_or_else(PoisonError::into_inner);
            match progress {
                tensorrt::Progress::Starts { phase, steps: count, .. } => {
                    steps.insert(phase.to_owned(), count);
                    on_step(phase, 0, count)
                }
                tensorrt::Progress::Step { phase, step } => {
                    on_step(phase, step + 1, steps.get(phase).copied().unwrap_or(0))
                }
                tensorrt::Progress::Ends { phase } => {
                    let count = steps.remove(phase).unwrap_or(0);
                    on_step(phase, count, count)
                }
            }
        };
        // Without it, the build takes longer and nothing else.
        let timing = self.cache.get(&timing_key).unwrap_or_default();
        let Some(plan) = Engine::build(&self.gpu.0, &self.onnx, &options, &timing, &hear)? else {
            return Ok(None);
        };
        let kept = self.cache.put(&key, &plan.bytes);
        if let Err(e) = self.cache.put(&timing_key, &plan.timing) {
            log::warn!("the next build takes as long as this one: {e}");
        }
        Ok(Some(Made { plan: plan.bytes, took: start.elapsed(), kept }))
    }

    /// What decides which engine it is; how it was sought doesn't.
    fn options(&self, shapes: &[(&str, &[usize])]) -> tensorrt::Options {
        let options = tensorrt::Options::new(of(self.dtype), vec![Profile::fixed(shapes)]);
        tensorrt::Options { dla_core: self.dla, ..options }
    }
}

/// What a build gave.
struct Made {
    plan: Vec<u8>,
    took: Duration,
    /// Whether the cache has it now.
    kept: Result<()>,
}

/// The picture's size, for people and for `--size`.
fn size(shapes: &[(&str, &[usize])]) -> String {
    let picture = shapes.iter().find_map(|(_, shape)| match shape {
        [_, _, height, width] => Some(format!("{width}x{height}")),
        _ => None,
    });
    picture.unwrap_or_else(|| "this size".into())
}

/// An engine at work.
pub(in crate::backend) struct GpuSession {
    session: tensorrt::Session,
    inputs: Vec<(String, Vec<usize>)>,
    outputs: Vec<(String, Vec<usize>)>,
    /// Outputs that aren't of floats as they are, made such.
    widened: HashMap<String, Vec<f32>>,
}

impl GpuSession {
    fn new(engine: &Arc<Engine>, shapes: &[(&str, &[usize])]) -> Result<Self> {
        // One frame: what overlaps is its copies alone, and the loop makes the next frame ready meanwhile.
        let session = engine.session(shapes, 1)?;
        let inputs = shapes.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect();
        let outputs = engine.outputs().iter().map(|tensor| {
            let shape = session.output_shape(&tensor.name)?;
            Ok((tensor.name.clone(), shape.to_vec()))
        });
        let outputs = outputs.collect::<Result<_>>()?;
        Ok(Self { session, inputs, outputs, widened: HashMap::new() })
    }

    pub(in crate::backend) fn run(&mut self, inputs: &[(&str, Input<'_>)]) -> Result<Outputs<'_>> {
        for (name, shape) in &self.inputs {
            let found = inputs.iter().find(|(given, _)| given == name);
            let (_, input) =
                found.ok_or_else(|| Error::Model(format!("the engine wants an input {name}")))?;
            match input {
                Input::F32(view) if view.shape() == shape => {
                    let values = view.as_standard_layout();
                    let values = values.as_slice().unwrap_or_default();
                    self.session.set(0, name, Values::F32(values))?;
                }
                _ => {
                    return Err(Error::Model(format!(
                        "this engine takes {name} of shape {shape:?}, not {:?}",
                        input.shape()
                    )));
                }
            }
        }
        self.session.submit(0)?;
        let time = self.session.wait(0)?;
        log::trace!("the GPU took {time:?}");
        self.widened.clear();
        for (name, _) in &self.outputs {
            if let Cow::Owned(values) = self.session.output(0, name)? {
                self.widened.insert(name.clone(), values);
            }
        }
        Ok(Outputs::of_gpu(self))
    }

    pub(in crate::backend) fn output(&self, name: &str) -> Result<ArrayViewD<'_, f32>> {
        let known = self.outputs.iter().find(|(known, _)| known == name);
        let (_, shape) = known.ok_or_else(|| Error::Model(format!("the engine has no output {name}")))?;
        let values = match self.widened.get(name) {
            Some(values) => values.as_slice(),
            None => match self.session.output(0, name)? {
                Cow::Borrowed(values) => values,
                Cow::Owned(_) => return Err(Error::Model(format!("the engine's output {name} changed"))),
            },
        };
        ArrayViewD::from_shape(IxDyn(shape), values)
            .map_err(|e| Error::Model(format!("the engine's output {name}: {e}")))
    }
}
