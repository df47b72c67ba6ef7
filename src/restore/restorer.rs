//! The restorer of a bundle at work.

use super::gpu::{give_up, on_gpu, shapes};
use super::memory::{bytes_per_pixel, default_memory, picture_bytes};
use super::padding::reflect;
use super::pooled::Pooled;
use super::tiles::{SMALLEST_TILE, Tiling};
use crate::arch::VluNetConfig;
use crate::backend::gpu::GpuModel;
use crate::backend::{self, Input, Model, Processor, Session};
use crate::bundle::{Bundle, Dtype, Golden};
use crate::frame::Planes;
use crate::vlm::Degradation;
use crate::{Error, Result};
use ndarray::{ArrayD, ArrayView3, Axis, Ix4, Zip, s};
use std::borrow::Cow;

/// Sessions for this many picture sizes are kept; a folder of photos has few.
const KEPT_SESSIONS: usize = 4;

/// The largest picture: twice 8K, as [`crate::picture::Limits`] has it.
const MAX_PIXELS: usize = 2 * 7680 * 4320;

/// More than the largest picture has with what it is padded by.
const MAX_PADDED_PIXELS: usize = 2 * MAX_PIXELS;

/// The largest difference from float32's golden output that a model of this number format may
/// make, in engines that round differently: a quarter of an 8-bit step, two and a half, and what
/// int8's coarse steps make of single pixels.
fn self_test_tolerance(dtype: Dtype) -> f32 {
    match dtype {
        Dtype::F32 => 1e-3,
        Dtype::F16 => 1e-2,
        Dtype::Int8 => 0.25,
    }
}

/// The least PSNR of the golden frame against float32's, in dB.
const SELF_TEST_PSNR: f64 = 30.0;

/// How pictures are restored.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number format of the model; the bundle's best where none is given, float16 on a GPU.
    pub dtype: Option<Dtype>,
    /// How the engine runs.
    pub backend: backend::Options,
    /// Bytes that a run may take at its peak, beside the weights and the picture itself.
    pub memory: u64,
    /// Blend of the restored picture (1) and the input (0).
    pub strength: f32,
}

impl Default for Options {
    /// The bundle's best model on all cores, half of the free memory, full strength.
    fn default() -> Self {
        Self { dtype: None, backend: backend::Options::default(), memory: default_memory(), strength: 1.0 }
    }
}

/// The restorer of a bundle.
pub struct Restorer {
    model: Model,
    gpu: Option<GpuModel>,
    /// Why the GPU, which restored at first, doesn't any more.
    lost: Option<String>,
    config: VluNetConfig,
    /// Most recently used last, each with its picture size (height, width).
    sessions: Vec<((usize, usize), Session)>,
    memory: u64,
    /// Pixels that tract has the memory for.
    max_pixels: usize,
    strength: f32,
    dtype: Dtype,
    /// The model's file, to cut for tiles when a picture first needs them.
    onnx: Cow<'static, [u8]>,
    backend: backend::Options,
    pooled: Option<Pooled>,
}

impl Restorer {
    /// Opens a bundle's restorer.
    ///
    /// # Errors
    /// [`Error::Bundle`] where the bundle lacks the variant or its file is altered,
    /// [`Error::Model`] where that can't be read, [`Error::Input`] for a strength outside
    /// 0..=1, [`Error::Gpu`] where it is to be a GPU and there is none that can be used.
    pub fn open(bundle: &Bundle, options: &Options) -> Result<Self> {
        let gpu = on_gpu(bundle, options)?;
        // The number format was chosen for the GPU: what may stand in for it runs in the CPU's own best.
        let variant = bundle.variant(options.dtype.filter(|_| gpu.is_none()))?;
        let entry = &variant.restorer;
        let restorer =
            Self::new(bundle.read(entry)?, &entry.file, bundle.manifest().config.clone(), options)?;
        Ok(Self { dtype: variant.dtype, gpu, ..restorer })
    }

    /// From an ONNX model that takes `image` and `degradation` and gives `restored`; `name`
    /// stands for it in messages.
    ///
    /// # Errors
    /// [`Error::Model`] where it has other inputs or outputs.
    pub fn new(
        onnx: Cow<'static, [u8]>,
        name: &str,
        config: VluNetConfig,
        options: &Options,
    ) -> Result<Self> {
        let model = Model::open(&onnx, name, &options.backend)?;
        if !(0.0..=1.0).contains(&options.strength) {
            return Err(Error::Input(format!("a strength of {} is outside 0..=1", options.strength)));
        }
        if model.inputs() != ["image", "degradation"]
            || !model.outputs().iter().any(|name| name == "restored")
        {
            return Err(Error::Model(format!(
                "a restorer takes image, degradation and gives restored; this one takes {} and gives {}",
                model.inputs().join(", "),
                model.outputs().join(", ")
            )));
        }
        let max_pixels = (options.memory as f64 / bytes_per_pixel(&config)) as usize;
        let least = SMALLEST_TILE * SMALLEST_TILE;
        if max_pixels < least {
            let needed = (least as f64 * bytes_per_pixel(&config)) as u64 >> 20;
            log::warn!(
                "pictures larger than the memory budget are restored in tiles that take about {needed} MiB"
            );
        }
        Ok(Self {
            model,
            gpu: None,
            lost: None,
            config,
            sessions: Vec::new(),
            memory: options.memory,
            max_pixels,
            strength: options.strength,
            dtype: options.dtype.unwrap_or(Dtype::F32),
            onnx,
            backend: options.backend,
            pooled: None,
        })
    }

    /// Restores a picture `[3, H, W]`, RGB in 0..=1, and gives one of the same size in 0..=1.
    ///
    /// # Errors
    /// [`Error::Input`] for an empty picture, one beyond 8K, or one with values that aren't
    /// finite; [`Error::Model`] where the engine fails.
    pub fn restore(&mut self, image: ArrayView3<'_, f32>, degradation: &Degradation) -> Result<Planes> {
        let (channels, height, width) = image.dim();
        if channels != 3 || height == 0 || width == 0 {
            return Err(Error::Input(format!(
                "a picture of {width}x{height} pixels and {channels} channels can't be restored"
            )));
        }
        if height.saturating_mul(width) > MAX_PIXELS {
            return Err(Error::Input(format!(
                "a picture of {width}x{height} is over the limit of {MAX_PIXELS} pixels"
            )));
        }
        if image.iter().any(|value| !value.is_finite()) {
            return Err(Error::Input("the picture holds NaN or infinite values".into()));
        }
        if self.strength == 0.0 {
            return Ok(image.mapv(|value| value.clamp(0.0, 1.0)));
        }
        let multiple = self.config.multiple();
        let (padded_height, padded_width) =
            (height.next_multiple_of(multiple), width.next_multiple_of(multiple));
        let padded;
        let input = if (padded_height, padded_width) == (height, width) {
            image
        } else {
            padded = reflect(image, padded_height, padded_width);
            padded.view()
        };
        self.make_ready(padded_height, padded_width)?;
        let fits = self.fits_whole(padded_height, padded_width);
        let max_pixels = if fits { MAX_PADDED_PIXELS } else { self.max_pixels };
        let tiling = Tiling::plan(padded_height, padded_width, multiple, max_pixels);
        let strength = self.strength;
        if tiling.len() == 1 {
            let restored = self.run(input, degradation, |restored| blend(restored, image, strength));
            return match restored {
                Err(Error::Gpu(why)) => {
                    give_up();
                    self.lose_gpu(why);
                    self.restore(image, degradation)
                }
                restored => restored?,
            };
        }
        blend(self.restore_tiled(input, degradation, &tiling)?.view(), image, strength)
    }

    /// What restores pictures of the newest size, for people: `CPU, int8`.
    pub fn describe(&self) -> String {
        match &self.gpu {
            Some(gpu) if self.is_on_gpu() => gpu.describe(),
            _ => format!("CPU, {}", self.dtype),
        }
    }

    /// Whether a GPU restores pictures of the newest size.
    pub fn is_on_gpu(&self) -> bool {
        self.gpu.is_some() && self.sessions.last().is_some_and(|(_, session)| session.is_on_gpu())
    }

    /// Why the GPU, which restored at first, doesn't any more; told once.
    pub fn take_lost_gpu(&mut self) -> Option<String> {
        self.lost.take()
    }

    /// The blocks of the newest run, where the model runs in fused blocks and the picture was restored
    /// whole.
    pub fn profile(&self) -> Vec<backend::Block> {
        self.sessions.last().map(|(_, session)| session.profile()).unwrap_or_default()
    }

    /// Bytes that the session of the newest picture size holds beside the weights, where they are
    /// known.
    pub fn session_memory(&mut self) -> Option<usize> {
        self.sessions.last_mut().and_then(|(_, session)| session.memory())
    }

    /// Restores a bundle's golden frame and compares; gives the largest difference, in 0..=1.
    ///
    /// # Errors
    /// [`Error::Model`] where it is more than the number format accounts for (1e-3 in float32, a
    /// quarter of an 8-bit step), or the engine fails.
    pub fn self_test(&mut self, golden: &Golden) -> Result<f32> {
        let planes = |tensor: &ArrayD<f32>| {
            let batch = tensor.view().into_dimensionality::<Ix4>().ok().filter(|batch| batch.dim().0 == 1);
            let planes = batch.map(|batch| batch.index_axis_move(Axis(0), 0).to_owned());
            planes.ok_or_else(|| Error::Model("the golden frame is no picture".into()))
        };
        let (image, expected) = (planes(&golden.image)?, planes(&golden.restored)?);
        let degradation = Degradation::new(golden.degradation.iter().copied().collect())?;
        let strength = std::mem::replace(&mut self.strength, 1.0);
        let restored = self.restore(image.view(), &degradation);
        self.strength = strength;
        let restored = restored?;
        if restored.dim() != expected.dim() {
            return Err(Error::Model("the golden frame's output has another size than its input".into()));
        }
        let difference =
            restored.iter().zip(&expected).map(|(a, b)| (a - b.clamp(0.0, 1.0)).abs()).fold(0.0, f32::max);
        let squares = restored.iter().zip(&expected).map(|(a, b)| f64::from(a - b.clamp(0.0, 1.0)).powi(2));
        let psnr = -10.0 * (squares.sum::<f64>() / restored.len() as f64).log10();
        let dtype = self.gpu.as_ref().filter(|_| self.is_on_gpu()).map_or(self.dtype, GpuModel::dtype);
        if difference > self_test_tolerance(dtype) || psnr < SELF_TEST_PSNR {
            return Err(Error::Model(format!(
                "the golden frame comes out wrong by up to {difference} ({psnr:.1} dB): this {dtype} model doesn't \
                 work on this machine",
            )));
        }
        Ok(difference)
    }

    /// Whether fused blocks, which say what they take (less than tract does), have the memory for a
    /// picture of this size. One that they have a session for is not reckoned anew for each frame.
    fn fits_whole(&self, height: usize, width: usize) -> bool {
        let has_session = self.sessions.iter().any(|(size, _)| *size == (height, width));
        let bytes = |session: usize| (session + picture_bytes(height * width)) as u64;
        has_session
            || self.model.session_memory(height, width).is_some_and(|session| bytes(session) <= self.memory)
    }

    /// Restores a picture whose sides are multiples of the network's in tiles; not clamped.
    fn restore_tiled(
        &mut self,
        image: ArrayView3<'_, f32>,
        degradation: &Degradation,
        tiling: &Tiling,
    ) -> Result<Planes> {
        let (_, height, width) = image.dim();
        log::debug!("{width}x{height} in {} tiles of {}x{}", tiling.len(), tiling.width, tiling.height);
        let pooled = match self.pooled.take() {
            Some(pooled) => pooled,
            None => Pooled::new(&self.onnx, &self.config, &self.backend)?,
        };
        self.pooled.insert(pooled).restore(image, degradation, tiling)
    }

    /// Restores a picture whose sides are multiples of the network's whole; what comes out, not clamped,
    /// goes to `take`.
    fn run<T>(
        &mut self,
        image: ArrayView3<'_, f32>,
        degradation: &Degradation,
        take: impl FnOnce(ArrayView3<'_, f32>) -> T,
    ) -> Result<T> {
        let (_, height, width) = image.dim();
        let session = self.session(height, width)?;
        let image = image.insert_axis(Axis(0)).into_dyn();
        let inputs = [("image", Input::F32(image)), ("degradation", Input::F32(degradation.as_row()))];
        let outputs = session.run(&inputs)?;
        let restored = outputs.get("restored")?.into_dimensionality::<Ix4>();
        match restored {
            Ok(restored) if restored.dim() == (1, 3, height, width) => {
                Ok(take(restored.index_axis(Axis(0), 0)))
            }
            _ => Err(Error::Model("the restorer gave a picture of another shape than it was given".into())),
        }
    }

    fn session(&mut self, height: usize, width: usize) -> Result<&mut Session> {
        if let Some(index) = self.sessions.iter().position(|(size, _)| *size == (height, width)) {
            let kept = self.sessions.remove(index);
            self.sessions.push(kept);
        } else {
            let session = self.model.session(&shapes(&[1, 3, height, width]))?;
            self.keep((height, width), session);
        }
        let newest = self.sessions.last_mut().map(|(_, session)| session);
        newest.ok_or_else(|| Error::Model("no session was kept".into()))
    }

    fn keep(&mut self, size: (usize, usize), session: Session) {
        if self.sessions.len() == KEPT_SESSIONS {
            self.sessions.remove(0);
        }
        self.sessions.push((size, session));
    }

    /// Takes the GPU's engine for pictures of a new size, where there is one.
    fn make_ready(&mut self, height: usize, width: usize) -> Result<()> {
        let Some(gpu) = &self.gpu else { return Ok(()) };
        if self.sessions.iter().any(|(size, _)| *size == (height, width)) {
            return Ok(());
        }
        match gpu.session(&shapes(&[1, 3, height, width])) {
            Ok(Some(session)) => self.keep((height, width), session),
            Ok(None) => {}
            Err(Error::Gpu(why)) if self.backend.processor == Processor::Auto => self.lose_gpu(why),
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// Goes on without the GPU.
    fn lose_gpu(&mut self, why: String) {
        log::warn!("GPU: {why}; the CPU restores from now on");
        self.sessions.clear();
        self.gpu = None;
        self.lost = Some(why);
    }
}

/// The part of what was restored that the picture covers, blended with it, in 0..=1.
fn blend(restored: ArrayView3<'_, f32>, image: ArrayView3<'_, f32>, strength: f32) -> Result<Planes> {
    let (_, height, width) = image.dim();
    let mut is_sound = true;
    let blended =
        Zip::from(restored.slice(s![.., ..height, ..width])).and(image).map_collect(|&restored, &input| {
            is_sound &= !restored.is_nan();
            (input + strength * (restored - input)).clamp(0.0, 1.0)
        });
    if is_sound {
        Ok(blended)
    } else {
        Err(Error::Model("the restorer gave NaN: its weights do not fit this picture".into()))
    }
}
