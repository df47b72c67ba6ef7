//! Changing which version runs: links and notes, in an order in which every moment is sound.
//!
//! The notes come before the link, always. A new version is noted to be on probation before it
//! can run, and one that fails is noted as rejected before the link leaves it; the next start
//! ([`super::Watch::begin`]) ends a change that was cut in between.

use super::disk::sync;
use super::state::State;
use super::step::Step;
use super::store::{CURRENT, PREVIOUS, Slot};
use crate::{Error, Result};
use std::time::Duration;

/// Makes an entry that lies in the slot the current one, on probation; `whole` is the one before, where
/// its files are as they should be. The slot is locked.
pub(super) fn to_new(
    slot: &Slot,
    entry: &str,
    whole: Option<&str>,
    needed: Duration,
    done: &mut dyn FnMut(Step),
) -> Result<()> {
    let mut state = slot.state();
    // A damaged one must not take the place of the last good one.
    let before = slot.current().filter(|before| before != entry && Some(before.as_str()) == whole);
    state.probation.retain(|noted, _| slot.path_of(noted).is_dir());
    // One that is still to prove itself is not the last good one.
    let good =
        before.filter(|before| !state.probation.contains_key(before) && !state.rejected.contains(before));
    state.admit(entry, needed);
    slot.write_state(&state)?;
    done(Step::Noted);
    if let Some(good) = good {
        link(slot, PREVIOUS, &good, &mut || done(Step::KeptAside))?;
        // No disk may keep the next rename and lose this one.
        sync(slot.folder())?;
        done(Step::Kept);
    }
    link(slot, CURRENT, entry, &mut || done(Step::LinkedAside))?;
    done(Step::Switched);
    sync(slot.folder())?;
    done(Step::Done);
    Ok(())
}

/// Leaves the current entry, which failed or isn't wanted, for the last good one; for none, where
/// there is no other. The slot is locked. Gives what is current then.
pub(super) fn back(slot: &Slot, state: &mut State) -> Result<Option<String>> {
    let Some(current) = slot.current() else { return Ok(None) };
    state.reject(&current);
    slot.write_state(state)?;
    leave(slot, &current)
}

/// [`back`] from an entry whose files are damaged: installed again, it may be sound.
pub(super) fn leave(slot: &Slot, current: &str) -> Result<Option<String>> {
    let good = slot.previous().filter(|previous| previous != current);
    match &good {
        Some(good) => link(slot, CURRENT, good, &mut || {})?,
        None => {
            let path = slot.link();
            std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    sync(slot.folder())?;
    Ok(good)
}

/// Points a link to an entry by one rename; `aside` is called before that.
fn link(slot: &Slot, name: &str, entry: &str, aside: &mut dyn FnMut()) -> Result<()> {
    let (path, temporary) = (slot.folder().join(name), slot.folder().join(format!(".{name}")));
    match std::fs::remove_file(&temporary) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("remove", &temporary)(e)),
        _ => {}
    }
    std::os::unix::fs::symlink(entry, &temporary).map_err(Error::io("create", &temporary))?;
    aside();
    std::fs::rename(&temporary, &path).map_err(Error::io("switch", &path))
}
