//! What a run says while it goes: lines of JSON in its folder, and a bar or lines for people.

use crate::{Error, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The mean over the steps since the last such line.
    Train {
        /// Steps done.
        step: u64,
        /// The loss.
        loss: f32,
        /// The learning rate.
        rate: f32,
        /// Length of the gradient before clipping.
        gradient: f32,
        /// Patches per second.
        pictures_per_second: f64,
        /// Share of the time that was spent waiting for data, 0..=1.
        data_wait: f64,
        /// Seconds of training so far.
        seconds: f64,
    },
    /// PSNR in dB on held-out pictures, by the averaged weights.
    Validation {
        /// Steps done.
        step: u64,
        /// By task: before and after.
        psnr: BTreeMap<String, [f64; 2]>,
        /// Mean over the tasks of what restoring gained, in dB.
        gain: f64,
    },
}

/// The journal of a run.
pub struct Journal {
    path: PathBuf,
    file: File,
    bar: ProgressBar,
    last: String,
}

impl Journal {
    /// Opens the journal for a run of `steps`, of which `step` are done: later lines, of a call
    /// that was cut off after its last checkpoint, are dropped.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be read or written.
    pub fn open(path: &Path, step: u64, steps: u64) -> Result<Self> {
        let mut kept = Vec::new();
        for event in Self::read(path)?.iter().filter(|event| event.step() <= step) {
            serde_json::to_writer(&mut kept, event).map_err(|e| Error::Train(format!("journal: {e}")))?;
            kept.push(b'\n');
        }
        crate::atomic_file::write_bytes(path, &kept)?;
        let file = File::options().append(true).open(path).map_err(Error::io("write", path))?;
        let bar =
            if std::io::stderr().is_terminal() { ProgressBar::new(steps) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} steps, {eta} left{msg}") {
            bar.set_style(style);
        }
        bar.set_position(step);
        bar.reset_eta();
        Ok(Self { path: path.to_owned(), file, bar, last: String::new() })
    }

    /// The lines of a journal; those that are cut off or foreign are left out.
    ///
    /// # Errors
    /// [`Error::Io`] where it is there and can't be read.
    pub fn read(path: &Path) -> Result<Vec<Event>> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    /// Moves the bar.
    pub fn step(&self, step: u64) {
        self.bar.set_position(step);
    }

    /// Writes a line, and says it.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be written.
    pub fn write(&mut self, event: &Event) -> Result<()> {
        let mut line = serde_json::to_vec(event).map_err(|e| Error::Train(format!("journal: {e}")))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(Error::io("write", &self.path))?;
        let said = event.to_string();
        if self.bar.is_hidden() {
            eprintln!("{said}");
        } else if let Event::Validation { .. } = event {
            self.bar.println(said);
        } else {
            self.last = format!("; {said}");
            self.bar.set_message(self.last.clone());
        }
        Ok(())
    }

    /// Ends the bar.
    pub fn finish(&self) {
        self.bar.abandon();
    }
}

impl Event {
    /// Steps done when it was written.
    pub fn step(&self) -> u64 {
        match self {
            Self::Train { step, .. } | Self::Validation { step, .. } => *step,
        }
    }
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Train { step, loss, rate, gradient, pictures_per_second, data_wait, .. } => write!(
                f,
                "step {step}: loss {loss:.5}, rate {rate:.2e}, gradient {gradient:.3}, \
                 {pictures_per_second:.1} patches/s, {:.0} % waiting for data",
                data_wait * 100.0
            ),
            Self::Validation { step, psnr, gain } => {
                write!(f, "step {step}: held out {gain:+.2} dB")?;
                for (task, [before, after]) in psnr {
                    write!(f, ", {task} {before:.2} → {after:.2}")?;
                }
                Ok(())
            }
        }
    }
}
