//! The second phase of a head's training: pictures, so that d_I lies at d_T.

use super::frozen::FrozenClip;
use super::image_tower::{ImageTower, Seen};
use super::prompts::{Mixture, PROMPTS};
use super::recipe::HeadRecipe;
use super::state::State;
use super::twist::Twist;
use super::views::{View, Views};
use crate::arch::{ClipConfig, DEGRADATION_DIM, VisionConfig};
use crate::train::data::seeds::derived;
use crate::train::data::{Library, Rounds};
use crate::train::optimizer::AdamW;
use crate::train::parameters::Parameters;
use crate::{Error, Result};
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::Array2;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Products are divided by this in the cross entropy: a picture that is certain already goes
/// on teaching a little.
const TEMPERATURE: f32 = 2.0;

/// Sets what is dropped apart from all else that the seed draws.
const DROPOUT_STREAM: u64 = 0xD0;

/// The image side of a head in training.
pub struct ImagePhase {
    recipe: HeadRecipe,
    tower: ImageTower,
    views: Views,
    text_features: Tensor<2>,
    optimizer: AdamW,
    device: Device,
    /// The round at hand.
    round: Option<(u64, Seen)>,
}

/// What a step has shown.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// Cross entropy and pull together.
    pub loss: f32,
    /// Length of the gradient before it was clipped.
    pub gradient: f32,
    /// Learning rate.
    pub rate: f32,
}

impl ImagePhase {
    /// A phase that trains a head of that configuration towards `text_features` `[8, 512]`;
    /// with `clip`, its adapter alone.
    ///
    /// # Errors
    /// [`Error::Config`] for a ViT without CLIP's weights, which is not trained from nothing;
    /// [`Error::Input`] where the recipe does not fit the library.
    pub fn new(
        config: &ClipConfig,
        recipe: HeadRecipe,
        library: Arc<Library>,
        text_features: &Array2<f32>,
        clip: Option<FrozenClip>,
        device: &Device,
    ) -> Result<Self> {
        if matches!(config.vision, VisionConfig::Vit(_)) != clip.is_some() {
            return Err(Error::Config("a ViT is not trained from nothing: give CLIP's weights".into()));
        }
        if text_features.dim() != (PROMPTS, DEGRADATION_DIM) {
            return Err(Error::Weights(format!(
                "text features of shape {:?}, not one row of {DEGRADATION_DIM} per prompt",
                text_features.dim()
            )));
        }
        let rounds = Rounds::new(library, recipe.data.clone(), recipe.samples_per_round, recipe.seed)?;
        let numbers: Vec<f32> = text_features.iter().copied().collect();
        Ok(Self {
            tower: ImageTower::new(config, clip, device),
            views: Views::new(rounds, config.image_size, recipe.looks, recipe.seed),
            text_features: Tensor::from_data(TensorData::new(numbers, [PROMPTS, DEGRADATION_DIM]), device),
            optimizer: AdamW { weight_decay: recipe.weight_decay, ..AdamW::default() },
            device: device.clone(),
            recipe,
            round: None,
        })
    }

    /// One step. Which views it takes depends on the number of the step alone, so that a run
    /// goes on as if it had never stopped.
    ///
    /// # Errors
    /// [`Error::Train`] where the loss is no longer finite: `state` is then as it was.
    pub fn step(&mut self, state: &mut State) -> Result<StepReport> {
        let batch = self.batch(state.step)?;
        let tracked = state.parameters.tracked();
        let (sights, wanted) = match &self.round {
            Some((_, seen)) => self.tower.sights(&tracked, seen, &batch),
            None => return Err(Error::Train("there is no round of views".into())),
        };
        let vectors = self.tower.vectors(&tracked, self.dropped(sights, state.step));
        let loss = self.loss(vectors, wanted);
        let value: f32 = loss.clone().into_scalar();
        if !value.is_finite() {
            return Err(Error::Train(format!(
                "the loss of the image tower is {value} at step {}",
                state.step
            )));
        }
        let gradients = tracked.gradients(&mut loss.backward());
        let rate = self.recipe.schedule.rate(state.step, self.recipe.steps);
        let count = state.step + 1;
        let length = self.optimizer.step(&mut state.parameters, &mut state.moments, &gradients, rate, count);
        // Early weights are soon forgotten.
        let kept = self.recipe.average.min((1.0 + state.step as f32) / (10.0 + state.step as f32));
        state.average = state
            .average
            .map(|name, mean| mean.clone() * kept + state.parameters.values(name).clone() * (1.0 - kept));
        state.step = count;
        Ok(StepReport { loss: value, gradient: length.into_scalar(), rate })
    }

    /// The places in the round at hand of a step's views, and how each is changed.
    fn batch(&mut self, step: u64) -> Result<Vec<(usize, Twist)>> {
        let recipe = &self.recipe;
        // About as many as a round has: clear views come on top, hardly degraded ones drop out.
        let per_use = (recipe.samples_per_round * recipe.looks / recipe.batch) as u64;
        let per_round = per_use * recipe.uses as u64;
        let (round, within) = (step / per_round, step % per_round);
        let (turn, at) = (within / per_use, (within % per_use) as usize);
        if self.round.as_ref().is_none_or(|(index, _)| *index != round) {
            // The old one goes before the new one comes: memory holds one.
            self.round = None;
            self.round = Some((round, self.tower.seen(self.views.round(round)?)?));
        }
        let count = self.round.as_ref().map_or(0, |(_, seen)| seen.views.len());
        let mut rng = ChaCha8Rng::seed_from_u64(derived(derived(recipe.seed, round), turn));
        let mut order: Vec<(usize, Twist)> = (0..count).map(|view| (view, Twist::draw(&mut rng))).collect();
        order.shuffle(&mut rng);
        Ok(order.into_iter().cycle().skip(at * recipe.batch).take(recipe.batch).collect())
    }

    /// Some of what the tower sees, made up for by the rest: no sight may be relied on alone.
    fn dropped(&self, sights: Tensor<2>, step: u64) -> Tensor<2> {
        let share = self.recipe.dropout;
        if share == 0.0 {
            return sights;
        }
        let [batch, count] = sights.dims();
        let mut rng = ChaCha8Rng::seed_from_u64(derived(derived(self.recipe.seed, step), DROPOUT_STREAM));
        let kept = (0..batch * count)
            .map(|_| if rng.random::<f32>() < share { 0.0 } else { 1.0 / (1.0 - share) })
            .collect::<Vec<f32>>();
        sights * Tensor::<2>::from_data(TensorData::new(kept, [batch, count]), &self.device).autodiff()
    }

    /// Cross entropy between the softmax over prompts and that which the wanted vector would
    /// have, and the squared distance from it.
    fn loss(&self, vectors: Tensor<2>, wanted: Tensor<2>) -> Tensor<1> {
        let wanted = wanted.matmul(self.text_features.clone());
        let products =
            |vectors: Tensor<2>| vectors.matmul(self.text_features.clone().transpose()) / TEMPERATURE;
        let entropy = -(softmax(products(wanted.clone()), 1) * log_softmax(products(vectors.clone()), 1));
        let lengths = wanted.clone().square().sum_dim(1);
        let distances = (vectors - wanted).square().sum_dim(1) / lengths;
        entropy.sum_dim(1).mean() + distances.mean() * self.recipe.pull
    }

    /// The shares of prompts that a head sees in views: softmax(d_I·d_Tᵀ), with what was wanted.
    ///
    /// # Errors
    /// [`Error::Weights`] where the device does not give the numbers back.
    pub fn look(&self, parameters: &Parameters, views: &[View]) -> Result<Vec<(Mixture, Mixture)>> {
        let mut shown = Vec::with_capacity(views.len());
        for views in views.chunks(self.recipe.batch) {
            let seen = self.tower.seen(views.to_vec())?;
            let all: Vec<(usize, Twist)> = (0..views.len()).map(|view| (view, Twist::NONE)).collect();
            let (sights, _) = self.tower.sights(parameters, &seen, &all);
            let vectors = self.tower.vectors(parameters, sights);
            let shares = softmax(vectors.matmul(self.text_features.clone().transpose()), 1);
            let shares = shares.into_data().try_into_vec::<f32>();
            let shares = shares.map_err(|e| Error::Weights(format!("scores of pictures: {e:?}")))?;
            let (shares, _) = shares.as_chunks::<PROMPTS>();
            shown.extend(shares.iter().zip(views).map(|(shares, view)| (*shares, view.wanted)));
        }
        Ok(shown)
    }
}
