//! Bundles from any HTTPS server or object store: fetched in parts where the connection breaks,
//! once for each version, and installed as a bundle from a stick is.
//!
//! The server is not trusted, nor is the connection: the signature is what counts. So `http:` is
//! as safe as `https:` for the device, and less private.

mod client;
mod download;
mod notes;

pub use client::Patience;

use super::install::{Options, Report, install};
use super::{Keys, Step, Store};
use crate::{Error, Result};
use client::Client;
use download::{Download, Fetched};

/// How a bundle is fetched.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest packed bundle, in bytes.
    pub bytes: u64,
    /// How long a silent server is waited for, and how often it is asked again.
    pub patience: Patience,
}

impl Default for Limits {
    /// 1 GiB.
    fn default() -> Self {
        Self { bytes: 1 << 30, patience: Patience::default() }
    }
}

/// What came of a fetch.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The server still has what was installed from it.
    Unchanged,
    /// It was installed.
    Installed(Report),
}

/// Fetches a packed bundle and installs it; what can't be fetched now is gone on with at the next
/// call.
///
/// A bundle that was refused is not fetched again until the server has another.
///
/// # Errors
/// [`Error::Input`] where the URL is none, the server does not answer or refuses, or the bundle is
/// too large; else as [`install`].
pub fn fetch(
    url: &str,
    store: &Store,
    keys: &Keys,
    options: &Options,
    limits: &Limits,
    done: &mut dyn FnMut(Step),
) -> Result<Outcome> {
    let client = Client::new(url, &limits.patience)?;
    // Not a byte without a key: nothing could come of it.
    keys.require_any().map_err(Error::Input)?;
    let mut download = Download::open(store, &client)?;
    let rotted = download.has_rotted(store);
    if rotted {
        log::warn!("what was installed from {} is damaged: it is fetched again", client.shown());
    }
    match download.run(&client, limits, options.force || rotted)? {
        Fetched::Unchanged => Ok(Outcome::Unchanged),
        Fetched::Refused(reason) => Err(Error::Input(format!(
            "{}: the server still has the bundle that was refused: {reason}",
            client.shown()
        ))),
        Fetched::New(path) => {
            let outcome = install(&path, store, keys, options, done).map_err(|e| match e {
                // Where it came from, not where it lies for now.
                Error::Bundle { bundle, reason } if bundle == path.display().to_string() => {
                    Error::Bundle { bundle: client.shown().into(), reason }
                }
                e => e,
            });
            let settled = download.settle(&outcome);
            // What came of the bundle is said first.
            let report = outcome?;
            settled.map(|()| Outcome::Installed(report))
        }
    }
}
