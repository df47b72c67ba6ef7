//! An installation that is cut, at every step and at every system call that changes the disk:
//! the next start runs the old model or the new one, whole, and the next installation succeeds.
//!
//! What is cut is a process. That the disk itself holds what it was told to hold when the power
//! goes is tested in an emulated machine (`cross/qemu/`).
#![cfg(unix)]

#[path = "support/bundle.rs"]
mod bundle;
#[path = "support/update.rs"]
mod update;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use update::{Device, options};
use vlunet::update::{Keys, Step, Store, Watch, install};

/// What the child is told, as one environment variable: folder, bundle, step to be cut after.
const TOLD: &str = "VLUNET_TEST_CUT";

/// Not a test of its own: what the tests below run in a process that is killed.
#[test]
fn child_that_installs() {
    let Ok(told) = std::env::var(TOLD) else { return };
    let [folder, bundle, cut] = told.split('|').collect::<Vec<_>>()[..] else { panic!("{told}") };
    let (folder, cut) = (Path::new(folder), cut.parse::<usize>().unwrap());
    let keys = Keys::load(&folder.join("keys")).unwrap();
    let mut steps = 0;
    let result =
        install(Path::new(bundle), &Store::new(folder.join("models")), &keys, &options(), &mut |step| {
            println!("step {step:?}");
            steps += 1;
            if steps == cut {
                // No destructor runs, no buffer is written.
                std::process::abort();
            }
        });
    result.unwrap();
}

/// Has the child install, by way of another program where one is given; its end, and its steps.
fn child(through: &[&str], folder: &Path, bundle: &Path, cut: usize) -> (ExitStatus, Vec<String>) {
    let own = std::env::current_exe().unwrap();
    let mut line: Vec<&std::ffi::OsStr> = through.iter().map(std::ffi::OsStr::new).collect();
    line.push(own.as_os_str());
    let mut command = Command::new(line[0]);
    command.args(&line[1..]).args(["--exact", "child_that_installs", "--nocapture"]);
    command.env(TOLD, format!("{}|{}|{cut}", folder.display(), bundle.display()));
    command.env("RAYON_NUM_THREADS", "1");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let steps = said.lines().filter_map(|line| line.split("step ").nth(1)).map(str::to_owned);
    (output.status, steps.collect())
}

/// A device on which 1.0.0 is confirmed and 2.0.0 is to be installed, with what an installation
/// before was cut in, and a version that nobody needs.
fn device() -> (Device, PathBuf) {
    let device = Device::new();
    device.settle("1.0.0");
    for left in [".aside", "0.5.0-0123456789ab"] {
        let folder = device.slot().path_of(left);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("manifest.toml"), "format = 1").unwrap();
    }
    let bundle = device.signed("2.0.0");
    (device, bundle)
}

/// What must hold after any cut; says which version runs.
fn assert_sound(device: &Device, bundle: &Path, cut: &str) -> String {
    let slot = device.slot();
    // What the next start does.
    Watch::begin(slot.clone()).unwrap_or_else(|e| panic!("{cut}: {e}"));
    assert_eq!(slot.runnable(), Some(slot.link()), "{cut}: the current model is damaged");
    let version = device.version();
    let current = slot.current().unwrap();
    let state = slot.state();
    match version.as_str() {
        "1.0.0" => assert!(!state.probation.contains_key(&current), "{cut}: the good one is on probation"),
        "2.0.0" => {
            assert_eq!(
                state.probation.get(&current).map(|p| p.starts),
                Some(1),
                "{cut}: it need not prove itself"
            );
            let previous = slot.previous().unwrap_or_else(|| panic!("{cut}: no last good one"));
            slot.open(&previous).and_then(|bundle| bundle.verify()).unwrap();
            assert!(previous.starts_with("1.0.0-"), "{cut}");
        }
        other => panic!("{cut}: {other}"),
    }
    // Again, without a cut.
    let report = device.install(bundle).unwrap_or_else(|e| panic!("{cut}: {e}"));
    assert_eq!(report.already, version == "2.0.0", "{cut}");
    assert_eq!(device.version(), "2.0.0", "{cut}");
    assert!(slot.previous().unwrap().starts_with("1.0.0-"), "{cut}");
    assert!(slot.state().probation.contains_key(&slot.current().unwrap()), "{cut}");
    // Nothing is left over: two versions, two links, the notes and a lock; a link's temporary name
    // only until the next switch.
    device.slot().confirm().unwrap();
    let mut left: Vec<_> =
        std::fs::read_dir(slot.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.retain(|name| {
        name != ".current" && name != ".previous" && !name.to_string_lossy().starts_with(".vlunet-")
    });
    assert_eq!(left.len(), 6, "{cut}: {left:?}");
    version
}

#[test]
fn a_cut_after_any_step_leaves_the_old_model_or_the_new_one() {
    let (device, bundle) = device();
    let (status, steps) = child(&["env"], device.folder.path(), &bundle, 0);
    assert!(status.success(), "{status}");
    // Every step that there is comes, each in its turn.
    let told: BTreeSet<&str> = steps.iter().map(String::as_str).collect();
    let all: BTreeSet<String> = Step::ALL.iter().map(|step| format!("{step:?}")).collect();
    assert_eq!(told, all.iter().map(String::as_str).collect());
    let mut order: Vec<&str> = steps.iter().map(String::as_str).collect();
    order.dedup();
    assert_eq!(order, Step::ALL.map(|step| format!("{step:?}")));
    for cut in 1..=steps.len() {
        let (device, bundle) = self::device();
        let (status, done) = child(&["env"], device.folder.path(), &bundle, cut);
        assert!(!status.success());
        assert_eq!(done, steps[..cut], "cut {cut}");
        let switched = done.iter().any(|step| step == "Switched");
        let version = assert_sound(&device, &bundle, &format!("cut after {cut} steps, {}", steps[cut - 1]));
        assert_eq!(version, if switched { "2.0.0" } else { "1.0.0" }, "cut {cut}");
    }
}

/// The system calls by which an installation changes the disk.
const CALLS: [&str; 12] = [
    "mkdir",
    "rename",
    "renameat",
    "renameat2",
    "symlink",
    "symlinkat",
    "unlink",
    "unlinkat",
    "rmdir",
    "fsync",
    "fchmod",
    "linkat",
];

#[test]
fn a_kill_at_any_change_of_the_disk_leaves_the_old_model_or_the_new_one() {
    if !Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("skipped: there is no strace that can trace (apt-get install strace)");
        return;
    }
    let mut versions = BTreeSet::new();
    let mut cuts = 0;
    for call in CALLS {
        for count in 1.. {
            let (device, bundle) = device();
            // `?`: not every processor has every one of them.
            let inject = format!("inject=?{call}:signal=KILL:when={count}");
            let trace = format!("trace=?{call}");
            let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
            let (status, _) = child(&strace, device.folder.path(), &bundle, 0);
            if status.success() {
                break;
            }
            versions.insert(assert_sound(&device, &bundle, &format!("killed at {call} {count}")));
            cuts += 1;
        }
    }
    println!("{cuts} cuts");
    assert!(cuts > 15, "{cuts} cuts are too few: does strace see what is done?");
    assert_eq!(versions.len(), 2, "{versions:?}");
}
