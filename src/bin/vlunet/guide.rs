//! The restorer of a command, and what tells it the degradation.

use crate::args::{Memory, ModelArgs, strength};
use ndarray::ArrayView3;
use vlunet::bundle::Bundle;
use vlunet::restore::{self, Restorer};
use vlunet::vlm::{Degradation, Detector};
use vlunet::{Error, Result};

/// How pictures are restored.
#[derive(clap::Args)]
pub struct RestorerArgs {
    /// What to undo (denoise, derain, dehaze, deblur, low-light, or one of the model's own
    /// prompts); detected in each picture where not given, if the model can.
    #[arg(short, long, value_name = "TASK")]
    task: Option<String>,

    /// Blend of the restored picture (1) and the input (0).
    #[arg(short, long, value_parser = strength, default_value = "1")]
    strength: f32,

    /// Memory that a run may take, as 1GiB: larger pictures are restored in tiles. Half of the
    /// free memory where not given.
    #[arg(long, value_name = "SIZE")]
    memory: Option<Memory>,

    #[command(flatten)]
    pub model: ModelArgs,
}

impl RestorerArgs {
    /// Opens the restorer and its guide.
    pub fn open(&self) -> Result<(Restorer, Guide)> {
        let bundle = self.model.bundle()?;
        let mut options = restore::Options { strength: self.strength, ..self.model.restore_options()? };
        if let Some(memory) = self.memory {
            options.memory = memory.bytes();
        }
        // The guide first: without a task, a model that can't detect is told of at once.
        let guide = Guide::open(&bundle, self)?;
        Ok((Restorer::open(&bundle, &options)?, guide))
    }
}

/// What tells the degradation of each picture.
pub enum Guide {
    /// The user named the task.
    Task(Degradation),
    /// The model's VLM head looks at each picture.
    Detector(Box<Detector>),
}

impl Guide {
    fn open(bundle: &Bundle, args: &RestorerArgs) -> Result<Self> {
        Ok(match &args.task {
            Some(task) => Self::Task(Degradation::for_task(bundle, task)?),
            None if bundle.manifest().vlm.is_none() => {
                return Err(Error::Input(format!(
                    "{} has no VLM head to detect the degradation with: say what to undo by --task ({})",
                    bundle.origin(),
                    bundle.prompts()?.tasks().join(", ")
                )));
            }
            None => {
                Self::Detector(Box::new(Detector::open(bundle, args.model.dtype(), &args.model.backend()?)?))
            }
        })
    }

    /// What is to be done to a picture `[3, H, W]`.
    pub fn look(&mut self, image: ArrayView3<'_, f32>) -> Result<Look> {
        match self {
            Self::Task(degradation) => Ok(Look { degradation: Some(degradation.clone()), label: None }),
            Self::Detector(detector) => {
                let detection = detector.detect(image)?;
                let label = Some(detection.label().to_owned());
                let degraded = !detection.is_clear();
                Ok(Look { degradation: degraded.then_some(detection.degradation), label })
            }
        }
    }
}

/// What a guide says of a picture.
pub struct Look {
    /// d_I to restore by; none where it lacks nothing, and is to be left as it is.
    pub degradation: Option<Degradation>,
    /// What was detected.
    pub label: Option<String>,
}
