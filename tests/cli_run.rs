//! `vlunet run` as a person or a service manager runs it.
#![cfg(unix)]

#[path = "support/program.rs"]
mod program;

use program::Workplace;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROAD: &str = "synthetic:road?weather=rain&size=64x48&fps=20";

/// 4:2:0 frames of 64x48, each of another grey.
fn clip(frames: u8) -> Vec<u8> {
    let mut bytes = b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420jpeg\n".to_vec();
    for frame in 0..frames {
        bytes.extend(b"FRAME\n");
        bytes.extend(std::iter::repeat_n(60 + frame, 64 * 48));
        bytes.extend([128; 2 * 32 * 24]);
    }
    bytes
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
}

/// Waits for that many pictures in a folder.
fn pictures(place: &Workplace, folder: &str, wanted: usize) {
    let start = Instant::now();
    while count(place, folder) < wanted {
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", place.listing());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Pictures in a folder: those under work, and the sink's lock, have hidden names.
fn shown(place: &Workplace, folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(place.path(folder)) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.')).collect()
}

fn count(place: &Workplace, folder: &str) -> usize {
    shown(place, folder).len()
}

fn start(place: &Workplace, args: &[&str]) -> Child {
    place.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn the_summary_has_the_documented_fields() {
    let place = Workplace::new();
    let args =
        ["run", "--source", ROAD, "--sink", "null:", "--board", "generic-pc", "--frames", "5", "--json"];
    let summary = place.json(&args);
    assert_eq!(summary["frames_out"], 5);
    assert!(summary["frames_in"].as_u64().unwrap() >= 5 && summary["dropped"].is_u64(), "{summary}");
    assert!(summary["fps_out"].as_f64().unwrap() > 0.0);
    for percentile in ["p50", "p90", "p99"] {
        assert!(summary["age_ms"][percentile].is_f64(), "{summary}");
    }
    assert!(summary["bypassed"].as_u64().unwrap() <= 5);
    assert!(summary["faults"].as_object().unwrap().is_empty(), "{summary}");
    assert!(summary["failed"].as_array().unwrap().is_empty(), "{summary}");
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let place = Workplace::new();
    place.write("odd.toml", "sorce = \"-\"\n");
    for (args, parts) in [
        (&["--source", "nonsense:x"][..], &["nonsense", "synthetic:"][..]),
        (&["--source", "synthetic:road?wether=rain"], &["wether"]),
        (&["--source", ROAD, "--sink", "pigeon:x"], &["pigeon", "null:"]),
        (&["--source", ROAD, "--sink", "null:", "--task", "unfog the moon"], &["unfog the moon"]),
        (&["--source", "dir:absent/", "--sink", "null:"], &["absent"]),
        (&["--source", ROAD, "--sink", "null:", "--model", "absent.vlu"], &["absent.vlu"]),
        (&["--config", "absent.toml"], &["absent.toml"]),
        (&["--config", "odd.toml"], &["odd.toml", "sorce", "source"]),
        (&["--board", "toaster"], &["toaster"]),
        (&["--source", ROAD, "--sink", "-", "--json"], &["--json", "standard output"]),
        (&["--fps", "0"], &["frame rate"]),
    ] {
        place.refuse(&[&["run"], args].concat(), parts);
    }
}

#[test]
fn sigterm_and_sigint_end_it_within_a_second() {
    for name in ["TERM", "INT"] {
        let place = Workplace::new();
        let args = ["run", "--source", ROAD, "--sink", "dir:out/?format=png", "--json"];
        let child = start(&place, &args);
        pictures(&place, "out", 3);
        let asked = Instant::now();
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert!(asked.elapsed() < Duration::from_secs(1), "{name}: {:?}", asked.elapsed());
        assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(summary["frames_out"].as_u64().unwrap() >= 3, "{summary}");
        for path in shown(&place, "out") {
            image::open(&path).unwrap_or_else(|e| panic!("{} is not whole: {e}", path.display()));
        }
    }
}

#[test]
fn sighup_exchanges_sinks_and_a_wrong_file_changes_nothing() {
    let place = Workplace::new();
    let config = |sink: &str| format!("source = \"{ROAD}\"\nsinks = [\"dir:{sink}/\"]\ntask = \"derain\"\n");
    place.write("vlunet.toml", config("first"));
    let child = start(&place, &["run", "--config", "vlunet.toml", "--json"]);
    pictures(&place, "first", 3);
    place.write("vlunet.toml", "sinks = 7\n");
    signal(&child, "HUP");
    pictures(&place, "first", count(&place, "first") + 20);
    place.write("vlunet.toml", config("second"));
    signal(&child, "HUP");
    pictures(&place, "second", 3);
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), summary["faults"]["configuration"].as_u64()), (Some(0), Some(1)));
    let frames = summary["frames_out"].as_u64().unwrap();
    let first = count(&place, "first") as u64;
    assert!(frames >= first + 3, "one run, {frames} frames, {first} in the first sink");
}

#[test]
fn y4m_through_a_pipe_keeps_every_frame() {
    let place = Workplace::new();
    place.write("in.y4m", clip(12));
    let run = place.shell("$VLUNET run --source - --sink - --task derain <in.y4m >out.y4m");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let bytes = std::fs::read(place.path("out.y4m")).unwrap();
    let mut decoder = y4m::decode(&bytes[..]).unwrap();
    assert_eq!((decoder.get_width(), decoder.get_height()), (64, 48));
    let mut last = 0.0;
    for frame in 0..12 {
        let frame_read = decoder.read_frame().unwrap_or_else(|e| panic!("frame {frame}: {e}"));
        let luma = frame_read.get_y_plane();
        let mean = luma.iter().map(|&y| f64::from(y)).sum::<f64>() / luma.len() as f64;
        assert!(mean > last, "frame {frame} is out of order: {mean} after {last}");
        last = mean;
    }
    assert!(decoder.read_frame().is_err());
}

#[test]
fn frames_of_a_file_that_did_not_all_arrive_are_a_failure() {
    let place = Workplace::new();
    place.write("in.y4m", clip(100));
    let line = "$VLUNET run -q --source - --sink - --task clear <in.y4m | head -c 9000 >/dev/null; \
                exit ${PIPESTATUS[0]}";
    place.shell(line).assert_one_clear_line(&["standard output"]);
}
