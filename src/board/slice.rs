//! The time slice of a thread under Linux' scheduler, which neither the standard library nor
//! `rustix` can set.
#![allow(unsafe_code)]

use std::io;
use std::time::Duration;

/// `struct sched_attr` of `linux/sched/types.h`, as its first version has it.
#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime_ns: u64,
    deadline_ns: u64,
    period_ns: u64,
}

/// Asks that the calling thread run in slices of that length, 0.1 to 100 ms, at the priority it
/// has. Since Linux 6.12 a thread of a shorter slice interrupts one of a longer when it wakes;
/// older kernels take the call and go on as before.
///
/// # Errors
/// What the kernel says: a thread of a real-time policy, a sandbox without this call.
pub(super) fn request(slice: Duration) -> io::Result<()> {
    let size = size_of::<Attributes>() as u32;
    let mut attributes = Attributes {
        size,
        policy: 0,
        flags: 0,
        nice: 0,
        priority: 0,
        runtime_ns: 0,
        deadline_ns: 0,
        period_ns: 0,
    };
    // SAFETY: the kernel writes at most `size` bytes to the structure, which is that large and
    // whose fields take any value; 0 is the calling thread.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    if got != 0 {
        return Err(io::Error::last_os_error());
    }
    attributes.size = size;
    attributes.runtime_ns = u64::try_from(slice.as_nanos()).unwrap_or(u64::MAX);
    // SAFETY: the kernel reads `size` bytes of the structure, which is that large and outlives
    // the call.
    let set = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_taken_and_the_priority_stays() {
        std::thread::spawn(|| {
            let nice = rustix::process::nice(3).unwrap();
            match request(Duration::from_micros(500)) {
                Ok(()) => {}
                // A sandbox may forbid it.
                Err(e) => assert_eq!(e.kind(), io::ErrorKind::PermissionDenied, "{e}"),
            }
            assert_eq!(rustix::process::getpriority_process(None).unwrap(), nice);
        })
        .join()
        .unwrap();
    }
}
