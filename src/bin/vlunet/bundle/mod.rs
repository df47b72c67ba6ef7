//! `vlunet bundle`: what is shipped is checked, packed and signed, and installed on devices.

#[cfg(unix)]
mod confirm;
#[cfg(all(unix, feature = "fetch"))]
mod fetch;
#[cfg(unix)]
mod install;
mod keygen;
#[cfg(unix)]
mod list;
mod pack;
#[cfg(unix)]
mod rollback;
mod sign;
mod verify;

use std::path::{Path, PathBuf};
use vlunet::Result;
use vlunet::update::{KEYS_FOLDER, Keys};
#[cfg(unix)]
use vlunet::{
    bundle::STORE,
    update::{Slot, Store},
};

/// Checks, packs, signs and installs bundles.
#[derive(clap::Subcommand)]
pub enum Command {
    Verify(verify::Args),
    Pack(pack::Args),
    Keygen(keygen::Args),
    Sign(sign::Args),
    #[cfg(unix)]
    Install(install::Args),
    #[cfg(all(unix, feature = "fetch"))]
    Fetch(fetch::Args),
    #[cfg(unix)]
    List(list::Args),
    #[cfg(unix)]
    Confirm(confirm::Args),
    #[cfg(unix)]
    Rollback(rollback::Args),
}

/// Which keys are trusted.
#[derive(clap::Args)]
struct KeyArgs {
    /// A public key to trust, once for each, in place of those in the folder.
    #[arg(long = "key", value_name = "FILE.pub")]
    files: Vec<PathBuf>,

    /// The folder of the public keys (*.pub) that are trusted.
    #[arg(long, value_name = "DIR", default_value = KEYS_FOLDER)]
    keys: PathBuf,
}

impl KeyArgs {
    fn load(&self) -> Result<Keys> {
        if self.files.is_empty() { Keys::load(&self.keys) } else { Keys::of_files(&self.files) }
    }
}

/// Where models are installed.
#[cfg(unix)]
#[derive(clap::Args)]
struct StoreArgs {
    /// The folder of the installed models.
    #[arg(long = "store", value_name = "DIR", default_value = STORE)]
    folder: PathBuf,
}

#[cfg(unix)]
impl StoreArgs {
    fn open(&self) -> Store {
        Store::new(&self.folder)
    }
}

/// Which installed model.
#[cfg(unix)]
#[derive(clap::Args)]
struct SlotArgs {
    /// The model's name, as `vlunet bundle list` gives it.
    name: String,

    #[command(flatten)]
    store: StoreArgs,
}

#[cfg(unix)]
impl SlotArgs {
    fn open(&self) -> Result<Slot> {
        self.store.open().slot(&self.name)
    }
}

pub fn run(command: &Command) -> Result<()> {
    match command {
        Command::Verify(args) => verify::run(args),
        Command::Pack(args) => pack::run(args),
        Command::Keygen(args) => keygen::run(args),
        Command::Sign(args) => sign::run(args),
        #[cfg(unix)]
        Command::Install(args) => install::run(args),
        #[cfg(all(unix, feature = "fetch"))]
        Command::Fetch(args) => fetch::run(args),
        #[cfg(unix)]
        Command::List(args) => list::run(args),
        #[cfg(unix)]
        Command::Confirm(args) => confirm::run(args),
        #[cfg(unix)]
        Command::Rollback(args) => rollback::run(args),
    }
}

/// A password from the first line of a file.
fn password(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).map_err(vlunet::Error::io("read", path))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
