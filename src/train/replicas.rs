//! Gradients of one batch, computed by several replicas of a network side by side.

use super::parameters::Parameters;
use crate::{Error, Result};
use burn::tensor::Tensor;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The mean loss and the gradients of `parts` equal parts of a batch, on `threads` threads;
/// `part` computes the loss `[1]` of one, given its own tracked copy of the parameters.
///
/// Of each tensor's gradients no part's counts for more than the median part's: where parts
/// hold different tasks, those with the steepest losses (haze, darkness) do not decide alone
/// where the weights go.
///
/// On a CPU this is how several cores are used: each keeps its part's features in its own
/// caches. The parts are added in order, so a run repeats exactly, on any number of threads.
///
/// # Errors
/// [`Error::Train`] where a part panicked (the framework's way to say that memory or a device
/// is at fault).
pub fn gradients(
    parameters: &Parameters,
    parts: usize,
    threads: usize,
    part: impl Fn(usize, &Parameters) -> Tensor<1> + Sync,
) -> Result<(f32, Parameters)> {
    let compute = |index: usize| {
        let tracked = parameters.tracked();
        let loss = part(index, &tracked);
        let gradients = tracked.gradients(&mut loss.backward());
        (loss.into_scalar::<f32>(), gradients)
    };
    let next = AtomicUsize::new(0);
    let work = || {
        let taken =
            std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < parts));
        taken.map(|index| (index, compute(index))).collect::<Vec<_>>()
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..threads.min(parts)).map(|_| scope.spawn(work)).collect();
        let first = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        std::iter::once(first).chain(threads.into_iter().map(|thread| thread.join())).collect()
    });
    let mut done = Vec::new();
    for result in results {
        done.extend(result.map_err(|panic| Error::Train(said(&*panic)))?);
    }
    done.sort_by_key(|(index, _)| *index);
    let (losses, gradients): (Vec<f32>, Vec<Parameters>) = done.into_iter().map(|(_, part)| part).unzip();
    let loss = losses.iter().sum::<f32>() / parts.max(1) as f32;
    Ok((loss, balanced(&gradients).ok_or_else(|| Error::Train("a batch has at least one part".into()))?))
}

/// The mean of the parts' gradients, each tensor's at most as long as the median part's.
fn balanced(parts: &[Parameters]) -> Option<Parameters> {
    let (first, rest) = parts.split_first()?;
    if rest.is_empty() {
        return Some(first.clone());
    }
    let share = 1.0 / parts.len() as f32;
    Some(first.map(|name, _| {
        let of_parts: Vec<Tensor<1>> = parts.iter().map(|part| part.values(name).clone()).collect();
        let lengths: Vec<Tensor<1>> = of_parts
            .iter()
            .map(|gradient| gradient.clone().square().sum().sqrt() + f32::MIN_POSITIVE)
            .collect();
        let middle = (parts.len() - 1) / 2;
        let median = Tensor::cat(lengths.clone(), 0).sort(0).narrow(0, middle, 1);
        let shortened = of_parts
            .into_iter()
            .zip(lengths)
            .map(|(gradient, length)| gradient * (median.clone() / length).clamp_max(1.0) * share);
        shortened.reduce(|sum, gradient| sum + gradient).unwrap_or_else(|| first.values(name).clone())
    }))
}

/// The message of a panic.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
    format!("a training step failed: {text}")
}
