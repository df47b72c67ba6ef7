//! What this machine can do at most: the measure that kernels are held against.

use super::kernels::float;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// How long each figure is measured.
const LENGTH: Duration = Duration::from_millis(400);

/// Bytes that each thread copies at a time: more than any cache holds.
const COPIED: usize = 128 << 20;

/// Upper bounds, of all threads together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// Multiply-accumulates of floats per second, in units of 10⁹.
    pub gmac_per_s: f64,
    /// Bytes copied from memory to memory per second, each counted once read and once written, in units of
    /// 10⁹.
    pub gb_per_s: f64,
}

/// Measures on so many threads, in about a second.
pub fn peak(threads: usize) -> Peak {
    let threads = threads.max(1);
    let gmac_per_s = on_all(threads, || float::multiply_adds(float::Form::best(), LENGTH) / 1e9);
    let gb_per_s = on_all(threads, || {
        let (from, mut to) = (vec![1u8; COPIED / threads], vec![0u8; COPIED / threads]);
        let (start, mut bytes) = (Instant::now(), 0.0);
        while start.elapsed() < LENGTH {
            to.copy_from_slice(std::hint::black_box(&from));
            std::hint::black_box(&mut to);
            bytes += 2.0 * from.len() as f64;
        }
        bytes / start.elapsed().as_secs_f64() / 1e9
    });
    Peak { gmac_per_s, gb_per_s }
}

/// The sum of what each thread reaches while all are at work.
fn on_all(threads: usize, work: impl Fn() -> f64 + Sync) -> f64 {
    let start = Barrier::new(threads);
    let each = || {
        start.wait();
        work()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(each)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(0.0)).sum()
    })
}
