//! AdamW with decoupled decay, for the head.

use crate::train::parameters::Parameters;
use burn::tensor::Tensor;

/// Moments of the gradients, and how many steps made them.
#[derive(Clone, Debug)]
pub struct AdamW {
    first: Parameters,
    second: Parameters,
    steps: u32,
    /// Share of a weight that is taken off per unit of learning rate.
    pub decay: f32,
}

const BETAS: (f32, f32) = (0.9, 0.99);
const EPSILON: f32 = 1e-8;

impl AdamW {
    /// For parameters of these names; nothing is remembered yet.
    pub fn new(parameters: &Parameters, decay: f32) -> Self {
        let zeros = || parameters.map(|_, values| values.zeros_like());
        Self { first: zeros(), second: zeros(), steps: 0, decay }
    }

    /// One step against the gradients. Vectors (biases, gains) and embeddings don't decay.
    pub fn step(&mut self, parameters: &Parameters, gradients: &Parameters, rate: f32) -> Parameters {
        self.steps += 1;
        let steps = self.steps as i32;
        let (b1, b2) = BETAS;
        self.first =
            self.first.map(|name, mean| mean.clone() * b1 + gradients.values(name).clone() * (1.0 - b1));
        self.second = self
            .second
            .map(|name, mean| mean.clone() * b2 + gradients.values(name).clone().square() * (1.0 - b2));
        let (c1, c2) = (1.0 - b1.powi(steps), 1.0 - b2.powi(steps));
        parameters.map(|name, values| {
            let root = (self.second.values(name).clone() / c2).sqrt() + EPSILON;
            let update: Tensor<1> = self.first.values(name).clone() / c1 / root;
            let decayed =
                if decays(name) { values.clone() * (1.0 - rate * self.decay) } else { values.clone() };
            decayed - update * rate
        })
    }
}

fn decays(name: &str) -> bool {
    let norm = name.split('.').any(|part| part.contains("ln_") || part.contains("norm"));
    name.contains("weight") && !norm && !name.contains("embedding")
}
