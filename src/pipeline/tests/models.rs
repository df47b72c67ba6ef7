//! Models that are exchanged while the loop runs.

use super::*;
use crate::bundle::Bundle;
use std::path::Path;

/// Lays the embedded bundle out as a .vlu file under that version.
fn archive(path: &Path, version: &str) {
    let folder = tempfile::tempdir().unwrap();
    let bytes = Bundle::find("nano").unwrap().to_archive().unwrap();
    tar::Archive::new(bytes.as_slice()).unpack(folder.path()).unwrap();
    let manifest = folder.path().join("manifest.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let line = text.lines().find(|line| line.starts_with("version")).unwrap();
    std::fs::write(&manifest, text.replace(line, &format!("version = \"{version}\""))).unwrap();
    let bundle = Bundle::open(folder.path()).unwrap();
    crate::atomic_file::write_bytes(path, &bundle.to_archive().unwrap()).unwrap();
}

#[test]
fn a_bundle_that_is_replaced_takes_over_and_a_broken_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.vlu");
    archive(&path, "1.0.0");
    let settings = Settings { model: path.display().to_string(), ..settings(&["keep:"]) };
    let running = Running::start(settings, camera(|_, _| Act::Deliver));
    running.until("restoring", 20, |status| status.governor.scale > 0.0);
    assert!(running.telemetry.status().model.contains("1.0.0"));

    let mut broken = std::fs::read(&path).unwrap();
    let middle = broken.len() / 2;
    broken[middle] ^= 0x55;
    crate::atomic_file::write_bytes(&path, &broken).unwrap();
    running.until("the fault", 20, |status| status.faults.get("model").is_some_and(|fault| fault.active));
    running.frames(5, 10);
    assert!(running.telemetry.status().model.contains("1.0.0"));

    archive(&path, "2.0.0");
    running.until("the new model", 20, |status| status.model.contains("2.0.0"));
    running.until("the fault's end", 2, |status| !status.faults["model"].active);
    let before = running.kept.lock().unwrap().len();
    running.until("frames of the new model", 20, |_| {
        let kept = running.kept.lock().unwrap();
        kept.len() > before + 10 && kept.last().is_some_and(|(input, restored)| input.rgb != restored.rgb)
    });
    running.stop();
}

#[test]
fn frames_that_cant_be_restored_pass_untouched_and_the_state_says_so() {
    // A picture without an area is what no restorer takes.
    let source = camera(|_, frame| if frame == 0 { Act::Resize(0, 48) } else { Act::Deliver });
    let running = Running::start(settings(&["keep:"]), source);
    running.until("the fault", 20, |status| status.faults.values().any(|fault| fault.active));
    running.frames(10, 5);
    let kept = running.kept.lock().unwrap().clone();
    assert!(kept.iter().all(|(input, restored)| Arc::ptr_eq(input, restored)));
    running.stop();
}
