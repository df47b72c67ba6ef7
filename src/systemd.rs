//! Telling systemd how the loop is: ready, its status, and that it is alive.
//!
//! The unit is `board/systemd/vlunet.service`. Where the program wasn't started by systemd,
//! nothing is sent.

use sd_notify::NotifyState;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The frame loop never waits longer than this for systemd to take a message.
const PATIENCE: Duration = Duration::from_millis(20);

/// Sends messages to systemd, from any thread.
#[derive(Debug)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    /// Between two pings; `None` where no watchdog is set.
    ping_every: Option<Duration>,
    started: Instant,
    ready: AtomicBool,
    /// Microseconds after `started` at which the next ping is due.
    next_ping: AtomicU64,
    warned: AtomicBool,
}

impl Notifier {
    /// From what systemd put into the environment: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and
    /// `WATCHDOG_PID`.
    pub fn from_environment() -> Self {
        let path = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty());
        Self::new(path.as_deref().map(Path::new), sd_notify::watchdog_enabled())
    }

    /// Talks to a socket (one whose path begins with `@` is abstract); `watchdog` is how long
    /// systemd waits for a ping before it restarts the program.
    ///
    /// A socket that can't be reached is reported once, and nothing is sent.
    pub fn new(socket: Option<&Path>, watchdog: Option<Duration>) -> Self {
        let connected = socket.map(|path| connect(path).map_err(|e| (path, e))).transpose();
        let socket = connected.unwrap_or_else(|(path, e)| {
            log::warn!("systemd's socket {} can't be reached: {e}", path.display());
            None
        });
        Self {
            ping_every: watchdog.filter(|time| socket.is_some() && !time.is_zero()).map(|time| time / 2),
            socket,
            started: Instant::now(),
            ready: AtomicBool::new(false),
            next_ping: AtomicU64::new(0),
            warned: AtomicBool::new(false),
        }
    }

    /// Whether somebody listens.
    pub fn is_connected(&self) -> bool {
        self.socket.is_some()
    }

    /// A frame is out: the first one makes the service ready, and each keeps the watchdog quiet.
    /// To be called from the frame loop alone, so that a loop that stands still is seen.
    ///
    /// Sends at most one ping per half of the watchdog's time; allocates nothing.
    pub fn frame_done(&self) {
        if !self.ready.load(Ordering::Relaxed) {
            self.ready();
        }
        self.waiting();
    }

    /// The loop came round without a frame, because it waits for a source that it knows to be
    /// gone: it is alive all the same, and a restart would bring no camera back.
    pub fn waiting(&self) {
        let Some(every) = self.ping_every else { return };
        let now = micros(self.started.elapsed());
        let due = self.next_ping.load(Ordering::Relaxed);
        let next = now + micros(every);
        // Of several threads one sends.
        if now >= due
            && self.next_ping.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.send(&[NotifyState::Watchdog]);
        }
    }

    /// The service is ready, or has read its configuration anew.
    pub fn ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
        self.send(&[NotifyState::Ready]);
    }

    /// What `systemctl status` shows, on one line.
    pub fn status(&self, text: &str) {
        self.send(&[NotifyState::Status(&crate::error::one_line(text))]);
    }

    /// The configuration is being read anew; [`Self::ready`] ends that.
    pub fn reloading(&self) {
        // systemd orders reloads by the clock that they began at.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.send(&[NotifyState::Reloading, now]),
            Err(e) => log::warn!("the monotonic clock can't be read: {e}"),
        }
    }

    /// The service ends now, because it was told to.
    pub fn stopping(&self) {
        self.send(&[NotifyState::Stopping]);
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        use std::io::Write;
        let Some(socket) = &self.socket else { return };
        let mut buffer = [0; 512];
        let mut rest = &mut buffer[..];
        for state in states {
            if writeln!(rest, "{state}").is_err() {
                // A long status: what fits of it, to the end of a character.
                break;
            }
        }
        let left = rest.len();
        let message = &buffer[..buffer.len() - left];
        let end = match std::str::from_utf8(message) {
            Ok(_) => message.len(),
            Err(e) => e.valid_up_to(),
        };
        if let Err(e) = socket.send(&message[..end])
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            log::warn!("systemd doesn't take our messages: {e}; this is not reported again");
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 2)
}

fn connect(path: &Path) -> std::io::Result<UnixDatagram> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::SocketAddr;
    let socket = UnixDatagram::unbound()?;
    match path.as_os_str().as_bytes() {
        [b'@', name @ ..] => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        _ => socket.connect(path)?,
    }
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// What plays systemd: a socket of its own.
    struct Systemd {
        folder: tempfile::TempDir,
        socket: UnixDatagram,
    }

    impl Systemd {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
            socket.set_nonblocking(true).unwrap();
            Self { folder, socket }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("notify")
        }

        /// The messages that have come since the last call.
        fn heard(&self) -> Vec<String> {
            let mut buffer = [0; 4096];
            let next = || self.socket.recv(&mut buffer).ok().map(|n| buffer[..n].to_vec());
            std::iter::from_fn(next).map(|bytes| String::from_utf8(bytes).unwrap()).collect()
        }
    }

    #[test]
    fn the_first_frame_makes_ready_and_every_frame_keeps_the_watchdog_quiet() {
        let systemd = Systemd::new();
        let watchdog = Duration::from_millis(200);
        let notifier = Notifier::new(Some(&systemd.path()), Some(watchdog));
        assert!(notifier.is_connected() && systemd.heard().is_empty());
        for _ in 0..1000 {
            notifier.frame_done();
        }
        let heard = systemd.heard();
        assert_eq!(heard[..2], ["READY=1\n", "WATCHDOG=1\n"]);
        // A thousand calls within moments: more pings only if the machine stood still meanwhile.
        assert!(heard[2..].iter().all(|ping| ping == "WATCHDOG=1\n") && heard.len() < 50, "{heard:?}");
        std::thread::sleep(watchdog / 2 + Duration::from_millis(1));
        notifier.frame_done();
        assert_eq!(systemd.heard(), ["WATCHDOG=1\n"]);
        std::thread::sleep(watchdog);
        assert!(systemd.heard().is_empty(), "a loop that stands still must not ping");
    }

    #[test]
    fn a_loop_that_waits_for_its_camera_is_alive_but_not_ready() {
        let systemd = Systemd::new();
        let notifier = Notifier::new(Some(&systemd.path()), Some(Duration::from_secs(10)));
        notifier.waiting();
        notifier.waiting();
        assert_eq!(systemd.heard(), ["WATCHDOG=1\n"]);
        notifier.frame_done();
        assert_eq!(systemd.heard(), ["READY=1\n"]);
    }

    #[test]
    fn without_a_watchdog_nothing_pings() {
        let systemd = Systemd::new();
        for none in [None, Some(Duration::ZERO)] {
            let notifier = Notifier::new(Some(&systemd.path()), none);
            notifier.frame_done();
            notifier.frame_done();
            assert_eq!(systemd.heard(), ["READY=1\n"]);
        }
    }

    #[test]
    fn a_reload_says_when_it_began_and_ends_ready() {
        let systemd = Systemd::new();
        let notifier = Notifier::new(Some(&systemd.path()), None);
        notifier.reloading();
        notifier.ready();
        notifier.stopping();
        let heard = systemd.heard();
        let began = heard[0].strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(began.trim_end().parse::<u64>().unwrap() > 0, "{heard:?}");
        assert_eq!(heard[1..], ["READY=1\n", "STOPPING=1\n"]);
    }

    #[test]
    fn a_status_is_one_line_that_brings_no_message_of_its_own() {
        let systemd = Systemd::new();
        let notifier = Notifier::new(Some(&systemd.path()), None);
        notifier.status("restoring, 28 fps\nREADY=1\n");
        assert_eq!(systemd.heard(), ["STATUS=restoring, 28 fps READY=1\n"]);
        notifier.status(&"ä".repeat(1000));
        let heard = systemd.heard();
        assert!(heard[0].starts_with("STATUS=ää") && heard[0].len() > 500, "{heard:?}");
    }

    #[test]
    fn an_abstract_socket_works_too() {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr;
        let name = format!("vlunet-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Notifier::new(Some(Path::new(&format!("@{name}"))), None).ready();
        let mut buffer = [0; 64];
        let read = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..read], b"READY=1\n");
    }

    #[test]
    fn nobody_who_listens_stops_nothing() {
        let systemd = Systemd::new();
        let notifier = Notifier::new(Some(&systemd.path()), Some(Duration::from_nanos(2)));
        // Nobody reads: the socket fills up, and the loop goes on.
        let start = Instant::now();
        for _ in 0..40 {
            notifier.status("busy");
        }
        assert!(start.elapsed() < Duration::from_secs(10));
        drop(systemd);
        notifier.frame_done();
        for silent in [Notifier::new(None, None), Notifier::new(Some(Path::new("/no/such")), None)] {
            silent.frame_done();
            assert!(!silent.is_connected());
        }
    }
}
