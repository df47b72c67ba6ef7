//! `vlunet doctor`: what would keep the live loop from running well.

use std::path::PathBuf;
use vlunet::Result;

/// Examines this machine for the live loop: camera, pins, model, heat, disk, clock, service.
///
/// Each line says what was found and, where something is wrong, what to do. Fails only where the
/// loop would not run.
#[derive(clap::Args)]
pub struct Args {
    /// The configuration file; the service's, if there is one, where not given.
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,

    /// The board's profile: a name, or a file of your own that ends in .toml; detected where not
    /// given.
    #[arg(long, value_name = "NAME|PATH")]
    board: Option<String>,

    /// The model: a bundle's folder or .vlu file, or the name of the embedded one.
    #[arg(short, long, value_name = "PATH|NAME")]
    model: Option<String>,

    /// The size of the frame whose restoring is timed.
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "640x360")]
    size: crate::args::Size,

    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[cfg(target_os = "linux")]
pub fn run(args: &Args) -> Result<()> {
    use crate::output;
    use comfy_table::{CellAlignment, ContentArrangement};
    use vlunet::Error;
    use vlunet::doctor::{Options, Verdict, examine};

    let report = examine(&Options {
        config: args.config.clone(),
        board: args.board.clone(),
        model: args.model.clone(),
        size: (args.size.width as usize, args.size.height as usize),
        ..Options::default()
    })?;
    if args.json {
        output::json(&report)?;
    } else {
        let mut table = output::table(&["", "check", "found", "what to do"], false);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.column_iter_mut().for_each(|column| column.set_cell_alignment(CellAlignment::Left));
        for check in &report.checks {
            let verdict = match check.verdict {
                Verdict::Ok => "ok",
                Verdict::Skip => "-",
                Verdict::Warn => "warn",
                Verdict::Fail => "FAIL",
            };
            table.add_row([verdict, check.name, &check.found, check.advice.as_deref().unwrap_or_default()]);
        }
        output::line(table)?;
    }
    match report.checks.iter().filter(|check| check.verdict == Verdict::Fail).count() {
        0 => Ok(()),
        1 => Err(Error::Input("one check failed; the report says what to do".into())),
        failed => Err(Error::Input(format!("{failed} checks failed; the report says what to do"))),
    }
}

#[cfg(not(target_os = "linux"))]
pub fn run(_: &Args) -> Result<()> {
    Err(vlunet::Error::Input("doctor examines Linux machines only".into()))
}
