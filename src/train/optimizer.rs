//! AdamW with a global limit on the gradient's length, and the schedule of its learning rate.

use super::parameters::Parameters;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// AdamW's settings (Loshchilov and Hutter 2019).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamW {
    /// Decay of the mean of gradients, and of that of their squares.
    pub betas: [f32; 2],
    /// Share of a weight that decays per step, times the learning rate; only matrices and
    /// kernels decay.
    pub weight_decay: f32,
    /// Longer gradients, over all parameters together, are shortened to this.
    pub clip: f32,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { betas: [0.9, 0.99], weight_decay: 1e-4, clip: 1.0 }
    }
}

/// Keeps the division finite where a gradient has always been zero.
const EPSILON: f32 = 1e-8;

/// The running moments of the gradients.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Mean of the gradients.
    pub mean: Parameters,
    /// Mean of their squares.
    pub square: Parameters,
}

impl Moments {
    /// Before the first step.
    pub fn new(parameters: &Parameters) -> Self {
        let zeros = || parameters.map(|_, values| values.zeros_like());
        Self { mean: zeros(), square: zeros() }
    }
}

impl AdamW {
    /// One step, the `count`-th (from 1), at a learning rate. Gives the length that the
    /// gradient had, `[1]`.
    pub fn step(
        &self,
        parameters: &mut Parameters,
        moments: &mut Moments,
        gradients: &Parameters,
        rate: f32,
        count: u64,
    ) -> Tensor<1> {
        let squares = gradients.iter().map(|(_, gradient)| gradient.clone().square().sum()).collect();
        let length = Tensor::cat(squares, 0).sum().sqrt();
        let shorten = length.clone().clamp_min(self.clip).recip() * self.clip;

        let [first, second] = self.betas;
        moments.mean = moments.mean.map(|name, mean| {
            mean.clone() * first + gradients.values(name).clone() * shorten.clone() * (1.0 - first)
        });
        moments.square = moments.square.map(|name, square| {
            let gradient = gradients.values(name).clone() * shorten.clone();
            square.clone() * second + gradient.square() * (1.0 - second)
        });
        let unbiased = |beta: f32| 1.0 - f64::from(beta).powf(count as f64) as f32;
        let (first, second) = (unbiased(first), unbiased(second));
        *parameters = parameters.map(|name, values| {
            let rate = rate * rate_factor(name);
            let deviation = (moments.square.values(name).clone() / second).sqrt() + EPSILON;
            let step = moments.mean.values(name).clone() / deviation * (rate / first);
            let decay = if decays(name) { rate * self.weight_decay } else { 0.0 };
            values.clone() * (1.0 - decay) - step
        });
        length
    }
}

/// Gains, biases, temperatures and step sizes have a meaning by their value: they keep it.
fn decays(name: &str) -> bool {
    // An adapter is a row of layers by number, each linear one followed by its norm.
    let norm = name.contains("norm")
        || name.contains("ln_")
        || ["adapter.1.weight", "adapter.4.weight", "adapter.7.weight"].iter().any(|n| name.ends_with(n));
    name.ends_with("weight") && !norm && !name.contains("embedding")
}

/// Temperatures and step sizes are single numbers of about 1 to 10, which steps sized for
/// weights of about 0.1 would hardly move; a logarithm of a scale moves it by a share of itself.
fn rate_factor(name: &str) -> f32 {
    if [".temperature", ".r", ".log_scale"].iter().any(|end| name.ends_with(end)) { 5.0 } else { 1.0 }
}

/// The learning rate: a linear warm-up, then half a cosine down to `last`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The highest rate, after the warm-up.
    pub peak: f32,
    /// The rate of the last step.
    #[serde(default)]
    pub last: f32,
    /// Steps of the warm-up.
    pub warm_up: u64,
}

impl Schedule {
    /// The rate of a step, counted from 0, of `total`.
    pub fn rate(&self, step: u64, total: u64) -> f32 {
        if step < self.warm_up {
            return self.peak * (step + 1) as f32 / self.warm_up as f32;
        }
        let rest = total.saturating_sub(self.warm_up).max(1);
        let done = ((step - self.warm_up) as f32 / rest as f32).min(1.0);
        self.last + (self.peak - self.last) * 0.5 * (1.0 + (std::f32::consts::PI * done).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_to_its_peak_and_falls_to_its_last_value_for_good() {
        let schedule = Schedule { peak: 1.0, last: 0.1, warm_up: 10 };
        assert!((schedule.rate(0, 100) - 0.1).abs() < 1e-6);
        assert!((schedule.rate(9, 100) - 1.0).abs() < 1e-6);
        assert!((schedule.rate(55, 100) - 0.55).abs() < 0.01);
        for step in [100, 150, 1000] {
            assert!((schedule.rate(step, 100) - 0.1).abs() < 1e-6, "at {step}");
        }
    }
}
