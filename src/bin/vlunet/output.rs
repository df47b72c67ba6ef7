//! Results on standard output, progress on standard error.

use comfy_table::presets;
use comfy_table::{CellAlignment, Table};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use vlunet::{Error, Result};

/// Writes a line of results.
pub fn line(text: impl std::fmt::Display) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").map_err(Error::io("write to", Path::new("standard output")))
}

/// Writes results as JSON.
pub fn json(value: &impl Serialize) -> Result<()> {
    line(serde_json::to_string_pretty(value).map_err(|e| Error::Input(format!("JSON: {e}")))?)
}

/// A table with its first column flush left and the others, which hold numbers, flush right.
pub fn table(header: &[&str], markdown: bool) -> Table {
    let mut table = Table::new();
    table.load_style(if markdown { presets::ASCII_MARKDOWN } else { presets::UTF8_BORDERS_ONLY });
    table.set_header(header.to_vec());
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A progress bar on a terminal; nothing where there is none, or where it would mix with
/// other output.
pub fn progress(steps: usize, quiet: bool) -> ProgressBar {
    if quiet || steps < 2 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg} {eta} left");
    ProgressBar::new(steps as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
