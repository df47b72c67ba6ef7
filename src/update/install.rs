//! Installing: trusted, aside, tested, and only then switched to.

use super::disk::sync;
use super::owner::AsOwner;
use super::package::Package;
use super::step::Step;
use super::store::{ASIDE, Slot, Store};
use super::{Keys, switch, trial};
use crate::bundle::Bundle;
use crate::restore;
use crate::{Error, Result};
use std::path::Path;
use std::time::Duration;

/// How a bundle is installed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Installs what is older than a version that was confirmed, or failed here before.
    pub force: bool,
    /// Time for which the loop must run well until the model is confirmed; none confirms at once.
    pub probation: Duration,
    /// The longest time for a frame; twice the current model's where not given.
    pub max_time: Option<Duration>,
    /// Width and height of that frame.
    pub size: (u32, u32),
    /// How the restorer runs in the test.
    pub restore: restore::Options,
}

impl Default for Options {
    /// Ten minutes of probation; a frame of 320×180 in at most twice the time.
    fn default() -> Self {
        Self {
            force: false,
            probation: Duration::from_secs(600),
            max_time: None,
            size: (320, 180),
            restore: restore::Options::default(),
        }
    }
}

/// What an installation did.
#[derive(Clone, Debug)]
pub struct Report {
    /// The model's name: that of its slot.
    pub model: String,
    /// The entry that is the current one now.
    pub entry: String,
    /// The key that it is signed with.
    pub key: String,
    /// Whether it was the current one before, and whole: nothing was changed.
    pub already: bool,
    /// Largest difference from the golden frame, in 0..=1, and the time of a frame; where it was
    /// tested.
    pub tested: Option<(f32, Duration)>,
    /// Whether the slot had no current version before.
    pub first: bool,
}

/// Installs a bundle, packed or a folder; `done` is told of every step.
///
/// # Errors
/// [`Error::Bundle`] where it can't be trusted, is damaged, for a newer program, or older than what
/// was confirmed; [`Error::Model`] where it doesn't work on this machine; [`Error::Io`] where it
/// can't be read or written; [`Error::Input`] where it is too slow, or another installation is
/// under way. After any error the model that ran before is the current one.
pub fn install(
    path: &Path,
    store: &Store,
    keys: &Keys,
    options: &Options,
    done: &mut dyn FnMut(Step),
) -> Result<Report> {
    let package = Package::open(path, keys)?;
    done(Step::Trusted);
    let slot = store.slot(&package.manifest.name)?;
    let entry = Slot::entry_name(&package.manifest, &package.text);
    let _installing = store.lock()?;
    let before = slot.current();
    let mut report = Report {
        model: slot.name().into(),
        entry: entry.clone(),
        key: package.key.clone(),
        already: false,
        tested: None,
        first: before.is_none(),
    };
    if before.as_ref() == Some(&entry) && is_whole(&slot, &entry) {
        report.already = true;
        return Ok(report);
    }
    if !options.force {
        admit(&slot, &package, &entry)?;
    }
    done(Step::Admitted);
    {
        let _changing = slot.lock()?;
        slot.clear()?;
    }
    done(Step::Cleared);
    let aside = slot.folder().join(ASIDE);
    let outcome = aside_and_tested(&package, &slot, before.as_deref(), options, done);
    if outcome.is_err() {
        // What is left of it only takes room, and the next installation removes it, too.
        let _ = AsOwner::of(slot.folder()).map(|_owner| std::fs::remove_dir_all(&aside));
    }
    let tested = outcome?;
    report.tested = Some((tested.difference, tested.time));
    let whole = before.as_deref().filter(|before| is_whole(&slot, before));
    let _changing = slot.lock()?;
    place(&slot, &aside, &entry)?;
    done(Step::Placed);
    switch::to_new(&slot, &entry, whole, options.probation, done)?;
    if options.probation.is_zero() {
        let mut state = slot.state();
        state.confirm(&entry, &package.manifest.version);
        slot.write_state(&state)?;
    }
    Ok(report)
}

/// Checks that the version may be installed here.
fn admit(slot: &Slot, package: &Package, entry: &str) -> Result<()> {
    let (state, version) = (slot.state(), &package.manifest.version);
    let fail = |reason: String| Error::Bundle { bundle: package.manifest.name.clone(), reason };
    if state.rejected.iter().any(|rejected| rejected == entry) {
        return Err(fail(format!(
            "{version} failed here before, or was rolled back: --force installs it all the same"
        )));
    }
    match &state.highest {
        Some(highest) if version < highest => Err(fail(format!(
            "{version} is older than {highest}, which was confirmed here: --force installs it all the same"
        ))),
        _ => Ok(()),
    }
}

/// Unpacks beside the versions that are there, and tests what was unpacked.
fn aside_and_tested(
    package: &Package,
    slot: &Slot,
    before: Option<&str>,
    options: &Options,
    done: &mut dyn FnMut(Step),
) -> Result<trial::Trial> {
    let aside = slot.folder().join(ASIDE);
    {
        let _owner = AsOwner::of(slot.folder())?;
        std::fs::create_dir(&aside).map_err(Error::io("create", &aside))?;
        done(Step::Aside);
        package.unpack(&aside, &mut || done(Step::Unpacked)).map_err(|e| explained(e, package))?;
        done(Step::Synced);
    }
    let before = before.and_then(|before| slot.open(before).ok());
    let tested = trial::run(
        &Bundle::open(&aside)?,
        before.as_ref(),
        &options.restore,
        options.size,
        options.max_time,
    )?;
    done(Step::Tested);
    Ok(tested)
}

/// Says how much room an update takes, where there is too little.
fn explained(error: Error, package: &Package) -> Error {
    match error {
        Error::Io { action, path, source } if source.kind() == std::io::ErrorKind::StorageFull => {
            let mib = package.bytes().div_ceil(1 << 20);
            let source = std::io::Error::new(source.kind(), format!("{source}; the bundle takes {mib} MiB"));
            Error::Io { action, path, source }
        }
        error => error,
    }
}

/// Gives the tested folder its final name. The slot is locked.
fn place(slot: &Slot, aside: &Path, entry: &str) -> Result<()> {
    let path = slot.path_of(entry);
    if path.is_dir() {
        // The last good one again, or the current one, which was found damaged.
        if is_whole(slot, entry) {
            return std::fs::remove_dir_all(aside).map_err(Error::io("remove", aside));
        }
        std::fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
    }
    std::fs::rename(aside, &path).map_err(Error::io("create", &path))?;
    sync(slot.folder())
}

/// Whether every file of an entry is what its manifest says.
pub(super) fn is_whole(slot: &Slot, entry: &str) -> bool {
    slot.open(entry).and_then(|bundle| bundle.verify()).is_ok()
}
