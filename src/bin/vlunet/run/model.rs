//! Which model a loop runs: a name or path, or what was installed by an update.

use std::path::{Path, PathBuf};
use vlunet::bundle::{DEFAULT_BUNDLE, INSTALLED, STORE};
use vlunet::update::{Slot, Store, Watch};

/// Where packages put models, each in a folder of its tier's name.
const MODELS: &str = "/usr/share/vlunet/models";

/// The model that a loop is to run.
pub struct Model {
    named: Option<String>,
    /// Where an update would put it.
    slot: Option<Slot>,
    tier: String,
}

impl Model {
    /// By its name or path; where none is given, that of a board's tier.
    pub fn new(named: Option<String>, tier: &str) -> Self {
        let slot = match &named {
            None => Store::new(STORE).slot(tier).ok(),
            Some(named) => match named.strip_prefix(INSTALLED) {
                Some(name) => Store::new(STORE).slot(name).ok(),
                None => Slot::of_link(Path::new(named)),
            },
        };
        Self { named, slot, tier: tier.into() }
    }

    /// Counts a start with the installed model, if there is one, and leaves it for the last good one
    /// where it failed. Trouble with that stops nothing.
    pub fn begin(&self) -> Option<Watch> {
        let slot = self.slot.clone()?;
        let watch = Watch::begin(slot);
        watch.map_err(|e| log::warn!("{e}; the installed model can't be looked after")).ok()
    }

    /// The loop ended, and not by this model's fault: that start doesn't count.
    pub fn excuse(&self) {
        let excused = self.slot.as_ref().map_or(Ok(()), Slot::excuse_start);
        excused.unwrap_or_else(|e| log::debug!("{e}"));
    }

    /// What is opened. A loop whose model isn't installed yet, or was given up with no other to go
    /// back to, runs the one that the program came with.
    pub fn path(&self) -> String {
        let text = |path: PathBuf| path.display().to_string();
        match (&self.named, &self.slot) {
            (Some(named), None) => named.clone(),
            (named, Some(slot)) => slot.runnable().map(text).unwrap_or_else(|| {
                let other = packaged(&self.tier);
                if let Some(named) = named {
                    log::warn!("{named}: nothing is installed there that can run; taking {other}");
                }
                other
            }),
            (None, None) => packaged(&self.tier),
        }
    }
}

/// The model that a package has installed for a tier, else the embedded one.
fn packaged(tier: &str) -> String {
    let path = Path::new(MODELS).join(tier);
    if path.join("manifest.toml").exists() { path.display().to_string() } else { DEFAULT_BUNDLE.into() }
}
