//! A bundle that is altered, incomplete or for another program is refused by one clear line.

#[path = "support/bundle.rs"]
mod bundle;
#[path = "support/program.rs"]
mod program;

use program::{NANO, Workplace, copy_folder};
use std::path::Path;

/// A folder with a picture, and a copy of nano to damage.
fn with_nano() -> Workplace {
    let workplace = Workplace::new();
    workplace.picture("a.png");
    copy_folder(Path::new(NANO), &workplace.path("model"));
    workplace
}

/// A folder with a picture, and a bundle around this restorer.
fn with_restorer(onnx: Vec<u8>) -> Workplace {
    let workplace = Workplace::new();
    workplace.picture("a.png");
    bundle::builder(onnx).write(&workplace.path("model")).unwrap();
    workplace
}

fn refuse_to_restore(workplace: &Workplace, parts: &[&str]) {
    workplace.refuse(&["restore", "a.png", "-o", "out.png", "--task", "haze", "--model", "model"], parts);
}

/// Restores and verifies with a manifest that is changed; both refuse.
fn refuse_manifest(change: impl FnOnce(String) -> String, parts: &[&str]) {
    let workplace = with_nano();
    let manifest = std::fs::read_to_string(workplace.path("model/manifest.toml")).unwrap();
    workplace.write("model/manifest.toml", change(manifest));
    refuse_to_restore(&workplace, parts);
    workplace.refuse(&["bundle", "verify", "--model", "model"], parts);
    workplace.refuse(&["info", "./model"], parts);
}

#[test]
fn a_file_with_one_byte_changed_is_named() {
    for file in ["restorer.int8.onnx", "prompts.safetensors", "golden.safetensors"] {
        let workplace = with_nano();
        let path = format!("model/{file}");
        let mut bytes = std::fs::read(workplace.path(&path)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        workplace.write(&path, bytes);
        workplace
            .refuse(&["bundle", "verify", "--model", "model"], &[file, "SHA-256", "get the bundle again"]);
        workplace.refuse(&["bundle", "pack", "--model", "model", "-o", "model.vlu"], &[file]);
        // Restoring has no use for the golden frame.
        if !file.starts_with("golden") {
            refuse_to_restore(&workplace, &["model", file]);
        }
    }
}

#[test]
fn a_file_that_is_missing_or_longer_is_named() {
    for file in ["restorer.int8.onnx", "prompts.safetensors", "manifest.toml"] {
        let workplace = with_nano();
        std::fs::remove_file(workplace.path(&format!("model/{file}"))).unwrap();
        refuse_to_restore(&workplace, &[file]);
    }
    let workplace = with_nano();
    let mut longer = std::fs::read(workplace.path("model/restorer.int8.onnx")).unwrap();
    longer.push(0);
    workplace.write("model/restorer.int8.onnx", longer);
    refuse_to_restore(&workplace, &["restorer.int8.onnx", "larger"]);
}

#[test]
fn a_bundle_of_another_format_or_for_a_newer_program_says_so() {
    refuse_manifest(
        |text| text.replace("format = 1", "format = 2\nsurprise = 1"),
        &["model", "format 2", "format 1"],
    );
    let newer = |text: String| text.replace("minimum_vlunet = \"0.1.0\"", "minimum_vlunet = \"99.0.0\"");
    refuse_manifest(newer, &["model", "99.0.0", env!("CARGO_PKG_VERSION")]);
}

#[test]
fn a_manifest_that_makes_no_sense_is_one_clear_line() {
    refuse_manifest(|text| text.replace("license =", "licence ="), &["manifest.toml", "licence"]);
    refuse_manifest(|text| format!("frobnicate = true\n{text}"), &["manifest.toml", "frobnicate"]);
    refuse_manifest(|text| text.replace("dim = 12", "dim = 12\nsurprise = 1"), &["surprise"]);
    refuse_manifest(|text| text.replace("dim = 12", "dim = 13"), &["dim is 13"]);
    refuse_manifest(|text| text.replace("dim = 12", "dim = 1000000"), &["dim is 1000000"]);
    refuse_manifest(|text| text.replace("dim = 12", "dim = -1"), &["manifest.toml"]);
    refuse_manifest(|text| text[..text.len() / 2].into(), &["manifest.toml"]);
    refuse_manifest(|_| String::new(), &["manifest.toml", "format"]);
    refuse_manifest(|_| "format = 1".into(), &["manifest.toml", "missing"]);
    refuse_manifest(|_| format!("format = {}", "[".repeat(100_000)), &["manifest.toml"]);
    refuse_manifest(|text| text + &"#".repeat(2 << 20), &["manifest.toml", "larger"]);
    refuse_manifest(|text| text.replace("file = \"restorer", "file = \"../restorer"), &["../restorer"]);
    refuse_manifest(|text| text.replace("file = \"restorer", "file = \"/restorer"), &["/restorer"]);
    let twice = |text: String| text.replace("\"restorer.f32.onnx\"", "\"restorer.int8.onnx\"");
    refuse_manifest(twice, &["two things of restorer.int8.onnx"]);
    refuse_manifest(|text| text.replace("\"README.md\"", "\"manifest.toml\""), &["manifest.toml or its"]);
    refuse_manifest(|text| text.replace("task = \"derain\"", "task = \"detox\""), &["detox", "derain"]);
}

#[test]
fn a_manifest_cannot_write_into_the_log() {
    let escape = r"\u001b[2J";
    refuse_manifest(
        |text| text.replace("name = \"nano\"", &format!("name = \"{escape}\"")),
        &["control characters"],
    );
    refuse_manifest(
        |text| text.replace("text = \"image with haze\"", r#"text = "haze\nerror: fire""#),
        &["control characters"],
    );
    refuse_manifest(
        |text| text.replace("file = \"restorer", &format!("file = \"{escape}restorer")),
        &["control characters"],
    );
    refuse_manifest(
        |text| text.replace("dtype = \"f32\"", &format!("dtype = \"{escape}\"")),
        &["unknown variant"],
    );
}

#[test]
fn an_onnx_file_that_is_no_restorer_is_named() {
    let any: [i64; 4] = [1, 3, -1, -2];
    let degradation: (&str, &[i64]) = ("degradation", &[1, 512]);
    let cases: [(Vec<u8>, &[&str]); 7] = [
        (b"not a model".to_vec(), &["restorer.f32.onnx"]),
        (Vec::new(), &["restorer.f32.onnx", "empty"]),
        (
            bundle::onnx("Identity", &[("picture", &any), degradation], ("restored", &any)),
            &["picture", "image"],
        ),
        (bundle::onnx("Identity", &[("image", &any)], ("restored", &any)), &["takes image and"]),
        (
            bundle::onnx("Identity", &[("image", &any), degradation], ("output", &any)),
            &["output", "restored"],
        ),
        (bundle::onnx("Frobnicate", &[("image", &any), degradation], ("restored", &any)), &["Frobnicate"]),
        (
            bundle::onnx("Identity", &[("image", &[1, 3, 64, 64]), degradation], ("restored", &any)),
            &["image", "64"],
        ),
    ];
    for (onnx, parts) in cases {
        refuse_to_restore(&with_restorer(onnx), parts);
    }
    // One that turns the picture around.
    let transposed = bundle::onnx("Transpose", &[("image", &any), degradation], ("restored", &any));
    refuse_to_restore(&with_restorer(transposed), &["another shape"]);
    // None of this is true of a sound one.
    let workplace = with_restorer(bundle::identity());
    workplace.succeed(&["restore", "a.png", "-o", "out.png", "--task", "haze", "--model", "model"]);
    workplace.succeed(&["bundle", "verify", "--model", "model"]);
}

#[test]
fn a_golden_frame_that_comes_out_wrong_fails_the_check() {
    let workplace = Workplace::new();
    let mut builder = bundle::builder(bundle::identity());
    if let Some(golden) = &mut builder.golden {
        golden.restored.mapv_inplace(|x| x + 0.1);
    }
    builder.write(&workplace.path("model")).unwrap();
    workplace.refuse(&["bundle", "verify", "--model", "model"], &["golden frame", "0.1"]);
}

#[test]
fn what_is_no_bundle_says_so() {
    let workplace = Workplace::new();
    workplace.picture("a.png");
    workplace.write("empty/placeholder", "");
    workplace.write("text.vlu", "Dear diary, today I went for a walk.\n");
    workplace.write("nothing.vlu", "");
    workplace.write("zeros.vlu", [0; 4096]);
    for model in ["empty", "text.vlu", "nothing.vlu", "zeros.vlu", "a.png", "gone.vlu", "gone"] {
        workplace.refuse(&["bundle", "verify", "--model", model], &[model]);
    }
    workplace.succeed(&["bundle", "pack", "--model", NANO, "-o", "whole.vlu"]);
    let whole = std::fs::read(workplace.path("whole.vlu")).unwrap();
    for part in 1..8 {
        workplace.write("cut.vlu", &whole[..part * whole.len() / 8 + 100 * part]);
        workplace.refuse(&["bundle", "verify", "--model", "cut.vlu"], &["cut.vlu"]);
    }
}

#[test]
fn a_bundle_that_is_there_already_is_not_overwritten() {
    let workplace = with_restorer(bundle::identity());
    let outcome = bundle::builder(bundle::identity()).write(&workplace.path("model"));
    assert!(outcome.unwrap_err().to_string().contains("exists already"));
    workplace.succeed(&["bundle", "verify", "--model", "model"]);
}

#[test]
fn every_model_that_is_shipped_is_whole_and_gives_its_golden_frame() {
    let workplace = Workplace::new();
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
    let mut verified = Vec::new();
    for entry in std::fs::read_dir(models).unwrap() {
        let path = entry.unwrap().path();
        if !path.join("manifest.toml").exists() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        for dtype in ["f32", "f16", "int8"] {
            let verify = ["bundle", "verify", "-q", "--model", path.to_str().unwrap(), "--dtype", dtype];
            let said = workplace.succeed(&verify);
            assert!(said.contains("golden frame within"), "{name} {dtype}: {said}");
        }
        let info = workplace.json(&["info", path.to_str().unwrap(), "--json"]);
        let preset = workplace.json(&["info", &name, "--json"]);
        assert_eq!(info["parameters"], preset["parameters"], "{name} is the network of its name");
        verified.push(name);
    }
    verified.sort();
    assert_eq!(verified, ["nano", "pico"]);
}
