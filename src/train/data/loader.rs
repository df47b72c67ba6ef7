//! Rounds made ahead of time, while the device is busy with the one before.

use super::round::{Rounds, Sample};
use crate::{Error, Result};
use rayon::ThreadPoolBuilder;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// A round that is ready to be used.
#[derive(Clone, Debug)]
pub struct Ready<T> {
    /// Which round.
    pub index: u64,
    /// Its samples.
    pub samples: Vec<Sample>,
    /// What was made of them, one each.
    pub prepared: Vec<T>,
    /// How long it had to be waited for.
    pub waited: Duration,
}

/// Prepares the next round on a thread of its own.
#[derive(Debug)]
pub struct Loader<T> {
    /// `None` only while being dropped.
    rounds: Option<Receiver<(u64, Result<Prepared<T>>)>>,
    thread: Option<JoinHandle<()>>,
    waited: Duration,
}

/// The samples of a round, and what was made of each.
type Prepared<T> = (Vec<Sample>, Vec<T>);

impl<T: Send + 'static> Loader<T> {
    /// Starts with round `first`, on `threads` threads (0: as many as there are cores);
    /// `prepare` makes of each sample what else training needs.
    ///
    /// They are a pool of their own: in the common one, a batch that is wanted now would queue
    /// up behind the whole next round.
    ///
    /// # Errors
    /// [`Error::Input`] where the system gives no thread.
    pub fn start(
        rounds: Rounds,
        first: u64,
        threads: usize,
        mut prepare: impl FnMut(&Sample) -> Result<T> + Send + 'static,
    ) -> Result<Self> {
        let refused =
            |e: &dyn std::fmt::Display| Error::Input(format!("cannot start the loader's threads: {e}"));
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("loader-{i}"))
            .build()
            .map_err(|e| refused(&e))?;
        // A hand-over without a buffer: one round in use and one ready is all the memory holds.
        let (sender, receiver) = sync_channel(0);
        let work = move || {
            for index in first.. {
                let round = pool.install(|| rounds.round(index)).and_then(|samples| {
                    let prepared = samples.iter().map(&mut prepare).collect::<Result<_>>()?;
                    Ok((samples, prepared))
                });
                if sender.send((index, round)).is_err() {
                    break;
                }
            }
        };
        let thread = Builder::new().name("loader".into()).spawn(work).map_err(|e| refused(&e))?;
        Ok(Self { rounds: Some(receiver), thread: Some(thread), waited: Duration::ZERO })
    }

    /// The next round.
    ///
    /// # Errors
    /// What making it failed with.
    pub fn next_round(&mut self) -> Result<Ready<T>> {
        let start = Instant::now();
        let received = self.rounds.as_ref().and_then(|rounds| rounds.recv().ok());
        let waited = start.elapsed();
        self.waited += waited;
        let (index, samples) =
            received.ok_or_else(|| Error::Input("the thread that prepares pictures has died".into()))?;
        let (samples, prepared) = samples?;
        Ok(Ready { index, samples, prepared, waited })
    }

    /// How long all rounds so far had to be waited for.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl<T> Drop for Loader<T> {
    fn drop(&mut self) {
        // Its next hand-over fails, and it ends.
        self.rounds = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
