//! `vlunet bundle keygen`

use crate::output;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use vlunet::update::{KEYS_FOLDER, KeyPair};
use vlunet::{Error, Result};

/// Makes a pair of keys to sign bundles with, in minisign's format.
///
/// NAME.pub goes to every device, into /etc/vlunet/keys. NAME.key stays with you: whoever has it
/// can put models on every device that trusts it.
#[derive(clap::Args)]
pub struct Args {
    /// The keys' path without an extension: NAME.key and NAME.pub are written.
    #[arg(value_name = "NAME")]
    name: PathBuf,

    /// A file whose first line is the password; asked for where not given.
    #[arg(long, value_name = "FILE", conflicts_with = "no_password")]
    password_file: Option<PathBuf>,

    /// Writes the secret key as it is: for a machine that signs by itself, and is guarded.
    #[arg(long)]
    no_password: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let with = |extension: &str| {
        let mut path = args.name.clone().into_os_string();
        path.push(extension);
        PathBuf::from(path)
    };
    let (secret, public) = (with(".key"), with(".pub"));
    for path in [&secret, &public] {
        if path.exists() {
            return Err(Error::Input(format!(
                "{} is there already: keys are not overwritten",
                path.display()
            )));
        }
    }
    let password = match (&args.password_file, args.no_password) {
        (Some(path), _) => Some(super::password(path)?),
        (None, true) => None,
        (None, false) => Some(new_password()?),
    };
    let pair = KeyPair::generate(password)?;
    write_new(&secret, &pair.secret, 0o600)?;
    write_new(&public, &pair.public, 0o644)?;
    output::line(format!(
        "{}: keep it; {}: copy it into {KEYS_FOLDER} on every device",
        secret.display(),
        public.display()
    ))
}

/// Asks twice.
fn new_password() -> Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::Input(
            "there is no terminal to ask for a password on: give --password-file or --no-password".into(),
        ));
    }
    let ask =
        |prompt| rpassword::prompt_password(prompt).map_err(Error::io("read", Path::new("the terminal")));
    let password = ask("Password for the secret key: ")?;
    if password != ask("Once more: ")? {
        return Err(Error::Input("the passwords differ: no keys were made".into()));
    }
    Ok(password)
}

/// Writes a file that isn't there yet, for those alone whom its mode lets in.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<()> {
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path).map_err(Error::io("create", path))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(Error::io("write", path))
}
