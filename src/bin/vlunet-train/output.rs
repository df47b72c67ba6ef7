//! Results on standard output, progress on standard error.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::path::Path;
use vlunet::{Error, Result};

/// Writes a line of results.
pub fn line(text: impl std::fmt::Display) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").map_err(Error::io("write to", Path::new("standard output")))
}

/// A progress bar on a terminal; nothing where there is none.
pub fn progress(steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg} {eta} left");
    ProgressBar::new(steps as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
