//! A browser's connection: reads the restored stream as fast as it comes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vlunet::{Error, Result};

/// What the client did.
#[derive(Default)]
pub struct Watched {
    /// Bytes of pictures and headers.
    pub bytes: AtomicU64,
    /// Processor time of its own thread, in microseconds: it is no part of the loop.
    pub cpu_micros: AtomicU64,
}

/// Connects and reads on a thread of its own, until the server closes.
pub fn watch(address: SocketAddr) -> Result<Arc<Watched>> {
    let failed = |e: std::io::Error| Error::Input(format!("http://{address} can't be read: {e}"));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).map_err(failed)?;
    write!(stream, "GET /restored.mjpg HTTP/1.1\r\nHost: {address}\r\n\r\n").map_err(failed)?;
    let seen = Arc::<Watched>::default();
    let told = Arc::clone(&seen);
    let read = move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            told.bytes.fetch_add(count as u64, Ordering::Relaxed);
            told.cpu_micros.store(own_cpu_micros(), Ordering::Relaxed);
        }
    };
    std::thread::Builder::new().name("client".into()).spawn(read).map_err(failed)?;
    Ok(seen)
}

/// Processor time of the calling thread; 0 where it can't be told.
#[cfg(target_os = "linux")]
fn own_cpu_micros() -> u64 {
    micros(rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime))
}

/// Processor time of the whole program so far.
#[cfg(target_os = "linux")]
pub fn cpu_micros() -> u64 {
    micros(rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime))
}

#[cfg(target_os = "linux")]
fn micros(time: rustix::time::Timespec) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1000
}

#[cfg(not(target_os = "linux"))]
fn own_cpu_micros() -> u64 {
    0
}

/// Processor time of the whole program so far: not told here.
#[cfg(not(target_os = "linux"))]
pub fn cpu_micros() -> u64 {
    0
}
