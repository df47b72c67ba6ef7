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
    let results = results
        .into_iter()
        .map(|result| result.map_err(|panic| Error::Train(format!("a step failed: {}", said(&*panic)))));
    let (losses, gradients): (Vec<f32>, Vec<Parameters>) = results.collect::<Result<_>>()?;
    let share = 1.0 / losses.len() as f32;
    let loss = losses.iter().sum::<f32>() * share;
    let gradients = if devices.iter().all(|device| *device == devices[0]) {
        let sum = gradients
            .into_iter()
            .reduce(|sum, part| sum.map(|name, values| values.clone() + part.values(name).clone()));
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
