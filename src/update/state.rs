//! What a device notes of a model's versions: `state.toml` beside them.

use crate::{Error, Result, strict_toml};
use semver::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

const FORMAT: u32 = 1;

/// So many versions that failed are remembered, the newest.
const MAX_REJECTED: usize = 32;

/// More versions than a device keeps.
const MAX_PROBATIONS: usize = 16;

/// The notes on a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    format: u32,
    /// The highest version that was ever confirmed; nothing below it is installed unless forced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest: Option<Version>,
    /// Entries that failed here, the newest last; they aren't installed again unless forced.
    #[serde(default)]
    pub rejected: Vec<String>,
    /// Entries that are to prove themselves. One that isn't here is confirmed.
    #[serde(default)]
    pub probation: BTreeMap<String, Probation>,
}

/// How far an entry has proved itself. Times are the loop's own, counted by a clock that nobody
/// sets, so the date may be any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probation {
    /// Starts of the loop since it last ran well for a while.
    pub starts: u32,
    /// Seconds for which the loop ran well with it.
    pub healthy_s: u64,
    /// Seconds that confirm it.
    pub needed_s: u64,
}

impl Default for State {
    fn default() -> Self {
        Self { format: FORMAT, highest: None, rejected: Vec::new(), probation: BTreeMap::new() }
    }
}

impl State {
    /// Reads the notes; `name` stands for their file in messages.
    ///
    /// # Errors
    /// [`Error::Input`] with the line at fault.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let state: Self = strict_toml::parse(text, name)?;
        if state.format != FORMAT {
            return Err(Error::Input(format!("{name}: format {} is not {FORMAT}", state.format)));
        }
        if state.rejected.len() > MAX_REJECTED || state.probation.len() > MAX_PROBATIONS {
            return Err(Error::Input(format!("{name}: it holds more versions than a device keeps")));
        }
        Ok(state)
    }

    /// The text that [`Self::parse`] reads.
    ///
    /// # Errors
    /// [`Error::Input`] where TOML can't hold it.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::Input(format!("notes on a model: {e}")))
    }

    /// Puts an entry on probation, or confirms it at once where no time is needed.
    pub fn admit(&mut self, entry: &str, needed: Duration) {
        self.rejected.retain(|rejected| rejected != entry);
        let needed_s = needed.as_secs();
        self.probation.insert(entry.into(), Probation { needed_s, ..Probation::default() });
        while self.probation.len() > MAX_PROBATIONS {
            let other = self.probation.keys().find(|key| *key != entry).cloned();
            other.map(|key| self.probation.remove(&key));
        }
    }

    /// An entry has proved itself.
    pub fn confirm(&mut self, entry: &str, version: &Version) {
        self.probation.remove(entry);
        if self.highest.as_ref().is_none_or(|highest| highest < version) {
            self.highest = Some(version.clone());
        }
    }

    /// An entry has failed.
    pub fn reject(&mut self, entry: &str) {
        self.probation.remove(entry);
        self.rejected.retain(|rejected| rejected != entry);
        self.rejected.push(entry.into());
        if self.rejected.len() > MAX_REJECTED {
            self.rejected.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notes_come_back_as_they_were_written() {
        let mut state = State::default();
        assert_eq!(State::parse(&state.to_toml().unwrap(), "s").unwrap(), state);
        state.admit("1.2.0-aa", Duration::from_secs(600));
        state.admit("1.3.0-rc.1+b-bb", Duration::from_secs(60));
        state.reject("1.3.0-rc.1+b-bb");
        state.confirm("1.1.0-cc", &Version::new(1, 1, 0));
        let text = state.to_toml().unwrap();
        assert_eq!(State::parse(&text, "s").unwrap(), state, "{text}");
        assert_eq!(state.probation["1.2.0-aa"].needed_s, 600);
        assert_eq!(state.rejected, ["1.3.0-rc.1+b-bb"]);
    }

    #[test]
    fn the_highest_version_never_falls_and_lists_never_grow_without_end() {
        let mut state = State::default();
        state.confirm("b", &Version::new(2, 0, 0));
        state.confirm("a", &Version::new(1, 9, 0));
        assert_eq!(state.highest, Some(Version::new(2, 0, 0)));
        for n in 0..200 {
            state.reject(&format!("{n}"));
            state.admit(&format!("p{n}"), Duration::ZERO);
        }
        assert_eq!(state.rejected.last().map(String::as_str), Some("199"));
        assert!(state.probation.contains_key("p199"));
        State::parse(&state.to_toml().unwrap(), "s").unwrap();
        state.admit("199", Duration::ZERO);
        assert!(!state.rejected.contains(&"199".to_owned()));
    }

    #[test]
    fn what_is_no_notes_says_where() {
        for text in
            ["", "format = 2", "format = 1\nhighest = \"one\"", "format = 1\nsurprise = 1", "format ="]
        {
            let message = State::parse(text, "state.toml").unwrap_err().to_string();
            assert!(message.starts_with("state.toml") && message.lines().count() == 1, "{message}");
        }
    }
}
