//! The training loop.

use super::RunFolder;
use super::checkpoint::State;
use super::curves::draw;
use super::journal::{Event, Journal};
use super::recent::Recent;
use super::teacher::{self, Taught, restorer_of};
use super::validation::Validation;
use crate::arch::DEGRADATION_DIM;
use crate::arch::VluNetConfig;
use crate::bundle::{Bundle, Task};
use crate::train::data::{Batch, Library, Loader, Ready, Rounds, cut};
use crate::train::guide::{Guide, Vectors};
use crate::train::network::{VluNet, grown, initial};
use crate::train::parameters::Parameters;
use crate::train::quantized::Quantized;
use crate::train::recipe::Recipe;
use crate::train::replicas;
use crate::weights::Weights;
use crate::{Error, Result};
use burn::tensor::{Device, Tensor, TensorData};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Steps between two lines of the journal.
const JOURNAL_STEPS: u64 = 50;

/// Held-out pictures that validation looks at.
const VALIDATION_PICTURES: usize = 36;

/// Where a call ends before its run does, and what it runs on.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Stops, to be resumed, after this long.
    pub time: Option<Duration>,
    /// Stops, to be resumed, after so many steps.
    pub steps: Option<u64>,
    /// Time between two checkpoints.
    pub checkpoint_every: Duration,
    /// The devices that share each batch: one entry per thread of a CPU, or one per GPU. The
    /// state is on the first.
    pub devices: Vec<Device>,
}

/// What a run begins with and learns from, beside its recipe and pictures.
#[derive(Default)]
pub struct Origins {
    /// Whose weights to begin with, instead of with random ones; a smaller network grows.
    pub from: Option<Start>,
    /// A trained network, whose pictures count beside the true ones.
    pub teacher: Option<Taught>,
    /// The int8 bundle whose rounding the run learns to live with; a run that is resumed has its
    /// own.
    pub quantized: Option<Quantized>,
}

/// What a run may begin with the weights of.
pub enum Start {
    /// Another run, its running average.
    Run(RunFolder),
    /// A bundle's float32 restorer.
    Bundle(Box<Bundle>),
}

impl Start {
    /// The run in that folder, or the bundle of that name or path.
    ///
    /// # Errors
    /// As [`Bundle::find`]; a folder that is neither is taken for a run, whose errors say more.
    pub fn find(name: &str) -> Result<Self> {
        let run = RunFolder::new(name.as_ref());
        if run.checkpoint().exists() {
            return Ok(Self::Run(run));
        }
        match Bundle::find(name) {
            Ok(bundle) => Ok(Self::Bundle(Box::new(bundle))),
            Err(_) if run.path().is_dir() && !run.path().join("manifest.toml").exists() => Ok(Self::Run(run)),
            Err(e) => Err(e),
        }
    }

    /// Its network and weights.
    fn read(&self, device: &Device) -> Result<(VluNetConfig, Weights)> {
        match self {
            Self::Run(run) => {
                let config = Recipe::open(&run.recipe())?.config()?;
                let weights = State::of_run(run, &config, device)?.0.average.to_weights()?;
                Ok((config, weights))
            }
            Self::Bundle(bundle) => Ok((bundle.manifest().config.clone(), restorer_of(bundle)?)),
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The run is done.
    Finished,
    /// Its time was up, or its steps were; it can be resumed.
    OutOfTime,
    /// It was interrupted; it can be resumed.
    Interrupted,
}

/// A restorer's run, ready to go on.
pub struct Fit {
    recipe: Recipe,
    folder: RunFolder,
    network: VluNet,
    state: State,
    rounds: Rounds,
    guide: Guide,
    validation: Validation,
    teacher: Option<Taught>,
    limits: Limits,
}

impl Fit {
    /// A new run in `folder`, or with `resume` the one that is there.
    ///
    /// # Errors
    /// [`Error::Train`] where a new run's folder holds one already, or the one to resume
    /// follows another recipe or head; what reading the recipe's data and states fails with.
    pub fn open(
        recipe: Recipe,
        folder: RunFolder,
        library: Library,
        mut guide: Guide,
        origins: Origins,
        limits: Limits,
        resume: bool,
    ) -> Result<Self> {
        let config = recipe.config()?;
        let text = recipe.to_toml()?;
        let hash = crate::weights::hex(&Sha256::digest(&text));
        let device = limits.devices.first().ok_or_else(|| Error::Train("there is no device".into()))?;
        let checkpoint = folder.checkpoint();
        if guide.is_blind() && recipe.from_image > 0.0 {
            return Err(Error::Train(format!(
                "the recipe looks at pictures (from_image = {}), but this head has no image tower",
                recipe.from_image
            )));
        }
        let head = guide.fingerprint();
        let mut quantized = origins.quantized;
        let mut state = if resume {
            if !checkpoint.exists() {
                return Err(Error::Train(format!(
                    "there is no checkpoint in {} to go on from; leave --resume out to start a run",
                    folder.path().display()
                )));
            }
            let (state, own) = State::of_run(&folder, &config, device)?;
            check_quantized(&folder, own.as_ref(), quantized.as_ref())?;
            quantized = own;
            if state.progress.recipe != hash {
                return Err(Error::Train(format!(
                    "the run in {} follows another recipe ({}); start a new run",
                    folder.path().display(),
                    folder.recipe().display()
                )));
            }
            // A run that began before heads were noted takes any.
            if !state.progress.head.is_empty() && state.progress.head != head {
                return Err(Error::Train(format!(
                    "the run in {} began with another VLM head; give that one, or start a new run",
                    folder.path().display()
                )));
            }
            teacher::check(&folder, state.progress.teacher.as_ref(), origins.teacher.as_ref())?;
            state
        } else {
            if checkpoint.exists() {
                return Err(Error::Train(format!(
                    "{} holds a run already; --resume goes on with it, or give another folder",
                    folder.path().display()
                )));
            }
            let from = origins.from.as_ref().map(|start| start.read(device)).transpose()?;
            let parameters = match (&quantized, from) {
                (Some(quantized), from) => {
                    quantized.initial(&config, from.map(|(_, weights)| weights), device)?
                }
                (None, Some((own, from))) if own == config => {
                    Parameters::from_weights(&config.parameters(), &from, device)?
                }
                (None, Some((own, from))) => {
                    grown(&config, &own, &from, &guide.texts(), recipe.seed, device)?
                }
                (None, None) => initial(&config, &guide.texts(), recipe.seed, device),
            };
            State::new(parameters, hash)
        };
        let network = VluNet::new(config.clone());
        let network = match &quantized {
            Some(quantized) => network.rounded(quantized.rounding()),
            None => network,
        };
        state.progress.head = head;
        let (library, held_out) = library.split(recipe.rounds.held_out);
        let held_out =
            Rounds::new(Arc::new(held_out), recipe.data.clone(), VALIDATION_PICTURES, !recipe.seed)?;
        let validation = Validation::new(&held_out.round(0)?, &mut guide, config.multiple())?;
        let rounds =
            Rounds::new(Arc::new(library), recipe.data.clone(), recipe.rounds.pictures, recipe.seed)?;
        let teacher = origins.teacher;
        if let Some(teacher) = &teacher {
            teacher.check_multiple(config.multiple())?;
        }
        state.progress.teacher = teacher.as_ref().map(|taught| taught.teacher().clone());
        if !resume {
            // Once nothing else can be wrong, so that a mistake leaves no folder behind.
            std::fs::create_dir_all(folder.path()).map_err(Error::io("create", folder.path()))?;
            crate::atomic_file::write_bytes(&folder.recipe(), text.as_bytes())?;
            quantized.as_ref().map_or(Ok(()), |quantized| quantized.save(&folder))?;
        }
        Ok(Self { recipe, folder, network, state, rounds, guide, validation, teacher, limits })
    }

    /// Steps done so far.
    pub fn step(&self) -> u64 {
        self.state.progress.step
    }

    /// Goes on until the run's end, its time's, or an interruption.
    ///
    /// # Errors
    /// [`Error::Train`] where the loss is no number any more (the last good checkpoint stays),
    /// [`Error::Io`] where a checkpoint can't be written.
    pub fn run(self, interrupted: &AtomicBool) -> Result<End> {
        let Self { recipe, folder, network, mut state, rounds, mut guide, validation, teacher, limits } =
            self;
        let mut journal = Journal::open(&folder.journal(), state.progress.step, recipe.steps)?;
        let per_round = recipe.rounds.steps;
        let first = state.progress.step / per_round;
        let mut loader = Loader::start(rounds, first, 1, move |sample| guide.vectors(sample))?;
        let mut round: Option<Ready<Vectors>> = None;
        let (start, before) = (Instant::now(), state.progress.seconds);
        let last = limits.steps.map(|steps| state.progress.step.saturating_add(steps));
        let mut saved = Instant::now();
        let mut recent = Recent::default();

        while state.progress.step < recipe.steps {
            let step = state.progress.step;
            let index = step / per_round;
            let ready = match round.take() {
                Some(ready) if ready.index == index => ready,
                _ => {
                    let ready = loader.next_round()?;
                    recent.waited += ready.waited.as_secs_f64();
                    ready
                }
            };
            let phase = recipe.phase(step, recipe.steps);
            let batch = cut(&ready.samples, phase.patch, phase.batch, recipe.seed ^ index, step % per_round)?;
            let batch = batch.sorted_by_key(|sample| steepness(ready.samples[sample].task));
            let d = vectors(&batch, &ready.prepared, recipe.from_image, recipe.seed ^ step);
            round = Some(ready);

            let (loss, gradients) = gradients(
                &recipe,
                &network,
                teacher.as_ref(),
                &state.parameters,
                &batch,
                &d,
                &limits.devices,
            )?;
            let rate = recipe.rate.rate(step, recipe.steps);
            let count = step + 1;
            let length =
                recipe.optimizer.step(&mut state.parameters, &mut state.moments, &gradients, rate, count);
            let length = length.into_scalar::<f32>();
            if !loss.is_finite() || !length.is_finite() {
                journal.finish();
                return Err(diverged(&folder, count, loss));
            }
            // A young average would remember the random start.
            let decay = recipe.average.min((1.0 + step as f32) / (10.0 + step as f32));
            state.average = state.average.map(|name, average| {
                average.clone() * decay + state.parameters.values(name).clone() * (1.0 - decay)
            });
            state.progress.step = count;
            state.progress.pictures += phase.batch as u64;
            state.progress.seconds = before + start.elapsed().as_secs_f64();
            recent.add(loss, length, phase.batch);
            journal.step(count);
            if count.is_multiple_of(JOURNAL_STEPS) || count == recipe.steps {
                journal.write(&recent.event(&state, rate))?;
                recent = Recent::default();
            }
            if count.is_multiple_of(recipe.rounds.validate) || count == recipe.steps {
                let psnr = validation.score(&network, &state.average, &limits.devices[0])?;
                let gain =
                    psnr.values().map(|[before, after]| after - before).sum::<f64>() / psnr.len() as f64;
                journal.write(&Event::Validation { step: count, psnr, gain })?;
                draw(&folder)?;
                recent.start = Instant::now();
            }
            let end = if interrupted.load(Ordering::Relaxed) {
                Some(End::Interrupted)
            } else {
                let up = limits.time.is_some_and(|time| start.elapsed() >= time);
                (up || last.is_some_and(|last| count >= last)).then_some(End::OutOfTime)
            };
            if end.is_some() || saved.elapsed() >= limits.checkpoint_every {
                state.save(&folder.checkpoint())?;
                saved = Instant::now();
            }
            if let Some(end) = end {
                journal.finish();
                return Ok(end);
            }
        }
        state.save(&folder.checkpoint())?;
        journal.finish();
        Ok(End::Finished)
    }
}

/// That a run is resumed as what it began: `own` is what it rounds by, `given` what is asked for.
fn check_quantized(folder: &RunFolder, own: Option<&Quantized>, given: Option<&Quantized>) -> Result<()> {
    let why = match (own, given) {
        (None, Some(_)) => "is not quantization-aware; leave --qat out, or start a new run with --from it",
        (Some(own), Some(given)) if !own.is_same(given)? => {
            "began with another quantized bundle; leave --qat out, or start a new run"
        }
        _ => return Ok(()),
    };
    Err(Error::Train(format!("the run in {} {why}", folder.path().display())))
}

/// The vectors of a batch's patches, `[N, 512]`: d_I with the chance `from_image`, else d_T.
fn vectors(batch: &Batch, prepared: &[Vectors], from_image: f32, seed: u64) -> Vec<f32> {
    let mut all = Vec::with_capacity(batch.samples.len() * DEGRADATION_DIM);
    for (place, &sample) in batch.samples.iter().enumerate() {
        let chance = (crate::train::data::derived(seed, place as u64) >> 40) as f32 / (1u64 << 24) as f32;
        let vectors = &prepared[sample];
        let image = vectors.image.as_ref().filter(|_| chance < from_image);
        all.extend_from_slice(image.unwrap_or(&vectors.text));
    }
    all
}

/// How far from the degraded picture a task leads: alike tasks are put into the same part.
fn steepness(task: Task) -> u8 {
    match task {
        Task::Clear => 0,
        Task::Deblur => 1,
        Task::Denoise => 2,
        Task::Derain => 3,
        Task::Dehaze => 4,
        Task::LowLight => 5,
    }
}

/// Loss and gradients of a batch.
fn gradients(
    recipe: &Recipe,
    network: &VluNet,
    teacher: Option<&Taught>,
    parameters: &Parameters,
    batch: &Batch,
    d: &[f32],
    devices: &[Device],
) -> Result<(f32, Parameters)> {
    let count = batch.samples.len();
    // Equal parts, so that the mean of their means is the batch's.
    let parts = (1..=recipe.parts.min(count)).rev().find(|n| count.is_multiple_of(*n)).unwrap_or(1);
    let (part, side) = (count / parts, batch.patch);
    replicas::gradients(parameters, parts, devices, |index, device, parameters| {
        let pictures = |values: &[f32]| {
            let size = part * 3 * side * side;
            let values = values[index * size..(index + 1) * size].to_vec();
            Tensor::<4>::from_data(TensorData::new(values, [part, 3, side, side]), device)
        };
        let d = d[index * part * DEGRADATION_DIM..(index + 1) * part * DEGRADATION_DIM].to_vec();
        let d = Tensor::<2>::from_data(TensorData::new(d, [part, DEGRADATION_DIM]), device);
        let image = pictures(&batch.input);
        let restored = network.restore(parameters, image.clone(), &d);
        let loss = recipe.loss.of(restored.clone(), pictures(&batch.target));
        match teacher {
            None => loss,
            Some(teacher) => {
                let weight = recipe.teacher.weight;
                loss * (1.0 - weight) + recipe.loss.of(restored, teacher.picture(image, &d)) * weight
            }
        }
    })
}

fn diverged(folder: &RunFolder, step: u64, loss: f32) -> Error {
    let checkpoint = folder.checkpoint();
    let rest = if checkpoint.exists() {
        format!(
            "the last good checkpoint is {}; resume it with a lower rate in a new recipe",
            checkpoint.display()
        )
    } else {
        "there is no checkpoint yet; lower rate.peak".into()
    };
    Error::Train(format!("the loss became {loss} at step {step}: {rest}"))
}
