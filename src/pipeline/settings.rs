//! What a user sets.

use super::shared::Doors;
use crate::board::profile::Cpu;
use crate::bundle::Bundle;
use crate::restore::Options;
use crate::{Result, sink, source};
use std::ops::RangeInclusive;
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
    /// The same where neither that nor the source says.
    pub fallback_fps: f64,
    /// Time from one look of the VLM head to the next.
    pub detect_every: Duration,
    /// Task or prompt to restore by, instead of what is detected.
    pub task: Option<String>,
    /// The model: a bundle's name or path.
    pub model: String,
    /// Lighter ones that may stand in for it, the best first. They follow what its VLM head sees.
    pub lighter: Vec<String>,
    /// How its restorer runs.
    pub restore: Options,
    /// Whether the next frame is made ready while one is restored; on a GPU where not said.
    pub overlap: Option<bool>,
    /// Internal resolutions that a live picture may be restored at, as shares of each side,
    /// above 0 and at most 1.
    pub scales: RangeInclusive<f64>,
    /// Where threads run.
    pub cores: Cpu,
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
            fallback_fps: 30.0,
            detect_every: Duration::from_millis(500),
            task: None,
            model: crate::bundle::DEFAULT_BUNDLE.into(),
            lighter: Vec::new(),
            restore: Options::default(),
            overlap: None,
            scales: 0.25..=1.0,
            cores: Cpu::default(),
            frames: None,
            duration: None,
        }
    }

    /// Doors that open its source, and any sink, by their URIs.
    pub fn doors(&self) -> Doors {
        let uri = self.source.clone();
        Doors { source: Arc::new(move || source::open(&uri)), sink: Arc::new(sink::open) }
    }

    pub(super) fn bundle(&self) -> Result<Arc<Bundle>> {
        Bundle::find(&self.model).map(Arc::new)
    }
}
