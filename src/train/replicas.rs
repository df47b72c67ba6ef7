//! Gradients of one batch, computed by several replicas of a network side by side.

use super::parameters::Parameters;
use crate::{Error, Result};
use burn::tensor::distributed::{CollectiveTensor, ReduceOperation, all_reduce};
use burn::tensor::{Device, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The mean loss and the gradients of `parts` equal parts of a batch, on `devices`: one entry
/// per thread of a CPU, or one per GPU. `part` computes the loss `[1]` of one on its device,
/// given its own tracked copy of the parameters.
///
/// Of each tensor's gradients no part's counts for more than the median part's: where parts
/// hold different tasks, those with the steepest losses (haze, darkness) do not decide alone
/// where the weights go.
///
/// On a CPU, threads are how several cores are used: each keeps its part's features in its own
/// caches. The parts are added in order, so a run repeats exactly, on any number of threads. On
/// several GPUs, each is sent the parameters, which live on the first, and burn's collective
/// operation (NCCL) adds up the gradients.
///
/// # Errors
/// [`Error::Train`] where a part panicked (the framework's way to say that memory or a device
/// is at fault).
pub fn gradients(
    parameters: &Parameters,
    parts: usize,
    devices: &[Device],
    part: impl Fn(usize, &Device, &Parameters) -> Tensor<1> + Sync,
) -> Result<(f32, Parameters)> {
    let devices = &devices[..devices.len().min(parts)];
    let next = AtomicUsize::new(0);
    let work = |device: &Device| {
        let own = parameters.to_device(device);
        let taken =
            std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < parts));
        let compute = |index: usize| {
            let tracked = own.tracked();
            let loss = part(index, &device.clone().autodiff(), &tracked);
            let gradients = tracked.gradients(&mut loss.backward());
            (index, (loss.into_scalar::<f32>(), gradients))
        };
        taken.map(compute).collect::<Vec<_>>()
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let (work, others) = (&work, devices.iter().skip(1));
        let threads: Vec<_> = others.map(|device| scope.spawn(move || work(device))).collect();
        let first = devices.first().map(|device| catch_unwind(AssertUnwindSafe(|| work(device))));
        first.into_iter().chain(threads.into_iter().map(|thread| thread.join())).collect()
    });
    let mut done = Vec::new();
    for result in results {
        done.extend(result.map_err(|panic| Error::Train(format!("a step failed: {}", said(&*panic))))?);
    }
    done.sort_by_key(|(index, _)| *index);
    let (losses, gradients): (Vec<f32>, Vec<Parameters>) = done.into_iter().map(|(_, part)| part).unzip();
    let loss = losses.iter().sum::<f32>() / parts.max(1) as f32;
    let gradients = sum(&balanced(gradients), devices);
    Ok((loss, gradients.ok_or_else(|| Error::Train("a batch needs a part and a device".into()))?))
}

/// The parts' shares of the mean gradient, each tensor's at most as long as the median part's.
fn balanced(parts: Vec<Parameters>) -> Vec<Parameters> {
    let device = match parts.as_slice() {
        [first, _, ..] => first.device(),
        _ => return parts,
    };
    let share = 1.0 / parts.len() as f32;
    let middle = (parts.len() - 1) / 2;
    // `[parts, tensors]`; these few numbers travel, the gradients stay on their devices.
    let lengths = parts.iter().map(|part| part.lengths().to_device(&device)).collect();
    let lengths = Tensor::stack::<2>(lengths, 0) + f32::MIN_POSITIVE;
    let median = lengths.clone().sort(0).narrow(0, middle, 1);
    let shorten = (median / lengths).clamp_max(1.0);
    let shortened = |(index, part): (usize, Parameters)| {
        let shorten = shorten.clone().narrow(0, index, 1).flatten::<1>(0, 1).to_device(&part.device());
        let mut tensor = 0;
        part.map(|_, gradient| {
            tensor += 1;
            gradient.clone() * shorten.clone().narrow(0, tensor - 1, 1) * share
        })
    };
    parts.into_iter().enumerate().map(shortened).collect()
}

/// The sum of all parts, in order, on the first device.
fn sum(parts: &[Parameters], devices: &[Device]) -> Option<Parameters> {
    let (first, rest) = devices.split_first()?;
    let of_device = |device: &Device| {
        let own = parts.iter().filter(|part| part.device() == *device).cloned();
        own.reduce(|sum, part| sum.map(|name, values| values.clone() + part.values(name).clone()))
    };
    let own = of_device(first);
    if rest.iter().all(|device| device == first) {
        return own;
    }
    // Begun on every device before any is waited for: a collective ends on all at once. A
    // device that was too slow to get a part adds nothing.
    let any = parts.first()?;
    let begun = devices.iter().map(|device| {
        let nothing = || any.joined().zeros_like().to_device(device);
        let own = of_device(device).map_or_else(nothing, |own| own.joined());
        all_reduce(own, ReduceOperation::Sum, devices.to_vec())
    });
    let begun: Vec<_> = begun.collect();
    let sums: Vec<_> = begun.into_iter().map(CollectiveTensor::resolve).collect();
    Some(any.with_joined(sums.into_iter().next()?))
}

/// The first line of a panic's message.
pub(super) fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.and_then(|text| text.lines().next()).unwrap_or("unknown").into()
}
