//! Examines a machine: what would keep the live loop from running well, and what to do.
//!
//! Every check reads files under a root, so that a folder can stand for a machine; what has to
//! be asked of running programs is asked only where the root is `/`.

mod access;
mod camera;
mod clock;
mod cpu;
mod disk;
mod gpio;
mod gpu;
mod heat;
mod jetson;
mod memory;
mod model;
mod programs;
mod service;
mod settings;

pub use access::Who;

use crate::Result;
use crate::board::Board;
use crate::source::v4l2::{DeviceInfo, devices};
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Not examined, or not needed.
    Skip,
    /// The loop runs, but not as well as it could.
    Warn,
    /// The loop doesn't run like this.
    Fail,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was examined.
    pub name: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do, where something is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    fn skip(name: &'static str, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skip, ..Self::ok(name, found) }
    }

    fn warn(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, advice: Some(advice.into()), ..Self::ok(name, found) }
    }

    fn fail(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, ..Self::warn(name, found, advice) }
    }

    /// An amount that is short below the end of `limits`, and too little below their start.
    fn of_amount(
        name: &'static str,
        amount: u64,
        limits: std::ops::Range<u64>,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        if amount < limits.start {
            Self::fail(name, found, advice)
        } else if amount < limits.end {
            Self::warn(name, found, advice)
        } else {
            Self::ok(name, found)
        }
    }
}

/// What is examined.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that stands for the machine: `/`.
    pub root: PathBuf,
    /// Who is to use the devices.
    pub who: Who,
    /// The configuration file; where none is given, the service's, if it is there.
    pub config: Option<PathBuf>,
    /// The board's profile, by name or file; what the configuration says, or what is detected,
    /// where none is given.
    pub board: Option<String>,
    /// The model; what the configuration says, or the embedded one, where none is given.
    pub model: Option<String>,
    /// Width and height of the frame whose restoring is timed.
    pub size: (usize, usize),
    /// Where programs are looked for, as `PATH` has it.
    pub path: Option<OsString>,
    /// What time it is.
    pub now: SystemTime,
}

impl Default for Options {
    /// This machine, for whoever runs the program, at 640x360.
    fn default() -> Self {
        Self {
            root: "/".into(),
            who: Who::Me,
            config: None,
            board: None,
            model: None,
            size: (640, 360),
            path: std::env::var_os("PATH"),
            now: SystemTime::now(),
        }
    }
}

/// All checks of a machine.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The worst of all verdicts.
    pub verdict: Verdict,
    /// The checks, in the order of a frame's way.
    pub checks: Vec<Check>,
    /// The video devices, with all their formats and controls.
    pub cameras: Vec<DeviceInfo>,
}

impl Options {
    /// A path on the machine: `dev/video0`.
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Whether it is the machine that the program runs on, which can be asked.
    fn is_live(&self) -> bool {
        self.root == Path::new("/")
    }
}

/// Examines a machine.
///
/// # Errors
/// As [`Board::named`], for a board that was asked for and isn't there; whatever else is wrong
/// is in the report.
pub fn examine(options: &Options) -> Result<Report> {
    let (config, settings) = settings::check(options);
    let board = match options.board.as_ref().or(config.board.as_ref()) {
        Some(name) => Board::named(name, &options.root)?,
        None => Board::detect(&options.root)?,
    };
    let mut checks = vec![board_check(&board), settings];
    let cameras = if options.is_live() { devices() } else { Vec::new() };
    checks.extend(camera::check(options, &config, &board, &cameras));
    checks.push(gpio::check(options, &config, &board));
    checks.extend(model::check(options, &config, &board));
    checks.push(cpu::check(options));
    checks.push(gpu::check(options));
    checks.extend(jetson::check(options));
    checks.push(memory::check(options));
    checks.push(heat::check(options, &board));
    checks.push(disk::check(options));
    checks.push(clock::check(options));
    checks.push(programs::check(options));
    checks.push(service::check(options));
    let verdict = checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Ok);
    Ok(Report { verdict, checks, cameras })
}

fn board_check(board: &Board) -> Check {
    let model = board.model.as_deref().unwrap_or("a machine that doesn't say what it is");
    Check::ok("board", format!("{model}; profile {}", board.profile.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::tests::lay_out;

    /// A machine of these files, examined for a user who is in no group.
    pub(super) fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Options) {
        let root = tempfile::tempdir().unwrap();
        lay_out(root.path(), files);
        let options = Options {
            root: root.path().to_owned(),
            who: Who::Other { uid: 1000, gids: vec![1000] },
            size: (64, 48),
            path: None,
            ..Options::default()
        };
        (root, options)
    }

    #[test]
    fn a_bare_machine_is_examined_to_the_end_and_every_fault_has_an_advice() {
        let (_root, options) = machine(&[]);
        let report = examine(&options).unwrap();
        let names: Vec<&str> = report.checks.iter().map(|check| check.name).collect();
        for name in ["board", "camera", "gpio", "model", "restore", "engine cache", "cpu", "clock"] {
            assert!(names.contains(&name), "{names:?}");
        }
        for check in &report.checks {
            assert_eq!(check.advice.is_some(), check.verdict >= Verdict::Warn, "{check:?}");
            assert!(!check.found.contains('\n') && !check.found.is_empty(), "{check:?}");
        }
        assert_eq!(Some(report.verdict), report.checks.iter().map(|check| check.verdict).max());
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["checks"][0]["name"], "board");
        assert!(["ok", "warn", "fail"].contains(&json["verdict"].as_str().unwrap()), "{json}");
    }

    #[test]
    fn a_board_that_is_asked_for_must_be_there() {
        let (_root, mut options) = machine(&[]);
        options.board = Some("raspberry-pi-5".into());
        let report = examine(&options).unwrap();
        assert!(report.checks[0].found.contains("raspberry-pi-5"), "{report:?}");
        options.board = Some("raspberry-pi-6".into());
        assert!(examine(&options).unwrap_err().to_string().contains("raspberry-pi-5"));
    }
}
