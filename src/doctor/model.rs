//! The model: whole, right on this machine, and how fast.

use super::{Check, Options};
use crate::Result;
use crate::backend;
use crate::board::Board;
use crate::bundle::{Bundle, DEFAULT_BUNDLE};
use crate::config::Config;
use crate::frame::Planes;
use crate::restore::{self, Restorer};
use crate::vlm::Degradation;
use std::time::Instant;

/// Whether the bundle is whole and works here, how long a frame takes, and the engine cache.
pub(super) fn check(options: &Options, config: &Config, board: &Board) -> Vec<Check> {
    let name = options.model.as_deref().or(config.model.as_deref()).unwrap_or(DEFAULT_BUNDLE);
    let mut checks = Vec::new();
    match opened(name, config, board) {
        Ok((bundle, mut restorer, found)) => {
            checks.push(Check::ok("model", found));
            checks.push(timed(options, &bundle, &mut restorer).unwrap_or_else(|e| {
                Check::fail("restore", e.to_string(), "get the bundle again, or another one with --model")
            }));
        }
        Err(e) => {
            let advice = "get the bundle again, or another one with --model";
            checks.push(Check::fail("model", e.to_string(), advice));
            checks.push(Check::skip("restore", "no model to time"));
        }
    }
    checks.push(Check::skip("engine cache", "not needed: this build restores on the CPU"));
    checks
}

/// The bundle and its restorer, after every hash and the golden frame have been checked.
fn opened(name: &str, config: &Config, board: &Board) -> Result<(Bundle, Restorer, String)> {
    let bundle = Bundle::find(name)?;
    bundle.verify()?;
    let dtype = config.dtype.or_else(|| board.dtype_of(&bundle));
    let threads = config.threads.map(usize::from).or(board.profile.cpu.threads);
    let backend =
        threads.map(|threads| backend::Options { threads, ..Default::default() }).unwrap_or_default();
    let options = restore::Options { dtype, backend, ..restore::Options::default() };
    let mut restorer = Restorer::open(&bundle, &options)?;
    let manifest = bundle.manifest();
    let dtype = bundle.variant(dtype)?.dtype;
    let tested = match bundle.golden()? {
        Some(golden) => {
            let difference = restorer.self_test(&golden)?;
            format!("self-test passed (largest difference {difference})")
        }
        None => "it has no golden frame to test it with".into(),
    };
    let found = format!("{} {} in {dtype}: {tested}", manifest.name, manifest.version);
    Ok((bundle, restorer, found))
}

/// How long one frame takes when the engine is warm.
fn timed(options: &Options, bundle: &Bundle, restorer: &mut Restorer) -> Result<Check> {
    let (width, height) = options.size;
    let prompts = bundle.prompts()?;
    let degradation = Degradation::of_prompt(&prompts, 0)?;
    let frame = Planes::from_elem((3, height, width), 0.5);
    restorer.restore(frame.view(), &degradation)?;
    let start = Instant::now();
    restorer.restore(frame.view(), &degradation)?;
    let seconds = start.elapsed().as_secs_f64();
    let found =
        format!("{:.0} ms for a frame of {width}x{height}, {:.1} per second", 1e3 * seconds, 1.0 / seconds);
    Ok(if seconds < 1.0 {
        Check::ok("restore", found)
    } else {
        Check::warn(
            "restore",
            found,
            "use a smaller model or camera size; the governor will restore at a fraction",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::machine;
    use super::*;
    use std::path::Path;

    const NANO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/nano");

    fn checked(model: &str) -> Vec<Check> {
        let (_root, mut options) = machine(&[]);
        options.model = Some(model.into());
        check(&options, &Config::default(), &Board::detect(&options.root).unwrap())
    }

    #[test]
    fn a_sound_bundle_passes_and_is_timed() {
        let checks = checked(NANO);
        assert_eq!(checks[0].verdict, Verdict::Ok, "{checks:?}");
        assert!(checks[0].found.contains("self-test passed"), "{checks:?}");
        assert!(checks[1].name == "restore" && checks[1].found.contains("64x48"), "{checks:?}");
    }

    #[test]
    fn a_damaged_bundle_fails() {
        let folder = tempfile::tempdir().unwrap();
        for entry in Path::new(NANO).read_dir().unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        let model = folder.path().join("vlm.f32.onnx");
        let mut bytes = std::fs::read(&model).unwrap();
        bytes[1000] ^= 1;
        std::fs::write(&model, bytes).unwrap();
        let checks = checked(folder.path().to_str().unwrap());
        assert_eq!((checks[0].verdict, checks[1].verdict), (Verdict::Fail, Verdict::Skip), "{checks:?}");
        assert!(checks[0].found.contains("vlm.f32.onnx"), "{checks:?}");
        assert_eq!(checked("no/such/bundle")[0].verdict, Verdict::Fail);
    }
}
