//! The state of a live loop, as `/api/status` and `--json` give it.

use super::Durations;
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that is told. Fields may be added, not renamed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// Seconds since the loop began.
    pub uptime_s: f64,
    /// What the loop is doing.
    pub state: State,
    /// The source, described by itself.
    pub source: String,
    /// The sinks' URIs.
    pub sinks: Vec<String>,
    /// The model: name, version, number format.
    pub model: String,
    /// What restores: `CPU, int8`, or a GPU with its TensorRT.
    pub engine: String,
    /// The folder that its bundle lies in, without links; empty for an embedded or packed one.
    pub bundle: String,
    /// The model that is installed for this loop, which runs unless it could not be loaded.
    pub installed: Option<InstalledModel>,
    /// Width and height of the last frame.
    pub size: [u32; 2],
    /// Frames per second that the source delivers, over the last seconds.
    pub fps_in: f64,
    /// Frames per second that leave the loop.
    pub fps_out: f64,
    /// Frames per second that the governor holds.
    pub fps_target: f64,
    /// Frames taken from the source.
    pub frames_in: u64,
    /// Frames that left the loop.
    pub frames_out: u64,
    /// Frames that left it untouched.
    pub bypassed: u64,
    /// Frames dropped, by stage.
    pub dropped: Dropped,
    /// From capture to output.
    pub age_ms: Durations,
    /// Each stage's own time.
    pub stage_ms: Stages,
    /// What is seen in the picture.
    pub detected: Detected,
    /// What the governor chose.
    pub governor: Governed,
    /// The board's heat and power.
    pub board: BoardState,
    /// What went wrong since the start, by kind.
    pub faults: BTreeMap<String, Fault>,
}

/// A model that was installed by an update (docs/updates.md).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InstalledModel {
    /// Its name: that of its slot.
    pub name: String,
    /// Its version, and the first digits of its manifest's SHA-256.
    pub entry: String,
    /// Whether it has proved itself.
    pub confirmed: bool,
    /// Seconds of its probation for which the loop ran well with it; 0 once it is confirmed.
    pub healthy_s: u64,
    /// Seconds that confirm it; 0 once it is.
    pub needed_s: u64,
}

/// What the loop does with frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// No frame has come yet.
    #[default]
    Starting,
    /// The picture is clear and passes untouched.
    Clear,
    /// The user switched restoring off.
    Bypass,
    /// Frames are restored.
    Restoring,
    /// Something is wrong; frames pass untouched where there are any.
    Fault,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Clear => "clear",
            Self::Bypass => "bypass",
            Self::Restoring => "restoring",
            Self::Fault => "fault",
        })
    }
}

/// Frames that were dropped because newer ones came, or because they were of no use.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Dropped {
    /// Lost before they reached us, by the gaps in the driver's numbers.
    pub source: u64,
    /// Arrived damaged and skipped; not among those lost.
    pub damaged: u64,
    /// Waiting to be restored.
    pub restore: u64,
    /// Waiting for each sink, by its URI.
    pub sinks: BTreeMap<String, u64>,
}

/// How long stages take for a frame.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stages {
    /// From the end of capture until restoring begins.
    pub wait: Durations,
    /// A look of the VLM head.
    pub detect: Durations,
    /// Restoring, frames that pass untouched left out.
    pub restore: Durations,
    /// From the end of restoring, or from the time when the first sink is free if that is later,
    /// until it takes the frame.
    pub hand_over: Durations,
}

/// What is seen in the picture.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Detected {
    /// The likeliest prompt, in words.
    pub label: String,
    /// Its task, as `--task` takes it.
    pub task: String,
    /// Its smoothed probability, 0..=1.
    pub confidence: f64,
    /// Smoothed probability of each task.
    pub tasks: BTreeMap<String, f64>,
    /// Whether the user chose the task.
    pub forced: bool,
}

/// How frames are restored at the moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Governed {
    /// The model tier.
    pub tier: String,
    /// Internal resolution as a share of each side, 0..=1.
    pub scale: f64,
    /// Every how many frames one is restored.
    pub every: u32,
    /// Why it isn't the best there is; empty where it is.
    pub reason: String,
}

/// The board's heat and power.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BoardState {
    /// The profile's name.
    pub profile: String,
    /// The hottest zone, in °C, where there is one to be read.
    pub temperature_c: Option<f64>,
    /// Whether the board slows itself down.
    pub throttled: bool,
    /// Whether the supply is too weak.
    pub undervoltage: bool,
}

/// One kind of trouble.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Fault {
    /// How often it came.
    pub count: u64,
    /// Whether it is there now.
    pub active: bool,
    /// The last message.
    pub message: String,
    /// Seconds after the start when it came last.
    pub last_s: f64,
}
