//! Models that are exchanged while the loop runs.

use super::*;
use crate::bundle::{Bundle, builder};
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

/// A bundle folder like the embedded one, changed by `change` before its manifest is read.
fn folder(path: &Path, change: impl FnOnce(&Path)) {
    let bytes = Bundle::find("nano").unwrap().to_archive().unwrap();
    tar::Archive::new(bytes.as_slice()).unpack(path).unwrap();
    change(path);
}

#[test]
fn a_lighter_model_stands_in_and_one_of_another_head_is_refused() {
    let lighter = tempfile::tempdir().unwrap();
    folder(lighter.path(), |path| {
        let manifest = path.join("manifest.toml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        std::fs::write(&manifest, text.replacen("name = \"nano\"", "name = \"light\"", 1)).unwrap();
    });
    let lighter = vec![lighter.path().display().to_string()];
    // So few frames that a busy machine holds them, too.
    let few = Some(5.0);
    let both = Settings { lighter: lighter.clone(), scales: 0.5..=0.5, fps: few, ..settings(&["keep:"]) };
    let loaded = super::super::models::load(&both, 0).unwrap().model;
    assert_eq!(loaded.costs().len(), 2);
    let names: Vec<&str> = (0..3).map(|tier| loaded.tier(tier).manifest().name.as_str()).collect();
    assert_eq!(names, ["nano", "light", "light"]);
    // Of two that cost the same the governor comes to the better one, by the other.
    let running = Running::start(both, camera(|_, _| Act::Deliver));
    running.until("the better one", 30, |status| status.governor.tier == "nano");
    assert!(running.telemetry.status().model.contains(", light "));
    running.stop();

    let other = tempfile::tempdir().unwrap();
    folder(other.path(), |path| {
        let (vectors, manifest) = (path.join("prompts.safetensors"), path.join("manifest.toml"));
        let mut bytes = std::fs::read(&vectors).unwrap();

        let before = builder::sha256(&bytes);
        // The lowest bits of the last number.
        let last = bytes.len() - 4;
        bytes[last] ^= 0xff;
        std::fs::write(&vectors, &bytes).unwrap();
        let text = std::fs::read_to_string(&manifest).unwrap();
        std::fs::write(&manifest, text.replace(&before, &builder::sha256(&bytes))).unwrap();
    });
    let lighter = vec![other.path().display().to_string()];
    let refused = super::super::models::load(&Settings { lighter, ..settings(&["keep:"]) }, 0);
    let message = refused.map(drop).unwrap_err().to_string();
    assert!(message.contains("another VLM head"), "{message}");
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
