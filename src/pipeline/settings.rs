//! What a user sets.

use super::shared::Doors;
use crate::bundle::Bundle;
use crate::restore::Options;
use crate::{Result, sink, source};
use std::sync::Arc;
use std::time::Duration;

/// What a loop runs on, and how.
#[derive(Clone)]
pub struct Settings {
    /// URI of the source.
    pub source: String,
    /// URIs of the sinks.
    pub sinks: Vec<String>,
    /// Frames per second to hold; the source's own where not given.
    pub fps: Option<f64>,
    /// Time from one look of the VLM head to the next.
    pub detect_every: Duration,
    /// Task or prompt to restore by, instead of what is detected.
    pub task: Option<String>,
    /// The model: a bundle's name or path.
    pub model: String,
    /// How its restorer runs.
    pub restore: Options,
    /// The smallest internal resolution, as a share of each side, 0..=1; 1 restores every frame
    /// whole.
    pub smallest_scale: f64,
    /// Frames to hand out, then the loop ends.
    pub frames: Option<u64>,
    /// How long the loop runs at the most.
    pub duration: Option<Duration>,
}

impl Settings {
    /// The embedded model at the source's rate, detecting twice a second.
    pub fn new(source: impl Into<String>, sinks: Vec<String>) -> Self {
        Self {
            source: source.into(),
            sinks,
            fps: None,
            detect_every: Duration::from_millis(500),
            task: None,
            model: crate::bundle::DEFAULT_BUNDLE.into(),
            restore: Options::default(),
            smallest_scale: 0.25,
            frames: None,
            duration: None,
        }
    }

    pub(super) fn doors(&self) -> Doors {
        let uri = self.source.clone();
        Doors {
            source: Arc::new(move || source::open(&uri)),
            sink: Arc::new(|uri, fps, telemetry| sink::open(uri, fps, telemetry)),
        }
    }

    pub(super) fn bundle(&self) -> Result<Arc<Bundle>> {
        Bundle::find(&self.model).map(Arc::new)
    }
}
