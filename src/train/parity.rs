//! How far a device's numbers are from the CPU's, and how long a step takes on it.

use crate::arch::{DEGRADATION_DIM, VluNetConfig};
use crate::train::loss::Loss;
use crate::train::network::{VluNet, initial};
use crate::train::parameters::Parameters;
use crate::train::replicas::gradients;
use crate::{Error, Result};
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use std::time::{Duration, Instant};

/// Sides of the patches, in pixels.
const SIDE: usize = 64;

/// Steps that are timed, after as many that compile and choose kernels.
const STEPS: u32 = 5;

/// A device beside the CPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parity {
    /// Relative difference of the loss.
    pub loss: f32,
    /// Length of the gradients' difference, as a share of the gradients' length.
    pub gradients: f32,
    /// Time of a step's loss and gradients, once kernels are compiled.
    pub step: Duration,
}

/// Loss and gradients of `nano` for `batch` drawn patches of 64×64, on the device and the CPU.
///
/// # Errors
/// [`Error::Train`] where the device fails, or gives something that is no number.
pub fn parity(device: &Device, batch: usize) -> Result<Parity> {
    let (loss, own) = drawn_step(device, batch)?;
    let (expected_loss, expected) = drawn_step(&Device::flex(), batch)?;
    let expected = expected.joined();
    let difference = own.to_device(&Device::flex()).joined() - expected.clone();
    let parity = Parity {
        loss: (loss - expected_loss).abs() / expected_loss,
        gradients: length(difference) / length(expected),
        step: step_time(device, batch)?,
    };
    if !parity.loss.is_finite() || !parity.gradients.is_finite() {
        return Err(Error::Train("the device's loss or gradients are no numbers".into()));
    }
    Ok(parity)
}

fn step_time(device: &Device, batch: usize) -> Result<Duration> {
    let several = || -> Result<Duration> {
        let start = Instant::now();
        for _ in 0..STEPS {
            // Reading a number back waits for all that it depends on.
            length(drawn_step(device, batch)?.1.joined());
        }
        Ok(start.elapsed() / STEPS)
    };
    several()?;
    several()
}

fn drawn_step(device: &Device, batch: usize) -> Result<(f32, Parameters)> {
    let network = VluNet::new(VluNetConfig::nano());
    let mut seed = 0;
    // Away from the start, where the last convolution's zeros would hide all gradients.
    let parameters = initial(network.config(), &[], 1, device).map(|_, values| {
        seed += 1;
        values.clone() + drawn(seed, values.dims(), device) * 0.05
    });
    gradients(&parameters, 1, std::slice::from_ref(device), |_, device, parameters| {
        let picture = |seed| drawn(seed, [batch, 3, SIDE, SIDE], device);
        let d = drawn(1003, [batch, DEGRADATION_DIM], device);
        Loss::default().of(network.restore(parameters, picture(1001), &d), picture(1002))
    })
}

fn drawn<const D: usize>(seed: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..shape.iter().product()).map(|_| StandardNormal.sample(&mut rng));
    Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), device)
}

fn length(values: Tensor<1>) -> f32 {
    values.square().sum().sqrt().into_scalar()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_agrees_with_itself() {
        let parity = parity(&Device::flex(), 1).unwrap();
        assert_eq!((parity.loss, parity.gradients), (0.0, 0.0));
        assert!(parity.step > Duration::ZERO);
        assert!(length(drawn_step(&Device::flex(), 1).unwrap().1.joined()) > 1e-3);
    }
}
