//! The live loop's part: it counts starts and healthy time of a new model, confirms it, or goes
//! back to the last good one.
//!
//! Healthy time is time in which frames left the loop that the new model saw or restored. It is
//! counted by a clock that nobody sets, and adds up over starts: a car is driven for minutes.
//! A loop that is started again and again before it ran well for a while is what a broken model
//! looks like; one that ended as it was asked to, or found no camera, is not.

use super::install::is_whole;
use super::state::{Probation, State};
use super::store::Slot;
use super::switch;
use crate::telemetry::{InstalledModel, State as LoopState, Status};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So many starts in a row may end before the loop ran well for [`STABLE`].
pub const MAX_STARTS: u32 = 3;

/// A loop that ran well for so long did not fail to start. (A probation that is shorter is over
/// before.)
pub const STABLE: Duration = Duration::from_secs(60);

/// Between two notes on the disk, which a power cut may lose.
const NOTE_EVERY: Duration = Duration::from_secs(30);

/// Between two looks no more time is counted than this: the machine may have slept.
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// The loop's kind of trouble with a model that it can't load.
const MODEL_FAULT: &str = "model";

/// Watches over a slot while a loop runs from it.
pub struct Watch {
    slot: Slot,
    watched: Option<Watched>,
    /// The last look that saw a new frame, or no healthy loop: when, and how many frames had left it.
    last: Option<(Instant, u64)>,
    warned: bool,
}

/// The current entry as it was at the last look.
struct Watched {
    entry: String,
    /// Its folder without links, as the loop gives it.
    folder: PathBuf,
    /// None once it is confirmed.
    probation: Option<Probation>,
    /// Healthy time since the last note, and in this run.
    unnoted: Duration,
    in_run: Duration,
    /// Times that loading a model had failed before this one came.
    faults_before: u64,
}

impl Watch {
    /// Counts a start of the loop, before it opens its model.
    ///
    /// A model on probation that was started too often, or one whose files are damaged, is left
    /// for the last good one, which is logged.
    ///
    /// # Errors
    /// [`Error::Io`] where the notes can't be read or written: the model that is current runs, but
    /// can't prove itself.
    pub fn begin(slot: Slot) -> Result<Self> {
        let watch = Self { slot, watched: None, last: None, warned: false };
        let slot = &watch.slot;
        let Some(current) = slot.current() else { return Ok(watch) };
        let state = slot.state();
        let failed = state.rejected.contains(&current);
        let on_probation = state.probation.contains_key(&current);
        if !failed && !on_probation && is_whole(slot, &current) {
            // Nothing is to be noted: a read-only disk is no trouble.
            return Ok(watch);
        }
        let _changing = slot.lock()?;
        // As it is under the lock.
        let Some(current) = slot.current() else { return Ok(watch) };
        let mut state = slot.state();
        let starts = state.probation.get(&current).map_or(0, |probation| probation.starts);
        if state.rejected.contains(&current) {
            watch.go_back(&current, &mut state, "it was rejected")?;
        } else if !is_whole(slot, &current) {
            let to = switch::leave(slot, &current)?;
            watch.tell_of(&current, to, "its files are damaged");
        } else if starts >= MAX_STARTS {
            let reason =
                format!("it was started {starts} times and never ran well for {} s", STABLE.as_secs());
            watch.go_back(&current, &mut state, &reason)?;
        } else if let Some(probation) = state.probation.get_mut(&current) {
            probation.starts += 1;
            slot.write_state(&state)?;
        }
        Ok(watch)
    }

    /// Leaves the current entry for the last good one. The slot is locked.
    fn go_back(&self, current: &str, state: &mut State, reason: &str) -> Result<()> {
        let to = switch::back(&self.slot, state)?;
        self.tell_of(current, to, reason);
        Ok(())
    }

    fn tell_of(&self, current: &str, to: Option<String>, reason: &str) {
        let to = to.as_deref().unwrap_or("the model that the program came with");
        log::warn!("installed model {} {current}: {reason}; back to {to}", self.slot.name());
    }

    /// Looks at the loop, about twice a second; gives what is to be told of the installed model.
    pub fn observe(&mut self, status: &Status, now: Instant) -> Option<InstalledModel> {
        let outcome = self.look(status, now);
        match outcome {
            Ok(()) => self.warned = false,
            Err(e) if !self.warned => {
                self.warned = true;
                log::warn!("installed model {}: {e}; its probation waits", self.slot.name());
            }
            Err(_) => {}
        }
        // The time since a slow loop's last frame counts with its next one.
        let same = self.last.is_some_and(|(_, frames)| frames == status.frames_out);
        if !(same && is_healthy(status)) {
            self.last = Some((now, status.frames_out));
        }
        self.told()
    }

    fn told(&self) -> Option<InstalledModel> {
        let Watched { entry, probation, unnoted, .. } = self.watched.as_ref()?;
        Some(InstalledModel {
            name: self.slot.name().into(),
            entry: entry.clone(),
            confirmed: probation.is_none(),
            healthy_s: probation.map_or(0, |p| p.healthy_s + unnoted.as_secs()),
            needed_s: probation.map_or(0, |p| p.needed_s),
        })
    }

    fn look(&mut self, status: &Status, now: Instant) -> Result<()> {
        let current = self.slot.current();
        if current.as_deref() != self.watched.as_ref().map(|watched| watched.entry.as_str()) {
            let faults = status.faults.get(MODEL_FAULT).map_or(0, |fault| fault.count);
            self.watched = current.map(|entry| Watched::of(&self.slot, entry, faults));
            return Ok(());
        }
        let Some(watched) = &mut self.watched else { return Ok(()) };
        let Some(probation) = watched.probation else { return Ok(()) };
        if Path::new(&status.bundle) != watched.folder {
            let fault = status.faults.get(MODEL_FAULT);
            let refused = fault.filter(|fault| fault.active && fault.count > watched.faults_before);
            let Some(fault) = refused else { return Ok(()) };
            let (entry, reason) = (watched.entry.clone(), format!("the loop refused it ({})", fault.message));
            let _changing = self.slot.lock()?;
            if self.slot.current().as_ref() == Some(&entry) {
                self.go_back(&entry, &mut self.slot.state(), &reason)?;
            }
            return Ok(());
        }
        if let Some((at, frames)) = self.last
            && status.frames_out > frames
            && is_healthy(status)
        {
            let time = now.duration_since(at).min(LONGEST_LOOK);
            watched.unnoted += time;
            watched.in_run += time;
        }
        let healthy = Duration::from_secs(probation.healthy_s) + watched.unnoted;
        let done = healthy >= Duration::from_secs(probation.needed_s);
        let stable = probation.starts > 0 && watched.in_run >= STABLE;
        if done || stable || watched.unnoted >= NOTE_EVERY {
            self.note(done, stable)?;
        }
        Ok(())
    }

    /// Writes down how far the current entry has come.
    fn note(&mut self, done: bool, stable: bool) -> Result<()> {
        let Some(watched) = &mut self.watched else { return Ok(()) };
        let _changing = self.slot.lock()?;
        let mut state = self.slot.state();
        let noted = state.probation.get_mut(&watched.entry);
        let Some(noted) = noted.filter(|_| self.slot.current().as_ref() == Some(&watched.entry)) else {
            // Confirmed or left by hand meanwhile.
            watched.probation = None;
            return Ok(());
        };
        let whole = watched.unnoted.as_secs();
        noted.healthy_s = noted.healthy_s.saturating_add(whole);
        if stable {
            noted.starts = 0;
        }
        let noted = *noted;
        if done {
            confirm(&self.slot, &mut state, &watched.entry)?;
            log::info!("installed model {} {}: confirmed", self.slot.name(), watched.entry);
        } else {
            self.slot.write_state(&state)?;
        }
        watched.unnoted -= Duration::from_secs(whole);
        watched.probation = (!done).then_some(noted);
        Ok(())
    }
}

fn is_healthy(status: &Status) -> bool {
    matches!(status.state, LoopState::Restoring | LoopState::Clear)
}

impl Watched {
    fn of(slot: &Slot, entry: String, faults_before: u64) -> Self {
        let folder = slot.path_of(&entry);
        Self {
            probation: slot.state().probation.get(&entry).copied(),
            folder: folder.canonicalize().unwrap_or(folder),
            entry,
            unnoted: Duration::ZERO,
            in_run: Duration::ZERO,
            faults_before,
        }
    }
}

/// Confirms an entry, and frees what nobody needs now. The slot is locked.
fn confirm(slot: &Slot, state: &mut State, entry: &str) -> Result<()> {
    let version = slot.open(entry)?.manifest().version.clone();
    state.confirm(entry, &version);
    slot.write_state(state)?;
    // Of the others only the last good one is of use; room that can't be freed now is freed later.
    if let Err(e) = slot.clear_entries() {
        log::debug!("{e}");
    }
    Ok(())
}

impl Slot {
    /// Takes back a start that [`Watch::begin`] counted: the loop ended as it was asked to, or could
    /// not run for a reason that is not its model's (a camera that isn't there).
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be noted.
    pub fn excuse_start(&self) -> Result<()> {
        let noted = |state: &State| self.current().filter(|entry| state.probation.contains_key(entry));
        if noted(&self.state()).is_none() {
            return Ok(());
        }
        let _changing = self.lock()?;
        let mut state = self.state();
        let Some(probation) = noted(&state).and_then(|entry| state.probation.get_mut(&entry)) else {
            return Ok(());
        };
        probation.starts = probation.starts.saturating_sub(1);
        self.write_state(&state)
    }

    /// Confirms the current version by hand; gives its entry.
    ///
    /// # Errors
    /// [`Error::Input`] where there is none, [`Error::Io`] where it can't be noted.
    pub fn confirm(&self) -> Result<String> {
        let _changing = self.existing()?.lock()?;
        let current = self.current().ok_or_else(|| self.nothing_installed())?;
        confirm(self, &mut self.state(), &current)?;
        Ok(current)
    }

    /// Leaves the current version for the last good one, by hand; gives both. Where no other is
    /// kept, the model that the program came with follows.
    ///
    /// # Errors
    /// [`Error::Input`] where nothing is installed, [`Error::Io`] where it can't be changed.
    pub fn roll_back(&self) -> Result<(String, Option<String>)> {
        let _changing = self.existing()?.lock()?;
        let current = self.current().ok_or_else(|| self.nothing_installed())?;
        Ok((current, switch::back(self, &mut self.state())?))
    }

    fn existing(&self) -> Result<&Self> {
        if self.folder().is_dir() { Ok(self) } else { Err(self.nothing_installed()) }
    }

    fn nothing_installed(&self) -> Error {
        Error::Input(format!("no {} is installed in {}", self.name(), self.folder().display()))
    }
}
