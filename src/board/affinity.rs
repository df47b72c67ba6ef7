//! Which cores a thread runs on, whom it lets pass, and its name in `top -H`.

use crate::Result;

/// Binds the calling thread to those of these cores that are there and allowed, and gives them;
/// none where the list is empty or names no such core: the thread stays where it was.
///
/// Threads that it starts later inherit the binding: an engine whose threads are to be bound is
/// opened on a bound thread.
///
/// # Errors
/// [`crate::Error::Io`] where the system refuses.
#[cfg(target_os = "linux")]
pub fn bind(cores: &[usize]) -> Result<Vec<usize>> {
    use rustix::io::Errno;
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    if cores.is_empty() {
        return Ok(Vec::new());
    }
    let fail =
        |e: Errno| crate::Error::io("bind a thread to cores by", "sched_setaffinity".as_ref())(e.into());
    let mut wanted = CpuSet::new();
    cores.iter().filter(|core| **core < CpuSet::MAX_CPU).for_each(|core| wanted.set(*core));
    // The kernel leaves out those that are offline or not ours, and refuses when none is left.
    match sched_setaffinity(None, &wanted) {
        Ok(()) => {
            let kept = sched_getaffinity(None).map_err(fail)?;
            Ok((0..CpuSet::MAX_CPU).filter(|core| kept.is_set(*core)).collect())
        }
        Err(Errno::INVAL) => {
            log::warn!("none of the cores {cores:?} is there; the thread runs on any");
            Ok(Vec::new())
        }
        Err(e) => Err(fail(e)),
    }
}

/// Binds nothing: only Linux lets a thread choose.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn bind(_: &[usize]) -> Result<Vec<usize>> {
    Ok(Vec::new())
}

/// Puts the calling thread behind others by so many steps of `nice`, and those that it starts
/// later; where the system refuses it stays where it was.
#[cfg(target_os = "linux")]
pub fn step_back(steps: i32) {
    if let Err(e) = rustix::process::nice(steps) {
        log::debug!("a thread keeps its priority: {e}");
    }
}

/// Changes nothing: elsewhere priorities are of whole processes.
#[cfg(not(target_os = "linux"))]
pub fn step_back(_: i32) {}

/// Lets the calling thread run at once when it has something to do, though others have not used
/// up their time; in return it runs for no longer than half a millisecond at a time while they
/// wait. Takes Linux 6.12.
#[cfg(target_os = "linux")]
pub fn step_in() {
    if let Err(e) = super::slice::request(std::time::Duration::from_micros(500)) {
        log::debug!("a thread keeps its time slice: {e}");
    }
}

/// Changes nothing: only Linux lets a thread choose.
#[cfg(not(target_os = "linux"))]
pub fn step_in() {}

/// Names the calling thread; Linux shows the first 15 bytes.
#[cfg(target_os = "linux")]
pub fn name(name: &str) {
    let end = name.floor_char_boundary(15);
    if let Ok(name) = std::ffi::CString::new(&name[..end]) {
        // It is for people alone: without it the thread works as well.
        let _ = rustix::thread::set_name(&name);
    }
}

/// Names nothing: see [`std::thread::Builder::name`].
#[cfg(not(target_os = "linux"))]
pub fn name(_: &str) {}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use rustix::thread::sched_getaffinity;

    fn allowed() -> Vec<usize> {
        let set = sched_getaffinity(None).unwrap();
        (0..1024).filter(|core| set.is_set(*core)).collect()
    }

    #[test]
    fn a_thread_and_its_children_stay_on_their_cores() {
        std::thread::spawn(|| {
            let all = allowed();
            let first = all[0];
            assert_eq!(bind(&[1023, first, first]).unwrap(), [first]);
            assert_eq!(allowed(), [first]);
            let child = std::thread::spawn(allowed).join().unwrap();
            assert_eq!(child, [first]);
            // A binding can be widened again.
            assert_eq!(bind(&all).unwrap(), all);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn cores_that_are_not_there_change_nothing() {
        std::thread::spawn(|| {
            let before = allowed();
            assert!(bind(&[]).unwrap().is_empty());
            assert!(bind(&[1022, 1_000_000]).unwrap().is_empty());
            assert_eq!(allowed(), before);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_name_is_cut_to_what_the_kernel_keeps() {
        std::thread::spawn(|| {
            name("restore-frames-äöü");
            let shown = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
            assert_eq!(shown.trim_end(), "restore-frames-");
        })
        .join()
        .unwrap();
    }
}
