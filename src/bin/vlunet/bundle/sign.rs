//! `vlunet bundle sign`

use crate::output;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use vlunet::bundle::{Bundle, is_archive};
use vlunet::update::SecretKey;
use vlunet::{Error, Result, atomic_file};

/// Signs bundles: their manifests, whose hashes cover all other files.
///
/// The signature becomes a part of the bundle, manifest.toml.minisig, in its folder or its .vlu
/// file; one that is there already is replaced.
#[derive(clap::Args)]
pub struct Args {
    /// The secret key, which `vlunet bundle keygen` or `minisign -G` made.
    #[arg(long, value_name = "FILE.key")]
    key: PathBuf,

    /// A file whose first line is the key's password; asked for where not given, if it has one.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// The bundles: folders or .vlu files.
    #[arg(required = true, value_name = "PATH")]
    bundles: Vec<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    // What is no bundle is said before anybody types a password.
    let bundles = args.bundles.iter().map(|path| Bundle::open(path)).collect::<Result<Vec<_>>>()?;
    let key = key(args)?;
    for (path, bundle) in args.bundles.iter().zip(&bundles) {
        let signature = key.sign(bundle, now())?;
        if path.is_dir() {
            atomic_file::write_bytes(&path.join("manifest.toml.minisig"), &signature)?;
        } else if is_archive(path) {
            atomic_file::write_bytes(path, &bundle.to_archive_with(Some(&signature))?)?;
        } else {
            return Err(Error::Input(format!("{}: a packed bundle's name ends in .vlu", path.display())));
        }
        let manifest = bundle.manifest();
        output::line(format!("{}: signed as {} {}", path.display(), manifest.name, manifest.version))?;
    }
    Ok(())
}

fn key(args: &Args) -> Result<SecretKey> {
    if let Some(path) = &args.password_file {
        return SecretKey::load(&args.key, super::password(path)?);
    }
    if let Some(key) = SecretKey::load_bare(&args.key)? {
        return Ok(key);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Error::Input(format!(
            "{}: this is no secret key, or one with a password and no terminal to ask for it: give \
             --password-file",
            args.key.display()
        )));
    }
    let password = rpassword::prompt_password(format!("Password of {}: ", args.key.display()))
        .map_err(Error::io("read", Path::new("the terminal")))?;
    SecretKey::load(&args.key, password)
}

/// Seconds since 1970, or `SOURCE_DATE_EPOCH`; only told, never checked.
fn now() -> Option<u64> {
    let fixed = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    fixed.or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs()))
}
