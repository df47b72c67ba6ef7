//! The threads of a run, and memory of its own for each.

use super::memory::Buffer;
use crate::Result;
use rayon::ThreadPool;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Threads that share the rows of a picture.
pub(crate) struct Crew {
    pool: Option<Arc<ThreadPool>>,
    scratch: Vec<Mutex<Buffer>>,
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

    /// Does `work` for parts of the rows, each on some thread with its number and memory.
    pub(super) fn rows(&self, height: usize, work: impl Fn(usize, Range<usize>, &mut [f32]) + Sync) {
        let most = height.div_ceil(LEAST_ROWS).max(1);
        let count = self.len() * if self.len() > 1 && height / self.len() > MANY_ROWS { 2 } else { 1 };
        let count = count.min(most);
        let part = |index: usize| height * index / count..height * (index + 1) / count;
        self.each(count, |worker, index, scratch| work(worker, part(index), scratch));
    }

    /// Does `work` for each of `0..count`.
    pub(super) fn each(&self, count: usize, work: impl Fn(usize, usize, &mut [f32]) + Sync) {
        let next = AtomicUsize::new(0);
        let turn = |worker: usize| {
            let Some(scratch) = self.scratch.get(worker) else { return };
            let mut scratch = scratch.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return;
                }
                work(worker, index, scratch.floats());
            }
        };
        match &self.pool {
            Some(pool) if count > 1 => {
                pool.broadcast(|context| turn(context.index()));
            }
            _ => turn(0),
        }
    }
}
