//! `vlunet bundle verify`

use super::KeyArgs;
use crate::args::ModelArgs;
use crate::output;
use vlunet::restore::Restorer;
use vlunet::update::{Signature, Verified};
use vlunet::{Result, bundle::Bundle};

/// Checks every file of a bundle against its hash, its signature, and its golden frame.
///
/// With --key, a bundle that isn't signed with that key is an error; without, whether it is signed
/// with a trusted key is told.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    keys: KeyArgs,
}

pub fn run(args: &Args) -> Result<()> {
    let bundle = args.model.bundle()?;
    bundle.verify()?;
    let signature = signature(&bundle, &args.keys)?;
    let mut restorer = Restorer::open(&bundle, &args.model.restore_options()?)?;
    let error = bundle.golden()?.map(|golden| restorer.self_test(&golden)).transpose()?;
    let golden =
        error.map_or_else(|| "no golden frame".into(), |error| format!("golden frame within {error:.1e}"));
    let (origin, version) = (bundle.origin(), &bundle.manifest().version);
    output::line(format!("{origin} {version}: all files as in the manifest, {signature}, {golden}"))
}

/// What is to be said of the signature.
fn signature(bundle: &Bundle, args: &KeyArgs) -> Result<String> {
    let keys = args.load()?;
    if !args.files.is_empty() {
        return keys.require(bundle).map(|key| format!("signed with the key {key}"));
    }
    let Some(signature) = Signature::of(bundle)? else { return Ok("not signed".into()) };
    if let Verified::Unknown = keys.check(&bundle.manifest_text()?, &signature) {
        return Ok(format!("signed with a key that is not in {}", args.keys.display()));
    }
    // A key that is here, and its signature is right, or something was altered.
    keys.require(bundle).map(|key| format!("signed with the key {key}"))
}
