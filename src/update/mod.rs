//! Updates of models: signed bundles, installed so that a cut at any moment leaves the old model
//! or the new one, and watched until the live loop has proved them.
//!
//! A bundle's signature covers its manifest, whose hashes cover every other file
//! ([`Signature`], [`Keys`]). [`install`] checks it, unpacks the bundle aside, restores its
//! golden frame, and switches one symbolic link of the [`Store`]. The live loop then counts
//! healthy time ([`Watch`]): enough of it confirms the model, a loop that doesn't get that far
//! goes back to the last good one. `docs/updates.md` shows it for a fleet.
//!
//! ```no_run
//! use vlunet::update::{self, Keys, Store};
//!
//! let keys = Keys::load(update::KEYS_FOLDER.as_ref())?;
//! let store = Store::new(vlunet::bundle::STORE);
//! let report = update::install("nano.vlu".as_ref(), &store, &keys, &update::Options::default(), &mut |step| {
//!     println!("{step}");
//! })?;
//! println!("{} is on probation", report.entry);
//! # Ok::<(), vlunet::Error>(())
//! ```

mod keys;
mod sign;
mod signature;

#[cfg(unix)]
mod disk;
#[cfg(feature = "fetch")]
#[cfg(unix)]
pub mod fetch;
#[cfg(unix)]
mod install;
#[cfg(unix)]
mod owner;
#[cfg(unix)]
mod package;
#[cfg(unix)]
mod probation;
mod state;
#[cfg(unix)]
mod step;
#[cfg(unix)]
mod store;
#[cfg(unix)]
mod switch;
#[cfg(unix)]
mod trial;

#[cfg(unix)]
pub use install::{Options, Report, install};
pub use keys::{Keys, Verified};
#[cfg(unix)]
pub use probation::{MAX_STARTS, STABLE, Watch};
pub use sign::{KeyPair, SecretKey};
pub use signature::{Signature, TrustedComment};
pub use state::{Probation, State};
#[cfg(unix)]
pub use step::Step;
#[cfg(unix)]
pub use store::{Entry, Slot, Standing, Store};

/// Where a device keeps the public keys that it trusts, `*.pub`.
pub const KEYS_FOLDER: &str = "/etc/vlunet/keys";
