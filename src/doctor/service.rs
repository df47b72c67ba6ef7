//! The systemd service and the watchdogs.

use super::programs::{find, output};
use super::{Check, Options};

const NAME: &str = "service";

/// Where units lie, ours first.
const UNITS: [&str; 4] =
    ["etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];

pub(super) fn check(options: &Options) -> Check {
    if !options.at("run/systemd/system").is_dir() {
        return Check::skip(NAME, "this machine wasn't started by systemd");
    }
    let unit =
        UNITS.iter().map(|folder| options.at(&format!("{folder}/vlunet.service"))).find(|unit| unit.exists());
    let Some(unit) = unit else {
        return Check::skip(NAME, "not installed; docs/boards.md has the steps");
    };
    let hardware = if options.at("dev/watchdog").exists() { ", hardware watchdog there" } else { "" };
    let installed = format!("{} installed{hardware}", unit.display());
    let keys = "--property=ActiveState,SubState,NRestarts,WatchdogUSec,StatusText";
    let ask = || output(&find(options, "systemctl")?, &["show", "vlunet", keys]);
    match options.is_live().then(ask).flatten() {
        Some(told) => judge(&told, hardware),
        None => Check::ok(NAME, installed),
    }
}

/// What `systemctl show` told of the unit.
fn judge(told: &str, hardware: &str) -> Check {
    let value = |key: &str| {
        told.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default()
    };
    let restarts: u64 = value("NRestarts").parse().unwrap_or(0);
    let mut found = format!("{} ({})", value("ActiveState"), value("SubState"));
    if !value("StatusText").is_empty() {
        found += &format!(": {}", value("StatusText"));
    }
    found += &format!("; watchdog {}{hardware}", value("WatchdogUSec"));
    if value("ActiveState") == "failed" {
        return Check::warn(
            NAME,
            found,
            "journalctl -u vlunet -e says why; then sudo systemctl restart vlunet",
        );
    }
    if restarts > 0 {
        let found = format!("{found}; started anew {restarts} times");
        return Check::warn(NAME, found, "journalctl -u vlunet says why");
    }
    if matches!(value("WatchdogUSec"), "" | "0") && value("ActiveState") == "active" {
        let advice = "install board/systemd/vlunet.service anew: it has WatchdogSec";
        return Check::warn(NAME, format!("{found}: a frozen loop isn't noticed"), advice);
    }
    Check::ok(NAME, found)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::machine;
    use super::*;

    #[test]
    fn the_unit_is_found_where_it_is_installed() {
        let (root, options) = machine(&[]);
        assert_eq!(check(&options).verdict, Verdict::Skip);
        crate::board::tests::lay_out(root.path(), &[("run/systemd/system/x", "")]);
        assert!(check(&options).found.contains("not installed"));
        let files = [("etc/systemd/system/vlunet.service", ""), ("dev/watchdog", "")];
        crate::board::tests::lay_out(root.path(), &files);
        let found = check(&options);
        assert_eq!(found.verdict, Verdict::Ok);
        assert!(found.found.ends_with("vlunet.service installed, hardware watchdog there"), "{found:?}");
    }

    #[test]
    fn its_state_is_told_with_what_to_do() {
        let told = |state: &str, restarts: u32, watchdog: &str| {
            let text = format!(
                "NRestarts={restarts}\nWatchdogUSec={watchdog}\nStatusText=restoring, 28 fps\nActiveState={state}\nSubState=running\n"
            );
            judge(&text, "")
        };
        let fine = told("active", 0, "10s");
        assert_eq!(fine, Check::ok(NAME, "active (running): restoring, 28 fps; watchdog 10s"));
        assert_eq!(told("inactive", 0, "0").verdict, Verdict::Ok);
        assert_eq!(told("failed", 0, "10s").verdict, Verdict::Warn);
        assert_eq!(told("active", 0, "0").verdict, Verdict::Warn);
        assert!(told("active", 3, "10s").found.contains("anew 3 times"));
    }
}
