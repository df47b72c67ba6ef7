//! A new model proves itself in the live loop, or the last good one comes back.
#![cfg(unix)]

#[path = "support/bundle.rs"]
mod bundle;
#[path = "support/update.rs"]
mod update;

use std::time::{Duration, Instant};
use update::{Device, options};
use vlunet::telemetry::{Fault, State, Status};
use vlunet::update::{MAX_STARTS, Options, STABLE, Slot, Watch, install};

/// What a loop tells, at a time of its own.
struct Loop {
    status: Status,
    now: Instant,
}

impl Loop {
    /// One that runs the current model of a slot.
    fn of(slot: &Slot) -> Self {
        let folder = slot.link().canonicalize().unwrap().display().to_string();
        Self {
            status: Status { state: State::Restoring, bundle: folder, ..Status::default() },
            now: Instant::now(),
        }
    }

    /// Runs for a while, with so many frames per half second.
    fn run(&mut self, watch: &mut Watch, time: Duration, frames: u64) {
        for _ in 0..time.as_millis() / 500 {
            self.now += Duration::from_millis(500);
            self.status.frames_out += frames;
            watch.observe(&self.status, self.now);
        }
    }
}

/// A device on which 1.0.0 is confirmed and 2.0.0 is on probation for 90 seconds.
fn device() -> Device {
    let device = Device::new();
    device.settle("1.0.0");
    device.install(&device.signed("2.0.0")).unwrap();
    device
}

fn probation(device: &Device) -> Option<(u32, u64)> {
    let current = device.slot().current()?;
    device.slot().state().probation.get(&current).map(|probation| (probation.starts, probation.healthy_s))
}

#[test]
fn a_loop_that_runs_well_for_long_enough_confirms_its_model() {
    let device = device();
    let mut watch = Watch::begin(device.slot()).unwrap();
    assert_eq!(probation(&device), Some((1, 0)));
    let mut running = Loop::of(&device.slot());
    running.run(&mut watch, Duration::from_secs(40), 15);
    assert_eq!(probation(&device), Some((1, 30)), "noted every half a minute");
    running.run(&mut watch, Duration::from_secs(45), 15);
    assert_eq!(probation(&device).map(|(starts, _)| starts), Some(0), "it has started well");
    let told = watch.observe(&running.status, running.now).unwrap();
    assert!(!told.confirmed && told.healthy_s >= 80 && told.needed_s == 90 && told.name == "tiny");
    running.run(&mut watch, Duration::from_secs(10), 15);
    assert_eq!(probation(&device), None);
    assert_eq!(device.slot().state().highest, Some("2.0.0".parse().unwrap()));
    assert!(watch.observe(&running.status, running.now).unwrap().confirmed);
    // The last good one stays; the bar is higher.
    assert!(device.slot().previous().unwrap().starts_with("1.0.0-"));
    device.refuse(&device.signed("1.5.0"), &["older than 2.0.0"]);
}

#[test]
fn only_time_in_which_the_new_model_worked_counts() {
    let device = device();
    let mut watch = Watch::begin(device.slot()).unwrap();
    let mut running = Loop::of(&device.slot());
    let minutes = Duration::from_secs(300);
    // No frames; a user who switched it off; trouble; another model.
    running.run(&mut watch, minutes, 0);
    for state in [State::Bypass, State::Starting, State::Fault] {
        running.status.state = state;
        running.run(&mut watch, minutes, 15);
    }
    running.status.state = State::Restoring;
    let own = std::mem::replace(&mut running.status.bundle, "/usr/share/vlunet/models/nano".into());
    running.run(&mut watch, minutes, 15);
    running.status.bundle = String::new();
    running.run(&mut watch, minutes, 15);
    assert_eq!(probation(&device), Some((1, 0)));
    // A sleep of hours is not healthy time either.
    running.status.bundle = own;
    running.run(&mut watch, Duration::from_secs(1), 15);
    running.now += Duration::from_secs(36_000);
    running.run(&mut watch, Duration::from_secs(1), 15);
    assert_eq!(probation(&device), Some((1, 0)));
    running.run(&mut watch, Duration::from_secs(100), 15);
    assert_eq!(probation(&device), None);
}

#[test]
fn the_time_of_a_loop_that_is_slower_than_the_looks_counts_in_full() {
    let device = device();
    let mut watch = Watch::begin(device.slot()).unwrap();
    let mut running = Loop::of(&device.slot());
    // A frame at every third look.
    for _ in 0..66 {
        running.run(&mut watch, Duration::from_secs(1), 0);
        running.run(&mut watch, Duration::from_millis(500), 1);
    }
    assert_eq!(probation(&device), None);
}

#[test]
fn healthy_time_adds_up_over_short_drives() {
    let device = device();
    for _ in 0..4 {
        let mut watch = Watch::begin(device.slot()).unwrap();
        // Long enough to count as a start that went well.
        Loop::of(&device.slot()).run(&mut watch, STABLE + Duration::from_secs(1), 15);
    }
    assert_eq!(probation(&device), None);
}

#[test]
fn a_loop_that_crashes_again_and_again_gets_the_last_good_model_back() {
    let device = device();
    for start in 1..=MAX_STARTS {
        let mut watch = Watch::begin(device.slot()).unwrap();
        Loop::of(&device.slot()).run(&mut watch, Duration::from_secs(5), 15);
        assert_eq!(probation(&device), Some((start, 0)));
        assert_eq!(device.version(), "2.0.0");
    }
    Watch::begin(device.slot()).unwrap();
    assert_eq!((device.version().as_str(), probation(&device)), ("1.0.0", None));
    // Not again by tomorrow's timer; a newer one is welcome.
    device.refuse(&device.path("2.0.0.vlu"), &["failed here before"]);
    device.install(&device.signed("2.0.1")).unwrap();
    assert_eq!(device.version(), "2.0.1");
    assert!(device.slot().previous().unwrap().starts_with("1.0.0-"));
}

#[test]
fn the_first_model_that_fails_leaves_the_programs_own() {
    let device = Device::new();
    device.install(&device.signed("1.0.0")).unwrap();
    for _ in 0..=MAX_STARTS {
        Watch::begin(device.slot()).unwrap();
    }
    assert_eq!((device.slot().current(), device.slot().runnable()), (None, None));
    device.install(&device.signed("1.0.1")).unwrap();
    assert_eq!(device.version(), "1.0.1");
}

#[test]
fn a_model_that_a_running_loop_refuses_is_left_at_once() {
    let device = Device::new();
    device.settle("1.0.0");
    let mut watch = Watch::begin(device.slot()).unwrap();
    let mut running = Loop::of(&device.slot());
    running.run(&mut watch, Duration::from_secs(2), 15);
    // Trouble with an older one is not this one's.
    let fault = Fault { count: 1, active: true, message: "no memory".into(), last_s: 1.0 };
    running.status.faults.insert("model".into(), fault);
    device.install(&device.signed("2.0.0")).unwrap();
    running.run(&mut watch, Duration::from_secs(5), 15);
    assert_eq!(device.version(), "2.0.0");
    running.status.faults.get_mut("model").unwrap().count = 2;
    running.run(&mut watch, Duration::from_secs(1), 15);
    assert_eq!(device.version(), "1.0.0");
    assert_eq!(device.slot().state().rejected.len(), 1);
}

#[test]
fn a_model_that_rots_on_the_disk_is_left_for_the_last_good_one() {
    for confirmed in [false, true] {
        let device = device();
        if confirmed {
            device.slot().confirm().unwrap();
        }
        let file = device.slot().link().join("restorer.f32.onnx");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[10] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        // Even where nothing can be noted, what runs is whole.
        assert_eq!(device.version(), "1.0.0");
        Watch::begin(device.slot()).unwrap();
        assert_eq!(device.slot().runnable(), Some(device.slot().link()));
        assert_eq!(device.version(), "1.0.0");
    }
}

#[test]
fn a_damaged_model_does_not_take_the_place_of_the_last_good_one() {
    let device = device();
    device.slot().confirm().unwrap();
    std::fs::write(device.slot().link().join("restorer.f32.onnx"), "rot").unwrap();
    device.install(&device.signed("3.0.0")).unwrap();
    assert!(device.slot().previous().unwrap().starts_with("1.0.0-"));
    device.slot().roll_back().unwrap();
    assert_eq!(device.version(), "1.0.0");
}

#[test]
fn a_rollback_that_was_cut_is_ended_by_the_next_start() {
    let device = device();
    let mut state = device.slot().state();
    state.reject(&device.slot().current().unwrap());
    // The notes are written, the link is not switched yet.
    std::fs::write(device.slot().folder().join("state.toml"), state.to_toml().unwrap()).unwrap();
    Watch::begin(device.slot()).unwrap();
    assert_eq!(device.version(), "1.0.0");
}

#[test]
fn one_on_probation_is_never_the_last_good_one() {
    let device = device();
    device.install(&device.signed("3.0.0")).unwrap();
    assert_eq!(device.version(), "3.0.0");
    assert!(device.slot().previous().unwrap().starts_with("1.0.0-"));
    device.slot().roll_back().unwrap();
    assert_eq!(device.version(), "1.0.0");
}

#[test]
fn no_probation_confirms_at_once_and_the_same_bundle_again_changes_nothing() {
    let device = Device::new();
    let path = device.signed("1.0.0");
    let at_once = Options { probation: Duration::ZERO, ..options() };
    let run = || install(&path, &device.store(), &device.keys(), &at_once, &mut |_| {}).unwrap();
    assert!(!run().already);
    assert_eq!(probation(&device), None);
    assert_eq!(device.slot().state().highest, Some("1.0.0".parse().unwrap()));
    let before = device.listing();
    assert!(run().already);
    assert_eq!(device.listing(), before);
    // One that is damaged is repaired by it.
    std::fs::write(device.slot().link().join("golden.safetensors"), "").unwrap();
    assert_eq!(device.slot().runnable(), None);
    assert!(!run().already);
    assert_eq!(device.version(), "1.0.0");
}
