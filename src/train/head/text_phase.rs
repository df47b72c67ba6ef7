//! The first phase of a head's training: phrases, so that d_T of each prompt is settled.

use super::phrases::{self, Phrase};
use super::prompts::{CANONICAL, PROMPTS, SQUARED_LENGTH, affinity, task_of};
use super::text_tower::TextTower;
use crate::train::optimizer::{AdamW, Moments, Schedule};
use crate::train::parameters::Parameters;
use crate::{Error, Result};
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::Array2;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How the text side is trained.
#[derive(Clone, Debug)]
pub struct TextOptions {
    /// Optimizer steps.
    pub steps: u32,
    /// Phrases of one prompt in a batch, the canonical prompts aside.
    pub phrases: usize,
    /// Phrases of two degradations in a batch.
    pub mixtures: usize,
    /// Highest learning rate.
    pub rate: f32,
    /// Seed of everything random.
    pub seed: u64,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { steps: 300, phrases: 48, mixtures: 8, rate: 1e-3, seed: 1 }
    }
}

/// Products are divided by this in the loss, so that the softmax still sees how near two
/// noise levels are.
const TEMPERATURE: f32 = 4.0;

/// Decay of the weights, per step and rate.
const WEIGHT_DECAY: f32 = 0.05;

/// Every so many phrases one is held out.
const HELD_OUT: usize = 8;

/// What the phase has reached.
#[derive(Clone, Debug)]
pub struct TextOutcome {
    /// d_T of the canonical prompts, `[8, 512]`.
    pub features: Array2<f32>,
    /// Share of held-out phrases whose nearest prompt is of the right task.
    pub accuracy: f64,
    /// Share of those for which it is the right prompt, noise levels told apart.
    pub exact: f64,
}

/// Trains a text tower and its adapter, from the start: contrastive, with every pair of texts in a batch
/// drawn together as far as what they mean is alike.
///
/// `log` gets the step and the loss.
///
/// # Errors
/// [`Error::Input`] where a phrase doesn't fit the tower, [`Error::Train`] where the loss
/// is no longer finite.
pub fn train_text(
    tower: &mut TextTower<'_>,
    options: &TextOptions,
    mut log: impl FnMut(u32, f32),
) -> Result<(Parameters, TextOutcome)> {
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut all = phrases::all().split_off(PROMPTS);
    all.shuffle(&mut rng);
    let held_out = all.split_off(all.len() - all.len() / HELD_OUT);
    let mut parameters = tower.initial(options.seed);
    let device = tower.device().clone();
    let optimizer = AdamW { weight_decay: WEIGHT_DECAY, ..AdamW::default() };
    let schedule =
        Schedule { peak: options.rate, last: options.rate * 0.01, warm_up: u64::from(options.steps / 20) };
    let mut moments = Moments::new(&parameters);
    for step in 0..options.steps {
        let mut batch: Vec<Phrase> = (0..PROMPTS).map(phrases::canonical).collect();
        batch.extend((0..options.phrases).map(|_| all[rng.random_range(0..all.len())].clone()));
        batch.extend((0..options.mixtures).map(|_| phrases::mixture(&mut rng)));
        let texts: Vec<&str> = batch.iter().map(|phrase| phrase.text.as_str()).collect();
        let tracked = parameters.tracked();
        let loss = contrastive_loss(tower.vectors(&tracked, &texts)?, &batch, &device);
        let value: f32 = loss.clone().into_scalar();
        if !value.is_finite() {
            return Err(Error::Train(format!("the loss of the text tower is {value} at step {step}")));
        }
        log(step, value);
        let gradients = tracked.gradients(&mut loss.backward());
        let rate = schedule.rate(step.into(), options.steps.into());
        optimizer.step(&mut parameters, &mut moments, &gradients, rate, u64::from(step) + 1);
    }
    let outcome = measure(tower, &parameters, &held_out)?;
    Ok((parameters, outcome))
}

/// Cross entropy between the softmax of each text's products with the others and that of
/// the products that their meanings ask for.
fn contrastive_loss(vectors: Tensor<2>, batch: &[Phrase], device: &Device) -> Tensor<1> {
    let count = batch.len();
    let mut wanted = Vec::with_capacity(count * count);
    let mut others = Vec::with_capacity(count * count);
    for (i, a) in batch.iter().enumerate() {
        for (j, b) in batch.iter().enumerate() {
            wanted.push(affinity(&a.meaning, &b.meaning) * SQUARED_LENGTH / TEMPERATURE);
            others.push(if i == j { f32::NEG_INFINITY } else { 0.0 });
        }
    }
    let square = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [count, count]), device);
    let (wanted, others) = (square(wanted), square(others));
    let products = vectors.clone().matmul(vectors.transpose()) / TEMPERATURE;
    // A finite stand-in: minus infinity times a target of zero is no number.
    let others = others.clamp_min(-1e4);
    let targets = softmax(wanted + others.clone(), 1);
    -(targets * log_softmax(products + others, 1)).sum_dim(1).mean()
}

fn measure(tower: &mut TextTower<'_>, parameters: &Parameters, held_out: &[Phrase]) -> Result<TextOutcome> {
    let features = tower.vector_numbers(parameters, &CANONICAL.map(|(text, _)| text))?;
    let (mut right, mut exact) = (0, 0);
    for chunk in held_out.chunks(64) {
        let texts: Vec<&str> = chunk.iter().map(|phrase| phrase.text.as_str()).collect();
        let found = tower.vector_numbers(parameters, &texts)?;
        for (phrase, products) in chunk.iter().zip(found.dot(&features.t()).rows()) {
            let best = (0..PROMPTS).max_by(|a, b| products[*a].total_cmp(&products[*b])).unwrap_or(0);
            right += usize::from(CANONICAL[best].1 == task_of(&phrase.meaning));
            exact += usize::from(phrase.meaning[best] == 1.0);
        }
    }
    let share = |count: usize| count as f64 / held_out.len().max(1) as f64;
    Ok(TextOutcome { features, accuracy: share(right), exact: share(exact) })
}
