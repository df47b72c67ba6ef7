//! Flags that several commands share.

use clap::{Args, ValueEnum};
use std::str::FromStr;
use vlunet::bundle::{Bundle, DEFAULT_BUNDLE, Dtype};
use vlunet::{Result, backend, restore};

/// Which model, and how it runs.
#[derive(Args)]
pub struct ModelArgs {
    /// The model: a bundle's folder or .vlu file, the name of the embedded one, or installed:NAME.
    #[arg(short, long, value_name = "PATH|NAME", default_value = DEFAULT_BUNDLE)]
    pub model: String,

    /// Number format of the model; the bundle's best where not given.
    #[arg(long, value_enum)]
    pub dtype: Option<DtypeArg>,

    /// What the model runs on.
    #[arg(long, value_enum, default_value_t = BackendArg::Auto)]
    pub backend: BackendArg,

    /// What runs it on a CPU.
    #[arg(long, value_enum, default_value_t = EngineArg::Auto)]
    pub engine: EngineArg,

    /// The DLA core of a Jetson that restores, the GPU only what it can't.
    #[arg(long, value_name = "CORE")]
    pub dla: Option<u32>,

    /// Threads of the model; all cores where not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub threads: Option<u16>,
}

/// A number format on the command line.
#[derive(Clone, Copy, ValueEnum)]
pub enum DtypeArg {
    /// 32-bit floats.
    #[value(alias = "fp32")]
    F32,
    /// 16-bit floats.
    #[value(alias = "fp16")]
    F16,
    /// 8-bit integers.
    Int8,
}

impl From<DtypeArg> for Dtype {
    fn from(dtype: DtypeArg) -> Self {
        match dtype {
            DtypeArg::F32 => Self::F32,
            DtypeArg::F16 => Self::F16,
            DtypeArg::Int8 => Self::Int8,
        }
    }
}

/// An engine on the command line.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum BackendArg {
    /// TensorRT where an NVIDIA GPU and an engine for the size are there, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// TensorRT, on an NVIDIA GPU; builds the engine where it isn't there.
    Tensorrt,
}

/// A CPU engine on the command line.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum EngineArg {
    /// Fused blocks for restorers, tract for any other model.
    Auto,
    /// tract alone, operator by operator.
    Tract,
}

impl ModelArgs {
    pub fn bundle(&self) -> Result<Bundle> {
        Bundle::find(&self.model)
    }

    pub fn dtype(&self) -> Option<Dtype> {
        self.dtype.map(Dtype::from)
    }

    pub fn backend(&self) -> Result<backend::Options> {
        let processor = match self.backend {
            BackendArg::Auto => backend::Processor::Auto,
            BackendArg::Cpu => backend::Processor::Cpu,
            BackendArg::Tensorrt => backend::Processor::Gpu,
        };
        let engine = match self.engine {
            EngineArg::Auto => backend::Engine::Auto,
            EngineArg::Tract => backend::Engine::Tract,
        };
        let options = backend::Options { engine, processor, dla: self.dla, ..Default::default() };
        Ok(self.threads.map_or(options, |threads| backend::Options { threads: threads.into(), ..options }))
    }

    /// How this model restores at full strength, in the default memory.
    pub fn restore_options(&self) -> Result<restore::Options> {
        Ok(restore::Options { dtype: self.dtype(), backend: self.backend()?, ..restore::Options::default() })
    }
}

/// An amount of memory: `512MiB`, `2GB`.
#[derive(Clone, Copy)]
pub struct Memory(u64);

impl Memory {
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size: bytesize::ByteSize =
            text.parse().map_err(|_| "an amount of memory reads like 512MiB or 2GB".to_owned())?;
        if size.as_u64() < bytesize::MIB {
            Err("that is less than 1MiB".into())
        } else {
            Ok(Self(size.as_u64()))
        }
    }
}

/// A picture's size: `640x360`.
#[derive(Clone, Copy)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sides = text
            .split_once('x')
            .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
        match sides {
            Some((width @ 1..=16_384, height @ 1..=16_384)) => Ok(Self { width, height }),
            _ => Err("a size reads WIDTHxHEIGHT, as 640x360, with sides of 1 to 16384".into()),
        }
    }
}

/// A blend in 0..=1.
pub fn strength(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("a strength is a number in 0..=1".into()),
    }
}
