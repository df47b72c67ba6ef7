//! Cameras that fail.

use super::*;

fn active(status: &Status, kind: &str) -> bool {
    status.faults.get(kind).is_some_and(|fault| fault.active)
}

#[test]
fn an_unplugged_camera_is_told_of_and_frames_come_again_when_it_is_back() {
    let gone_until: Arc<Mutex<Option<Instant>>> = Arc::default();
    let until = Arc::clone(&gone_until);
    let plugged = camera(|opening, frame| match (opening, frame) {
        (0, 20) => Act::Fail("/dev/video0: the device is gone"),
        _ => Act::Deliver,
    });
    let open: OpenSource = Arc::new(move || {
        let mut until = until.lock().unwrap();
        match *until {
            // The first opening works, then there is no node for a second and a half.
            None => *until = Some(Instant::now() + Duration::from_millis(400 + 1500)),
            Some(back) if Instant::now() < back => {
                return Err(crate::Error::Input("/dev/video0: no such file".into()));
            }
            Some(_) => {}
        }
        plugged()
    });
    let running = Running::start(settings(&["keep:"]), open);
    running.until("the loss", 10, |status| active(status, "source"));
    running
        .until("the node's return", 5, |_| gone_until.lock().unwrap().is_some_and(|b| Instant::now() >= b));
    let took = running.frames(3, 5);
    assert!(took < Duration::from_secs(3), "{took:?}");
    running.until("the fault's end", 2, |status| !active(status, "source"));
    let (_, summary) = running.stop();
    assert!(summary.faults["source"] >= 2, "{summary:?}");
}

#[test]
fn a_camera_that_gives_nothing_is_opened_anew() {
    let source = camera(|opening, frame| match (opening, frame) {
        (0, 10..) => Act::GiveNothing,
        _ => Act::Deliver,
    });
    let running = Running::start(settings(&["keep:"]), source);
    running.until("the fault", 10, |status| active(status, "source"));
    running.frames(5, 3);
    assert!(running.telemetry.status().faults["source"].message.contains("no frame"));
    running.stop();
}

#[test]
fn a_picture_that_stands_still_is_found_within_two_seconds() {
    let source = camera(|_, frame| if frame < 10 { Act::Deliver } else { Act::Repeat });
    let running = Running::start(settings(&["keep:"]), source);
    running.until("ten frames", 20, |status| status.frames_in >= 10);
    let took = running.until("the fault", 10, |status| active(status, "frozen picture"));
    assert!(took < Duration::from_millis(2500), "{took:?}");
    running.frames(5, 5);
    running.stop();
}

#[test]
fn a_capture_thread_that_no_signal_ends_is_left_and_replaced() {
    let source = camera(|opening, frame| match (opening, frame) {
        (0, 10..) => Act::Hang,
        _ => Act::Deliver,
    });
    let running = Running::start(settings(&["keep:"]), source);
    running.until("the fault", 15, |status| active(status, "capture thread"));
    running.frames(5, 5);
    running.until("the fault's end", 5, |status| !active(status, "capture thread"));
    let (took, _) = running.stop();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn when_it_hangs_again_and_again_the_watchdog_is_left_to_bite() {
    let turns = Arc::new(Mutex::new(0));
    let alive = Arc::clone(&turns);
    let hooks = Hooks { alive: Box::new(move |_| *alive.lock().unwrap() += 1), ..Hooks::default() };
    let hangs = camera(|_, frame| if frame < 2 { Act::Deliver } else { Act::Hang });
    let running = Running::with(settings(&["keep:"]), hangs, hooks, |_| None);
    running.until("giving up", 40, |status| {
        status.faults.get("capture thread").is_some_and(|fault| fault.message.contains("watchdog"))
    });
    std::thread::sleep(Duration::from_millis(300));
    let before = *turns.lock().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(*turns.lock().unwrap(), before);
    running.stop();
}

#[test]
fn another_size_in_the_midst_of_the_stream_is_taken() {
    let source = camera(|_, frame| match frame {
        30 => Act::Resize(96, 64),
        _ => Act::Deliver,
    });
    let running = Running::start(settings(&["keep:"]), source);
    running.until("the other size, restored", 20, |_| {
        let kept = running.kept.lock().unwrap();
        kept.last().is_some_and(|(input, restored)| input.width == 96 && input.rgb != restored.rgb)
    });
    let kept = running.kept.lock().unwrap().clone();
    assert!(kept.iter().all(|(a, b)| (a.width, a.height, a.rgb.len()) == (b.width, b.height, b.rgb.len())));
    assert!(kept.iter().any(|(input, _)| input.width == 64));
    assert!(running.stop().1.faults.is_empty());
}

#[test]
fn damaged_frames_are_counted_once_and_not_as_lost() {
    let running = Running::start(
        settings(&["keep:"]),
        camera(|_, frame| if frame % 4 == 1 { Act::Damage } else { Act::Deliver }),
    );
    running.until("frames", 20, |status| status.frames_in > 60);
    let (_, summary) = running.stop();
    // One of four.
    assert!((summary.frames_in / 3).abs_diff(summary.damaged) <= 1, "{summary:?}");
    let lost_at_the_source = summary.dropped.saturating_sub(summary.frames_in - summary.frames_out);
    assert_eq!(lost_at_the_source, 0, "{summary:?}");
}

#[test]
fn black_frames_are_restored_as_any() {
    let source = camera(|_, frame| if frame % 3 == 0 { Act::Deliver } else { Act::Repeat });
    let running = Running::start(Settings { task: None, ..settings(&["keep:"]) }, source);
    running.until("a look", 20, |status| !status.detected.label.is_empty());
    running.frames(20, 10);
    assert!(running.stop().1.faults.is_empty());
}

#[test]
fn a_live_stream_that_ends_ends_the_loop() {
    let source = camera(|_, frame| if frame < 10 { Act::Deliver } else { Act::End });
    let running = Running::start(settings(&["keep:"]), source);
    let summary = running.thread.join().unwrap().unwrap();
    assert_eq!(summary.frames_in, 10);
    assert!(summary.frames_out >= 1);
}
