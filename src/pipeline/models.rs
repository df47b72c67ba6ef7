//! Models that are loaded while the loop runs: aside, tested, and only then taken.

use super::Settings;
use super::sight::Eyes;
use super::workshop::Model;
use crate::backend;
use crate::restore::Restorer;
use crate::vlm::Detector;
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A model's two halves.
pub(super) struct Loaded {
    pub(super) model: Arc<Model>,
    pub(super) eyes: Eyes,
}

/// Opens the model of the settings.
///
/// # Errors
/// Where it has neither a VLM head nor a task to restore by, or can't be opened.
pub(super) fn load(settings: &Settings, number: u64) -> Result<Loaded> {
    let bundle = settings.bundle()?;
    let detector = if bundle.manifest().vlm.is_some() {
        // One thread is left to it: it works beside the restorer.
        let options = backend::Options { threads: 1 };
        Some(Detector::open(&bundle, settings.restore.dtype, &options)?)
    } else if settings.task.is_none() {
        return Err(Error::Input(format!(
            "{} has no VLM head to detect the degradation with: name a task ({})",
            bundle.origin(),
            bundle.prompts()?.tasks().join(", ")
        )));
    } else {
        None
    };
    if let Some(task) = &settings.task {
        bundle.prompts()?.find(task)?;
    }
    let eyes = Eyes { model: number, bundle: Arc::clone(&bundle), detector };
    Ok(Loaded { model: Arc::new(Model { number, bundle, options: settings.restore.clone() }), eyes })
}

/// [`load`], and a test that every file is whole and the golden frame comes out right.
pub(super) fn load_tested(settings: &Settings, number: u64) -> Result<Loaded> {
    let loaded = load(settings, number)?;
    let bundle = &loaded.model.bundle;
    bundle.verify()?;
    if let Some(golden) = bundle.golden()? {
        Restorer::open(bundle, &settings.restore)?.self_test(&golden)?;
    }
    Ok(loaded)
}

/// How long a bundle's file must stay as it is before it is read: writing takes a while.
const SETTLED: Duration = Duration::from_secs(1);

/// Notices when the file of a bundle is replaced.
pub(super) struct Watch {
    file: PathBuf,
    known: Option<Stamp>,
    changed: Option<(Stamp, Instant)>,
}

/// What changes with a file.
type Stamp = (SystemTime, u64);

impl Watch {
    /// Watches a bundle on disk; the embedded one can't change.
    pub(super) fn new(model: &str) -> Option<Self> {
        let path = Path::new(model);
        let file = if path.is_dir() { path.join("manifest.toml") } else { path.to_owned() };
        let known = stamp(&file);
        (known.is_some() && model != crate::bundle::DEFAULT_BUNDLE).then_some(Self {
            file,
            known,
            changed: None,
        })
    }

    /// Whether there is another file now, and it has settled.
    pub(super) fn replaced(&mut self, now: Instant) -> bool {
        let Some(found) = stamp(&self.file).filter(|found| Some(*found) != self.known) else {
            self.changed = None;
            return false;
        };
        match self.changed {
            Some((stamp, since)) if stamp == found => {
                let settled = now.duration_since(since) >= SETTLED;
                if settled {
                    (self.known, self.changed) = (Some(found), None);
                }
                settled
            }
            _ => {
                self.changed = Some((found, now));
                false
            }
        }
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
