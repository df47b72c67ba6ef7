//! The threads that a session runs on: those of our operators, and by feature `tract-threads`
//! tract's too.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tract_onnx::prelude::multithread::Executor;

/// Threads to run on; the caller's own where there are none.
pub(super) type Pool = Option<Arc<ThreadPool>>;

/// The threads that models share: one pool for each number of threads.
pub(super) fn pool(threads: usize) -> Pool {
    static POOLS: Mutex<BTreeMap<usize, Arc<ThreadPool>>> = Mutex::new(BTreeMap::new());
    if threads <= 1 {
        return None;
    }
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = pools.get(&threads) {
        return Some(Arc::clone(pool));
    }
    let named = ThreadPoolBuilder::new().thread_name(|index| format!("vlunet-{index}"));
    match named.num_threads(threads).build() {
        Ok(pool) => Some(Arc::clone(pools.entry(threads).or_insert(Arc::new(pool)))),
        Err(e) => {
            log::warn!("cannot start {threads} threads, so one does all: {e}");
            None
        }
    }
}

thread_local! {
    static CURRENT: RefCell<Pool> = const { RefCell::new(None) };
}

/// The threads of the run that this thread is in.
pub(super) fn current() -> Pool {
    CURRENT.with_borrow(Clone::clone)
}

/// Does `work` as a run on these threads.
pub(super) fn within<R>(pool: &Pool, work: impl FnOnce() -> R) -> R {
    /// Puts back what was, also where the work panics.
    struct Before(Pool);
    impl Drop for Before {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _before = Before(CURRENT.replace(pool.clone()));
    work()
}

/// Where tract runs its own operators.
#[cfg_attr(not(feature = "tract-threads"), expect(unused_variables, reason = "its operators take one"))]
pub(super) fn executor(pool: &Pool) -> Executor {
    #[cfg(feature = "tract-threads")]
    if let Some(pool) = pool {
        return Executor::MultiThread(Arc::clone(pool));
    }
    Executor::SingleThread
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn a_run_has_its_threads_and_no_other() {
        assert!(pool(1).is_none() && current().is_none());
        let (two, three) = (pool(2), pool(3));
        let threads = || current().map(|pool| pool.current_num_threads());
        within(&two, || {
            assert_eq!(threads(), Some(2));
            let panics = AssertUnwindSafe(|| within(&three, || panic!("as an engine may")));
            assert!(catch_unwind(panics).is_err());
            assert_eq!(threads(), Some(2));
        });
        assert!(current().is_none());
        assert!(Arc::ptr_eq(&two.unwrap(), &pool(2).unwrap()), "models share them");
    }
}
