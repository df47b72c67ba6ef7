//! Gradients of one batch, computed by several replicas of a network side by side.

use super::parameters::Parameters;
use crate::{Error, Result};
use burn::tensor::distributed::{CollectiveTensor, ReduceOperation, all_reduce};
use burn::tensor::{Device, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The mean loss and the mean gradients of equal parts of a batch, one per entry of `devices`;
/// `part` computes the loss `[1]` of one on its device, given its own tracked copy of the
/// parameters.
///
/// On a CPU, replicas on the same device are how several cores are used: each keeps its part's
/// features in its own caches. The parts are added in order, so a run repeats exactly, on
/// whichever threads. On several GPUs, each is sent the parameters, which live on the first,
/// and burn's collective operation (NCCL) takes the mean of the gradients.
///
/// # Errors
/// [`Error::Train`] where a replica panicked (the framework's way to say that memory or a
/// device is at fault).
pub fn gradients(
    parameters: &Parameters,
    devices: &[Device],
    part: impl Fn(usize, &Device, &Parameters) -> Tensor<1> + Sync,
) -> Result<(f32, Parameters)> {
    let compute = |index: usize| {
        let device = &devices[index];
        let tracked = parameters.to_device(device).tracked();
        let loss = part(index, &device.clone().autodiff(), &tracked);
        let gradients = tracked.gradients(&mut loss.backward());
        (loss.into_scalar::<f32>(), gradients)
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let compute = &compute;
        let threads: Vec<_> = (1..devices.len()).map(|index| scope.spawn(move || compute(index))).collect();
        let first = catch_unwind(AssertUnwindSafe(|| compute(0)));
        std::iter::once(first).chain(threads.into_iter().map(|thread| thread.join())).collect()
    });
    let results = results.into_iter().map(|result| {
        result.map_err(|panic| Error::Train(format!("a step failed: {}", said(&*panic))))
    });
    let (losses, gradients): (Vec<f32>, Vec<Parameters>) = results.collect::<Result<_>>()?;
    let share = 1.0 / losses.len() as f32;
    let loss = losses.iter().sum::<f32>() * share;
    let gradients = if devices.iter().all(|device| *device == devices[0]) {
        let sum = gradients.into_iter().reduce(|sum, part| {
            sum.map(|name, values| values.clone() + part.values(name).clone())
        });
        sum.map(|sum| sum.map(|_, values| values.clone() * share))
    } else {
        // Begun on every device before any is waited for: a collective ends on all at once.
        let begun = |part: &Parameters| all_reduce(part.joined(), ReduceOperation::Mean, devices.to_vec());
        let begun: Vec<_> = gradients.iter().map(begun).collect();
        let means: Vec<_> = begun.into_iter().map(CollectiveTensor::resolve).collect();
        let first = gradients.first().zip(means.into_iter().next());
        first.map(|(part, mean)| part.with_joined(mean))
    };
    Ok((loss, gradients.ok_or_else(|| Error::Train("no replica was asked for".into()))?))
}

/// The first line of a panic's message.
pub(super) fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.and_then(|text| text.lines().next()).unwrap_or("unknown").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{DEGRADATION_DIM, VluNetConfig};
    use crate::train::loss::Loss;
    use crate::train::network::{VluNet, initial};
    use burn::tensor::TensorData;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};

    fn drawn<const D: usize>(seed: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let values = (0..shape.iter().product()).map(|_| StandardNormal.sample(&mut rng));
        Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), device)
    }

    /// The parameters of a small network, none of them zero.
    fn parameters(config: &VluNetConfig) -> Parameters {
        let start = initial(config, 1, &Device::flex());
        let mut seed = 10;
        start.map(|_, values| {
            seed += 1;
            values.clone() + drawn(seed, values.dims(), &values.device()) * 0.05
        })
    }

    /// The gradients of a batch of four, by that many replicas.
    fn of_batch(replicas: usize) -> (f32, Parameters) {
        let config = VluNetConfig::pico();
        let network = VluNet::new(config.clone());
        let side = config.multiple();
        let devices = vec![Device::flex(); replicas];
        gradients(&parameters(&config), &devices, |index, device, parameters| {
            let count = 4 / replicas;
            let input = drawn(2, [4, 3, side, side], device).narrow(0, index * count, count);
            let target = drawn(3, [4, 3, side, side], device).narrow(0, index * count, count);
            let d = drawn(4, [4, DEGRADATION_DIM], device).narrow(0, index * count, count);
            Loss::default().of(network.restore(parameters, input, &d), target)
        })
        .unwrap()
    }

    #[test]
    fn two_replicas_give_the_gradients_of_one_batch() {
        let ((loss, whole), (shared_loss, shared)) = (of_batch(1), of_batch(2));
        assert!((loss - shared_loss).abs() < 1e-6 * loss, "{loss} and {shared_loss}");
        let difference = whole.joined() - shared.joined();
        let length = |values: Tensor<1>| values.square().sum().sqrt().into_scalar::<f32>();
        let error = length(difference) / length(whole.joined());
        assert!(length(whole.joined()) > 1e-3 && error < 1e-5, "relative error {error:e}");
    }

    #[test]
    fn a_panic_in_a_replica_is_one_clear_line() {
        let parameters = parameters(&VluNetConfig::pico());
        for bad in [0, 1] {
            let devices = vec![Device::flex(); 2];
            let result = gradients(&parameters, &devices, |index, _, parameters| {
                assert!(index != bad, "out of memory\nat line 1");
                parameters.joined().sum()
            });
            let error = result.unwrap_err().to_string();
            assert!(error.ends_with("a step failed: out of memory"), "{error}");
        }
    }

    #[test]
    fn joined_parameters_come_apart_again() {
        let all = parameters(&VluNetConfig::pico());
        let apart = all.with_joined(all.joined());
        for (name, values) in all.iter() {
            assert_eq!(values.to_data(), apart.values(name).to_data(), "{name}");
        }
    }
}
