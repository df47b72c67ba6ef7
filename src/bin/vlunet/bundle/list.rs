//! `vlunet bundle list`

use super::StoreArgs;
use crate::output;
use serde::Serialize;
use vlunet::Result;
use vlunet::update::{Entry, Slot, Standing};

/// Lists the installed models and their versions.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    store: StoreArgs,

    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// A version that is installed.
#[derive(Serialize)]
struct Row {
    model: String,
    entry: String,
    version: Option<String>,
    standing: Vec<Standing>,
    /// Of its probation, where it is on one.
    starts: Option<u32>,
    healthy_s: Option<u64>,
    needed_s: Option<u64>,
}

pub fn run(args: &Args) -> Result<()> {
    let mut rows = Vec::new();
    for slot in args.store.open().slots()? {
        for entry in slot.entries()? {
            rows.push(row(&slot, entry));
        }
    }
    if args.json {
        return output::json(&rows);
    }
    if rows.is_empty() {
        return output::line(format!("no model is installed in {}", args.store.folder.display()));
    }
    let mut table = output::table(&["model", "version", "entry", "standing"], false);
    for row in rows {
        let standing = standing(&row);
        let version = row.version.unwrap_or_else(|| "damaged".into());
        table.add_row([row.model, version, row.entry, standing]);
    }
    output::line(table)
}

fn row(slot: &Slot, entry: Entry) -> Row {
    let probation = slot.state().probation.get(&entry.name).copied();
    Row {
        model: slot.name().into(),
        version: entry.version.map(|version| version.to_string()),
        standing: entry.standing,
        entry: entry.name,
        starts: probation.map(|probation| probation.starts),
        healthy_s: probation.map(|probation| probation.healthy_s),
        needed_s: probation.map(|probation| probation.needed_s),
    }
}

fn standing(row: &Row) -> String {
    let words = row.standing.iter().map(|standing| match standing {
        Standing::Current => "current".to_owned(),
        Standing::Previous => "last good one".into(),
        Standing::Rejected => "failed here".into(),
        Standing::Probation => {
            let (healthy, needed) = (row.healthy_s.unwrap_or(0), row.needed_s.unwrap_or(0));
            format!("on probation ({healthy} of {needed} s)")
        }
    });
    words.collect::<Vec<_>>().join(", ")
}
