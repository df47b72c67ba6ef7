//! Rounds made ahead of time, while the device is busy with the one before.

use super::round::{Rounds, Sample};
use crate::{Error, Result};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// A round that is ready to be used.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Which round.
    pub index: u64,
    /// Its samples.
    pub samples: Vec<Sample>,
    /// How long it had to be waited for.
    pub waited: Duration,
}

/// Prepares the next round on a thread of its own.
#[derive(Debug)]
pub struct Loader {
    /// `None` only while being dropped.
    rounds: Option<Receiver<(u64, Result<Vec<Sample>>)>>,
    thread: Option<JoinHandle<()>>,
    waited: Duration,
}

impl Loader {
    /// Starts with round `first`.
    ///
    /// # Errors
    /// [`Error::Input`] where the system gives no thread.
    pub fn start(rounds: Rounds, first: u64) -> Result<Self> {
        // A hand-over without a buffer: one round in use and one ready is all the memory holds.
        let (sender, receiver) = sync_channel(0);
        let work = move || {
            for index in first.. {
                if sender.send((index, rounds.round(index))).is_err() {
                    break;
                }
            }
        };
        let thread = Builder::new()
            .name("loader".into())
            .spawn(work)
            .map_err(|e| Error::Input(format!("cannot start the loader's thread: {e}")))?;
        Ok(Self { rounds: Some(receiver), thread: Some(thread), waited: Duration::ZERO })
    }

    /// The next round.
    ///
    /// # Errors
    /// What making it failed with.
    pub fn next_round(&mut self) -> Result<Ready> {
        let start = Instant::now();
        let received = self.rounds.as_ref().and_then(|rounds| rounds.recv().ok());
        let waited = start.elapsed();
        self.waited += waited;
        let (index, samples) =
            received.ok_or_else(|| Error::Input("the thread that prepares pictures has died".into()))?;
        Ok(Ready { index, samples: samples?, waited })
    }

    /// How long all rounds so far had to be waited for.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // Its next hand-over fails, and it ends.
        self.rounds = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
