//! What the command line promises: help, exit codes, JSON.

#[path = "support/program.rs"]
mod program;

use program::{NANO, Workplace};
use serde_json::Value;
use std::process::Stdio;

/// Commands, their own flags, and whether they run a model.
const COMMANDS: [(&[&str], &[&str], bool); 20] = [
    (&["demo"], &["--output", "--frames", "--size", "--seed", "--json"], true),
    (
        &["restore"],
        &[
            "--output",
            "--task",
            "--strength",
            "--memory",
            "--recursive",
            "--skip-existing",
            "--shard",
            "--compare",
            "--quality",
            "--json",
        ],
        true,
    ),
    (&["detect"], &["--json"], true),
    (
        &["quantize"],
        &["--calib", "--dtype", "--output", "--observer", "--analyse", "--picture", "--budget", "--keep"],
        false,
    ),
    (
        &["eval"],
        &[
            "--data",
            "--video",
            "--detect-every",
            "--noise",
            "--seed",
            "--task",
            "--strength",
            "--memory",
            "--limit",
            "--save",
            "--json",
            "--markdown",
        ],
        true,
    ),
    (
        &["run"],
        &[
            "--source",
            "--sink",
            "--fps",
            "--detect-every",
            "--task",
            "--strength",
            "--min-scale",
            "--max-scale",
            "--config",
            "--board",
            "--gpio",
            "--frames",
            "--duration",
            "--dla",
            "--json",
        ],
        true,
    ),
    (&["bench"], &["--live", "--size", "--fps", "--duration", "--json"], true),
    (&["doctor"], &["--config", "--board", "--model", "--size", "--json"], false),
    (&["info"], &["--size", "--ops", "--dtype", "--json"], false),
    (&["import"], &["--output", "--name", "--version-of-weights", "--license", "--training-data"], false),
    (&["export"], &["--output", "--model"], false),
    (
        &["bundle"],
        &["verify", "pack", "keygen", "sign", "install", "fetch", "list", "confirm", "rollback"],
        false,
    ),
    (&["bundle", "verify"], &["--key"], true),
    (&["bundle", "pack"], &["--output", "--model"], false),
    (&["bundle", "keygen"], &["--no-password"], false),
    (&["bundle", "sign"], &["--key"], false),
    (&["bundle", "install"], &["--key", "--store", "--probation", "--max-ms", "--force"], false),
    (&["engine"], &["build"], false),
    (
        &["engine", "build"],
        &["--size", "--dtype", "--dla", "--workspace", "--level", "--anew", "--json"],
        false,
    ),
    (&["completions"], &["bash", "zsh", "fish"], false),
];

#[test]
fn help_of_every_command_names_its_flags() {
    let workplace = Workplace::new();
    let overview = workplace.succeed(&["--help"]);
    for (command, flags, runs_a_model) in COMMANDS {
        let help = workplace.succeed(&[command, &["--help"]].concat());
        assert!(help.contains("Usage: vlunet"), "{help}");
        let shared = ["--model", "--dtype", "--backend", "--threads"];
        for flag in flags.iter().chain(shared.iter().filter(|_| runs_a_model)) {
            assert!(help.contains(flag), "{command:?}: no {flag} in {help}");
        }
        assert!(overview.contains(command[0]), "{overview}");
    }
    // None is missing above.
    let listed = overview.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names =
        listed.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    for name in names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        assert!(COMMANDS.iter().any(|(command, ..)| command[0] == name), "{name} is not tested");
    }
}

#[test]
fn an_unknown_flag_exits_with_2_and_is_named() {
    let workplace = Workplace::new();
    for (command, ..) in COMMANDS {
        let run = workplace.run(&[command, &["--frobnicate"]].concat());
        assert_eq!(run.code, Some(2), "{run:?}");
        run.assert_one_clear_line(&["--frobnicate"]);
    }
    assert_eq!(workplace.run(&["frobnicate"]).code, Some(2));
    assert_eq!(workplace.run(&[]).code, Some(2));
    assert!(workplace.listing().is_empty());
}

#[test]
fn the_version_is_the_crates() {
    let version = Workplace::new().succeed(&["--version"]);
    assert_eq!(version.trim(), concat!("vlunet ", env!("CARGO_PKG_VERSION")));
}

/// Whether all of these are numbers.
fn assert_numbers(object: &Value, keys: &[&str]) {
    for key in keys {
        assert!(object[key].is_number(), "{key} in {object}");
    }
}

#[test]
fn info_prints_the_json_that_others_build_on() {
    let workplace = Workplace::new();
    for model in [NANO, "full", "pico"] {
        let info = workplace.json(&["info", model, "--json", "--size", "320x240"]);
        assert_numbers(&info, &["parameters", "macs_per_pixel"]);
        assert_numbers(&info["macs_by_dtype"], &["f32"]);
        let stages = info["stages"].as_array().unwrap();
        let sum: u64 = stages.iter().map(|stage| stage["parameters"].as_u64().unwrap()).sum();
        assert_eq!(info["parameters"].as_u64(), Some(sum));
    }
}

#[test]
fn restore_prints_what_was_done_as_json() {
    let workplace = Workplace::new();
    workplace.picture("a.png");
    let restore = |extra: &[&str]| {
        let args = ["restore", "a.png", "--task", "dehaze", "--model", NANO, "--json"];
        workplace.json(&[&args, extra].concat())
    };
    let done = restore(&[]);
    assert_eq!((&done[0]["file"], &done[0]["output"]), (&"a.png".into(), &"restored/a.png".into()));
    assert!(done[0]["milliseconds"].is_number() && done[0]["skipped"] == false, "{done}");
    assert_eq!(restore(&["--skip-existing"])[0]["skipped"], true);
    assert_eq!(workplace.listing(), ["a.png", "restored", "restored/a.png"]);
}

#[test]
fn a_picture_that_lacks_nothing_is_left_as_it_is() {
    let workplace = Workplace::new();
    let clear = "synthetic:road?weather=clear&seed=2&size=320x180";
    let frame =
        ["run", "-s", clear, "-o", "dir:input", "--frames", "1", "--task", "derain", "--strength", "0"];
    workplace.succeed(&[&frame[..], &["--model", NANO]].concat());
    let picture = "input/0000000001.jpg";
    let pixels = |name: &str| image::open(workplace.path(name)).unwrap().to_rgb8();
    let restore = |output: &str, extra: &[&str]| {
        let args = ["restore", picture, "-o", output, "--model", NANO, "--json"];
        workplace.json(&[&args, extra].concat())[0]["untouched"].as_bool().unwrap()
    };
    assert!(restore("left.png", &[]));
    assert_eq!(pixels("left.png"), pixels(picture));
    assert!(!restore("dehazed.png", &["--task", "dehaze"]));
    assert_ne!(pixels("dehazed.png"), pixels(picture));
    // eval does as restore does.
    std::fs::create_dir(workplace.path("target")).unwrap();
    std::fs::copy(workplace.path(picture), workplace.path("target/0000000001.jpg")).unwrap();
    let evaluation = |extra: &[&str]| {
        workplace.json(&[&["eval", "--data", ".", "--model", NANO, "--json"], extra].concat())
    };
    let (left, dehazed) = (evaluation(&[]), evaluation(&["--task", "dehaze"]));
    assert_eq!((&left["untouched"], &dehazed["untouched"]), (&1.into(), &0.into()));
    assert_eq!(left["mean"]["psnr_out"], left["mean"]["psnr_in"]);
    assert!(dehazed["mean"]["psnr_out"].as_f64() < left["mean"]["psnr_out"].as_f64());
}

#[test]
fn eval_measures_how_steady_a_video_is() {
    let workplace = Workplace::new();
    let evaluation = |video: &str, extra: &[&str]| {
        let args = ["eval", "--video", video, "--model", NANO, "--json"];
        workplace.json(&[&args, extra].concat())
    };
    let noisy = "synthetic:road?weather=noise&still=1&size=96x64";
    let steady = evaluation(noisy, &["--limit", "4", "--task", "denoise"]);
    assert_eq!((&steady["frames"], &steady["bypassed"]), (&4.into(), &0.into()));
    let scores = &steady["against_clean"];
    assert_numbers(scores, &["flicker_in", "flicker_out", "pumping_in", "pumping_out"]);
    assert_numbers(&scores["psnr_out"], &["mean", "deviation", "step"]);
    let number = |value: &Value| value.as_f64().unwrap();
    assert!(number(&scores["flicker_out"]) < 0.6 * number(&scores["flicker_in"]), "{steady}");
    assert!(number(&scores["psnr_out"]["mean"]) > number(&scores["psnr_in"]["mean"]) + 2.0, "{steady}");
    // Pictures of a folder, whose clean ones nobody knows; the head looks at each of them.
    for name in ["frames/1.png", "frames/2.png", "frames/10.png"] {
        workplace.picture(name);
    }
    let clip = evaluation("dir:frames", &["--detect-every", "1"]);
    assert_eq!((&clip["frames"], clip.get("against_clean")), (&3.into(), None));
    assert_eq!(number(&clip["where_still"]["share"]), 1.0);
    assert_eq!(number(&clip["where_still"]["flicker_in"]), 0.0);
}

#[test]
fn eval_prints_the_json_that_others_build_on() {
    let workplace = Workplace::new();
    for name in ["input/a.png", "target/a.png", "input/b.png", "target/b.png"] {
        workplace.picture(name);
    }
    let scores = ["psnr_in", "psnr_out", "ssim_in", "ssim_out"];
    let evaluation = |extra: &[&str]| {
        let args = ["eval", "--model", NANO, "--task", "denoise", "--json"];
        workplace.json(&[&args, extra].concat())
    };
    let noisy = evaluation(&["--data", "target", "--noise", "25"]);
    assert_eq!(noisy["count"], 2);
    assert_numbers(&noisy["mean"], &scores);
    assert_eq!(noisy["images"][1]["file"], "b.png");
    assert_numbers(&noisy["images"][1], &scores);
    let one = evaluation(&["--data", ".", "--limit", "1"]);
    assert_eq!((&one["count"], one["images"].as_array().unwrap().len()), (&1.into(), 1));
    assert_numbers(&one["images"][0], &["psnr_out", "ssim_in", "ssim_out"]);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let workplace = Workplace::new();
    let run = workplace.shell("set -o pipefail; \"$VLUNET\" info | head -1");
    assert!(run.code == Some(0) && run.stderr.is_empty() && run.stdout.lines().count() == 1, "{run:?}");
    // A reader that is gone before the first line.
    let mut child =
        workplace.command(&["info"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_packed_bundle_is_verified_and_exported_like_the_folder() {
    let workplace = Workplace::new();
    workplace.succeed(&["bundle", "pack", "--model", NANO, "-o", "nano.vlu"]);
    workplace.succeed(&["bundle", "pack", "--model", "nano.vlu", "-o", "again.vlu"]);
    let bytes = |name: &str| std::fs::read(workplace.path(name)).unwrap();
    assert!(bytes("nano.vlu") == bytes("again.vlu"));
    assert!(workplace.succeed(&["bundle", "verify", "--model", "nano.vlu"]).contains("golden frame within"));
    workplace.succeed(&["export", "--model", "nano.vlu", "-o", "onnx"]);
    assert_eq!(
        workplace.listing(),
        ["again.vlu", "nano.vlu", "onnx", "onnx/restorer.int8.onnx", "onnx/vlm.int8.onnx"]
    );
}

#[test]
fn manual_pages_and_completions_know_every_flag() {
    let workplace = Workplace::new();
    workplace.succeed(&["man", "pages"]);
    for (command, flags, _) in COMMANDS {
        let path = workplace.path(&format!("pages/vlunet-{}.1", command.join("-")));
        let page = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let page = page.replace("\\-", "-");
        assert!(page.contains(".TH vlunet") && page.contains(env!("CARGO_PKG_VERSION")), "{page}");
        for flag in flags {
            assert!(page.contains(flag), "{}: no {flag}", path.display());
        }
    }
    assert!(workplace.path("pages/vlunet.1").exists() && !workplace.path("pages/vlunet-man.1").exists());

    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = workplace.succeed(&["completions", shell]);
        assert!(script.contains("restore") && script.contains("shard"), "{shell}: {script}");
        workplace.write(shell, script);
    }
    let complete = r#". ./bash; COMP_WORDS=(vlunet restore --sha) COMP_CWORD=2
        _vlunet vlunet --sha restore; echo "${COMPREPLY[*]}""#;
    assert_eq!(workplace.shell(complete).stdout.trim(), "--shard");
    workplace.refuse(&["completions", "dos"], &["dos", "SHELL"]);
}
