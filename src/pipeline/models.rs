//! Models that are loaded while the loop runs: aside, tested, and only then taken.

use super::sight::Eyes;
use super::workshop::{Model, Order, Prepared, prepare};
use super::{Level, Settings};
use crate::backend;
use crate::bundle::Bundle;
use crate::frame::Planes;
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
    /// Ready for the frames there were while it was loaded.
    pub(super) prepared: Option<Prepared>,
}

/// Opens the model of the settings.
///
/// # Errors
/// Where it has neither a VLM head nor a task to restore by, or can't be opened.
pub(super) fn load(settings: &Settings, number: u64) -> Result<Loaded> {
    let bundle = settings.bundle()?;
    let detector = if bundle.manifest().vlm.is_some() {
        // One thread is left to it: it works beside the restorer.
        let options = backend::Options { threads: 1, ..backend::Options::default() };
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
    let mut tiers = vec![Arc::clone(&bundle)];
    for name in &settings.lighter {
        tiers.push(lighter(&bundle, name)?);
    }
    let eyes = Eyes { model: number, bundle, detector };
    let model = Model { number, tiers, options: settings.restore.clone(), overlap: settings.overlap };
    Ok(Loaded { model: Arc::new(model), eyes, prepared: None })
}

/// A bundle that may stand in for `best` where that is too slow.
fn lighter(best: &Bundle, name: &str) -> Result<Arc<Bundle>> {
    let bundle = Bundle::find(name)?;
    let same = best.prompts()?.same_space(&bundle.prompts()?);
    same.then(|| Arc::new(bundle)).ok_or_else(|| {
        let best = best.origin();
        Error::Input(format!(
            "{name} was trained with another VLM head than {best}: it can't follow what that one sees"
        ))
    })
}

/// The frames that a model is loaded for.
pub(super) struct Purpose {
    /// What the user restores by, if anything.
    pub(super) task: Option<Arc<str>>,
    /// Of the frames: (width, height); 0 where none has come.
    pub(super) size: (u32, u32),
    /// That they are restored at.
    pub(super) scale: f64,
}

/// [`load`], and a test of everything that the loop will need: every file is whole, the golden
/// frame comes out right, the head sees, and a frame of the present size is restored.
pub(super) fn load_tested(settings: &Settings, number: u64, purpose: &Purpose) -> Result<Loaded> {
    let mut loaded = load(settings, number)?;
    let (width, height) = purpose.size;
    for bundle in &loaded.model.tiers {
        bundle.verify()?;
        if let Some(golden) = bundle.golden()? {
            Restorer::open(bundle, &settings.restore)?.self_test(&golden)?;
        }
    }
    if let Some(words) = &purpose.task {
        loaded.eyes.bundle.prompts()?.find(words)?;
    }
    if width == 0 || height == 0 {
        return Ok(loaded);
    }
    if let Some(detector) = &mut loaded.eyes.detector {
        let grey = Planes::from_elem((3, height as usize, width as usize), 0.5);
        detector.detect(grey.view())?;
    }
    let level = Level { scale: purpose.scale, ..Level::BEST };
    loaded.prepared = Some(prepare(Order { model: Arc::clone(&loaded.model), level, size: purpose.size })?);
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
