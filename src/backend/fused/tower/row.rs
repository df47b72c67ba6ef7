//! The layers behind the statistics, on one row of numbers.

use super::description::RowStep;
use super::linear::{Linear, OUTPUTS};
use crate::backend::fused::crew::Crew;
use crate::backend::fused::program::Norm;
use crate::backend::kernels::float::{Form, LANES, gate};

/// A step, made ready to run.
#[derive(Debug)]
pub(super) enum Step {
    Norm(Norm),
    Linear(Linear),
    Gelu(Form),
}

impl Step {
    /// None where its numbers don't fit what it is made of.
    pub(super) fn new(form: Form, step: &RowStep) -> Option<Self> {
        Some(match step {
            RowStep::Norm(norm) => Self::Norm(norm.clone()),
            RowStep::Linear { weights, bias } => Self::Linear(Linear::new(weights, bias)?),
            RowStep::Gelu => Self::Gelu(form),
        })
    }

    /// How many numbers it makes of so many.
    pub(super) fn outputs(&self, inputs: usize) -> usize {
        match self {
            Self::Norm(_) | Self::Gelu(_) => inputs,
            Self::Linear(linear) => linear.outputs(),
        }
    }

    /// Floats that one thread needs of its own.
    pub(super) fn scratch(&self) -> usize {
        match self {
            Self::Norm(_) | Self::Gelu(_) => 0,
            Self::Linear(linear) => linear.scratch(),
        }
    }

    /// Room for so many numbers.
    pub(super) fn room(numbers: usize) -> usize {
        numbers.next_multiple_of(OUTPUTS)
    }

    /// Makes a row of the first `count` numbers of another; both have [`Step::room`].
    pub(super) fn run(&self, crew: &Crew, count: usize, x: &[f32], to: &mut [f32]) {
        match self {
            Self::Norm(norm) => normalise(norm, &x[..count], to),
            Self::Linear(linear) => linear.run(crew, &x[..count], to),
            Self::Gelu(form) => {
                let count = count.next_multiple_of(LANES);
                for (x, to) in x[..count].chunks_exact(LANES).zip(to.chunks_exact_mut(LANES)) {
                    gate(*form, x, &[1.0; LANES], to);
                }
            }
        }
    }
}

fn normalise(norm: &Norm, x: &[f32], to: &mut [f32]) {
    let share = 1.0 / x.len().max(1) as f64;
    let mean = share * x.iter().map(|&x| f64::from(x)).sum::<f64>();
    let variance = share * x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>();
    let (mean, scale) = (mean as f32, 1.0 / (variance as f32 + norm.epsilon).sqrt());
    let weights = norm.gain.iter().zip(&norm.bias);
    for ((x, to), (gain, bias)) in x.iter().zip(to).zip(weights) {
        *to = (x - mean) * scale * gain + bias;
    }
}
