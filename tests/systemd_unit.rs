//! The files that a package installs for systemd and udev, by systemd's own tools.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

const UNIT: &str = include_str!("../board/systemd/vlunet.service");
const UPDATE: &str = include_str!("../board/systemd/vlunet-update.service");
const TIMER: &str = include_str!("../board/systemd/vlunet-update.timer");

/// The output of `systemd-analyze` on one of our units, with this build as its program; `None`,
/// which is said, where there is no such tool.
fn analyze(arguments: &[&str], name: &str) -> Option<(bool, String)> {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_vlunet");
    for (name, text) in
        [("vlunet.service", UNIT), ("vlunet-update.service", UPDATE), ("vlunet-update.timer", TIMER)]
    {
        std::fs::write(folder.path().join(name), text.replace("/usr/bin/vlunet", program)).unwrap();
    }
    let unit = folder.path().join(name);
    let Ok(run) = Command::new("systemd-analyze").args(arguments).arg(&unit).env("LC_ALL", "C").output()
    else {
        eprintln!("skipped: systemd-analyze is not there (apt-get install systemd)");
        return None;
    };
    let text = [run.stdout, run.stderr].concat();
    Some((run.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

#[test]
fn systemd_understands_every_line_of_the_units() {
    for name in ["vlunet.service", "vlunet-update.service", "vlunet-update.timer"] {
        if let Some((success, said)) = analyze(&["verify"], name) {
            let about_ours: Vec<&str> = said.lines().filter(|line| line.contains("vlunet")).collect();
            assert!(success && about_ours.is_empty(), "{said}");
        }
    }
}

#[test]
fn the_unit_is_as_closed_as_it_says() {
    // Out of 100; 17 with systemd 252. Before version 250 the tool examines loaded units alone.
    for name in ["vlunet.service", "vlunet-update.service"] {
        let arguments = ["security", "--offline=true", "--threshold=25", "--no-pager"];
        if let Some((success, said)) = analyze(&arguments, name) {
            let is_old = said.contains("unrecognized option");
            assert!(success || is_old, "{said}");
            if is_old {
                eprintln!("skipped: this systemd-analyze can't examine a file");
            }
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
    // Both services are one user with one folder: what the one installs the other runs.
    for line in ["User=vlunet", "StateDirectory=vlunet", "UMask=0027"] {
        assert!([UNIT, UPDATE].iter().all(|unit| unit.lines().any(|found| found == line)), "{line}");
    }
    // The user, and every group that the unit or a rule names, is made by sysusers.
    let made = include_str!("../board/sysusers/vlunet.conf");
    let rules = include_str!("../board/udev/60-vlunet.rules");
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
