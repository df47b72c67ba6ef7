//! The files that a package installs for systemd and udev, by systemd's own tools.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

const UNIT: &str = include_str!("../board/systemd/vlunet.service");

/// The output of `systemd-analyze` on our unit, with this build as its program; `None`, which is
/// said, where there is no such tool.
fn analyze(arguments: &[&str]) -> Option<(bool, String)> {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("vlunet.service");
    let program = env!("CARGO_BIN_EXE_vlunet");
    std::fs::write(&unit, UNIT.replace("/usr/bin/vlunet", program)).unwrap();
    let Ok(run) = Command::new("systemd-analyze").args(arguments).arg(&unit).env("LC_ALL", "C").output()
    else {
        eprintln!("skipped: systemd-analyze is not there (apt-get install systemd)");
        return None;
    };
    let text = [run.stdout, run.stderr].concat();
    Some((run.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

#[test]
fn systemd_understands_every_line_of_the_unit() {
    if let Some((success, said)) = analyze(&["verify"]) {
        let about_ours: Vec<&str> = said.lines().filter(|line| line.contains("vlunet")).collect();
        assert!(success && about_ours.is_empty(), "{said}");
    }
}

#[test]
fn the_unit_is_as_closed_as_it_says() {
    // Out of 100; 17 with systemd 252. Before version 250 the tool examines loaded units alone.
    if let Some((success, said)) = analyze(&["security", "--offline=true", "--threshold=25", "--no-pager"]) {
        let is_old = said.contains("unrecognized option");
        assert!(success || is_old, "{said}");
        if is_old {
            eprintln!("skipped: this systemd-analyze can't examine a file");
        }
    }
}

#[test]
fn the_units_promises_to_the_program_are_kept() {
    for line in [
        "Type=notify",
        "ExecStart=/usr/bin/vlunet run --config /etc/vlunet/vlunet.toml",
        "Restart=always",
        "WatchdogSec=10",
    ] {
        assert!(UNIT.lines().any(|found| found == line), "{line}");
    }
    // The user, and every group that the unit or a rule names, is made by sysusers.
    let made = include_str!("../board/sysusers/vlunet.conf");
    let rules = include_str!("../board/udev/60-vlunet.rules");
    assert!(UNIT.lines().any(|line| line == "User=vlunet"));
    assert!(made.lines().any(|line| line.starts_with("u vlunet - ")));
    let groups = UNIT.lines().filter_map(|line| line.strip_prefix("SupplementaryGroups="));
    let in_rules = rules.split("GROUP=\"").skip(1).filter_map(|rest| rest.split('"').next());
    for group in groups.flat_map(str::split_whitespace).chain(in_rules) {
        assert!(made.lines().any(|line| line == format!("g {group} - -")), "{group}");
        assert!(made.lines().any(|line| line == format!("m vlunet {group}")), "{group}");
    }
}

#[test]
fn udev_understands_the_rules() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("board/udev/60-vlunet.rules");
    let run = Command::new("udevadm").arg("verify").arg(&rules).output();
    match run {
        // `verify` came with systemd 254.
        Ok(run) if !String::from_utf8_lossy(&run.stderr).contains("Unknown command verb") => {
            assert!(run.status.success(), "{run:?}");
        }
        _ => eprintln!("skipped: there is no udevadm that verifies rules (systemd 254, package udev)"),
    }
}
