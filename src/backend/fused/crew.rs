//! The threads of a run, and memory of its own for each.

use super::memory::Buffer;
use crate::Result;
use rayon::ThreadPool;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Threads that share the rows of a picture.
pub(crate) struct Crew {
    pool: Option<Arc<ThreadPool>>,
    scratch: Vec<Mutex<Buffer>>,
}

/// Who works on what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// The number of the thread.
    pub(super) worker: usize,
    /// Which of at most [`Crew::parts`] it is: what is summed up for each of them, and not for each
    /// thread, is the same in every run.
    pub(super) part: usize,
}

/// The least rows that are worth a thread's while.
const LEAST_ROWS: usize = 4;

/// Rows beyond which a thread takes its share in two parts, so that one that was kept from its
/// work is waited for less.
const MANY_ROWS: usize = 32;

impl Crew {
    /// The threads of a pool, or this one; each gets so many floats.
    pub(super) fn new(pool: Option<Arc<ThreadPool>>, floats: usize) -> Result<Self> {
        let count = pool.as_ref().map_or(1, |pool| pool.current_num_threads().max(1));
        let scratch = (0..count).map(|_| Buffer::new(floats).map(Mutex::new)).collect::<Result<_>>()?;
        Ok(Self { pool, scratch })
    }

    pub(super) fn len(&self) -> usize {
        self.scratch.len()
    }

    /// Bytes of all threads' own memory.
    pub(super) fn bytes(&mut self) -> usize {
        let own =
            |buffer: &mut Mutex<Buffer>| buffer.get_mut().unwrap_or_else(PoisonError::into_inner).bytes();
        self.scratch.iter_mut().map(own).sum()
    }

    /// Parts that rows are worked on in, at most.
    pub(super) fn parts(&self) -> usize {
        Self::parts_of(self.len())
    }

    /// The same for so many threads.
    pub(super) fn parts_of(threads: usize) -> usize {
        if threads > 1 { 2 * threads } else { 1 }
    }

    /// Does `work` for parts of the rows, each on some thread with its memory.
    pub(super) fn rows(&self, height: usize, work: impl Fn(Turn, Range<usize>, &mut [f32]) + Sync) {
        let most = height.div_ceil(LEAST_ROWS).max(1);
        let count = if height / self.len() > MANY_ROWS { self.parts() } else { self.len() }.min(most);
        let rows = |part: usize| height * part / count..height * (part + 1) / count;
        self.each(count, |worker, part, scratch| work(Turn { worker, part }, rows(part), scratch));
    }

    /// Does `work` for each of `0..count`.
    pub(super) fn each(&self, count: usize, work: impl Fn(usize, usize, &mut [f32]) + Sync) {
        let turn = |worker: usize, index: usize| {
            if let Some(scratch) = self.scratch.get(worker) {
                let mut scratch = scratch.lock().unwrap_or_else(PoisonError::into_inner);
                work(worker, index, scratch.floats());
            }
        };
        match &self.pool {
            Some(pool) if count > 1 => pool.install(|| {
                // A thread that is kept from its work is not waited for: others take its turns.
                (0..count).into_par_iter().with_max_len(1).for_each(|index| {
                    turn(rayon::current_thread_index().unwrap_or(0), index);
                });
            }),
            _ => (0..count).for_each(|index| turn(0, index)),
        }
    }
}
