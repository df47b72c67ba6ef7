//! `vlunet completions` and `vlunet man`: what shells and manuals take from the flags.

use crate::{Cli, output};
use clap::CommandFactory;
use std::path::{Path, PathBuf};
use vlunet::{Error, Result, atomic_file};

/// Prints the completions of the command line for a shell.
#[derive(clap::Args)]
#[command(after_help = "Examples (a package has installed them already):
  vlunet completions bash > ~/.local/share/bash-completion/completions/vlunet
  vlunet completions zsh > \"${fpath[1]}/_vlunet\"
  vlunet completions fish > ~/.config/fish/completions/vlunet.fish")]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Writes the manual pages, one for each command, as packages install them.
#[derive(clap::Args)]
pub struct ManArgs {
    /// The folder to write them to.
    #[arg(value_name = "FOLDER")]
    output: PathBuf,
}

pub fn completions(args: &CompletionsArgs) -> Result<()> {
    // The generator panics where it can't write: a pipe that is closed early is no bug.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "vlunet", &mut text);
    output::line(String::from_utf8_lossy(&text).trim_end())
}

pub fn man(args: &ManArgs) -> Result<()> {
    std::fs::create_dir_all(&args.output).map_err(Error::io("create", &args.output))?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    write_pages(&command, &args.output)
}

/// The pages of a command and of those below it.
fn write_pages(command: &clap::Command, folder: &Path) -> Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write_pages(below, folder)?;
    }
    let page = clap_mangen::Man::new(command.clone())
        .source(concat!("vlunet ", env!("CARGO_PKG_VERSION")))
        .manual("VLU-Net image restoration");
    let path = folder.join(page.get_filename());
    atomic_file::write(&path, |file| page.render(file).map_err(Error::io("write", &path)))
}
