//! What the system asks of the loop.

use std::sync::Arc;
use vlunet::telemetry::Telemetry;
use vlunet::{Error, Result};

/// SIGINT and SIGTERM end the loop cleanly, SIGHUP has the configuration read again; a second
/// SIGINT or SIGTERM ends the program at once, and so does the first before anything is open.
#[cfg(unix)]
pub fn heed(telemetry: &Arc<Telemetry>) -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let failed = |e: std::io::Error| Error::Input(format!("signals can't be heeded: {e}"));
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
    let telemetry = Arc::clone(telemetry);
    let listen = move || {
        for signal in signals.forever() {
            match signal {
                SIGHUP => telemetry.controls().request_reload(),
                _ if telemetry.controls().stop_asked().is_some() || telemetry.status().model.is_empty() => {
                    std::process::exit(128 + signal)
                }
                _ => telemetry.controls().stop(),
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(listen).map(drop).map_err(failed)
}

/// Ctrl-C ends the program at once: there are no signals here.
#[cfg(not(unix))]
pub fn heed(_: &Arc<Telemetry>) -> Result<()> {
    Ok(())
}
