//! Gradients of one batch, computed by several replicas of a network side by side.

use super::parameters::Parameters;
use crate::{Error, Result};
use burn::tensor::Tensor;

/// The mean loss and the mean gradients of `replicas` equal parts of a batch; `part` computes
/// the loss `[1]` of one, given its own tracked copy of the parameters.
///
/// On a CPU this is how several cores are used: each keeps its part's features in its own
/// caches. The parts are added in order, so a run repeats exactly, on whichever threads.
///
/// # Errors
/// [`Error::Train`] where a replica panicked (the framework's way to say that memory or a
/// device is at fault).
pub fn gradients(
    parameters: &Parameters,
    replicas: usize,
    part: impl Fn(usize, &Parameters) -> Tensor<1> + Sync,
) -> Result<(f32, Parameters)> {
    let compute = |index: usize| {
        let tracked = parameters.tracked();
        let loss = part(index, &tracked);
        let gradients = tracked.gradients(&mut loss.backward());
        (loss.into_scalar::<f32>(), gradients)
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..replicas).map(|index| scope.spawn(move || compute(index))).collect();
        let first = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| compute(0)));
        std::iter::once(first).chain(threads.into_iter().map(|thread| thread.join())).collect()
    });
    let mut total: Option<(f32, Parameters)> = None;
    for result in results {
        let (loss, gradients) = result.map_err(|panic| Error::Train(said(&*panic)))?;
        total = Some(match total {
            None => (loss, gradients),
            Some((sum, all)) => {
                let all = all.map(|name, values| values.clone() + gradients.values(name).clone());
                (sum + loss, all)
            }
        });
    }
    let (loss, gradients) = total.ok_or_else(|| Error::Train("no replica was asked for".into()))?;
    let share = 1.0 / replicas as f32;
    Ok((loss * share, gradients.map(|_, values| values.clone() * share)))
}

/// The message of a panic.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
    format!("a training step failed: {text}")
}
