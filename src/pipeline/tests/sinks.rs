//! Sinks that fail.

use super::*;

/// Takes frames until `act` says otherwise.
struct Odd<F>(F);

impl<F: FnMut() -> Result<()> + Send> Sink for Odd<F> {
    fn put(&mut self, _: &Output) -> Result<()> {
        (self.0)()
    }
}

fn odd(uri: &str, act: impl FnMut() -> Result<()> + Send + 'static) -> Option<Result<Box<dyn Sink>>> {
    (uri == "odd:").then(|| Ok(Box::new(Odd(act)) as Box<dyn Sink>))
}

#[test]
fn a_slow_sink_loses_frames_and_slows_nobody() {
    let slow = |uri: &str| {
        odd(uri, || {
            std::thread::sleep(Duration::from_millis(400));
            Ok(())
        })
    };
    let source = camera(|_, _| Act::Deliver);
    let running = Running::with(settings(&["keep:", "odd:"]), source, Hooks::default(), slow);
    running.until("ready", 20, |status| status.frames_out > 5);
    running.frames(40, 10);
    running.until("counting", 2, |status| status.dropped.sinks.get("odd:").is_some_and(|&lost| lost > 20));
    let status = running.telemetry.status();
    assert_eq!(status.dropped.sinks["keep:"], 0, "{status:?}");
    running.stop();
}

#[test]
fn a_sink_that_stalls_for_ever_is_told_of_and_left_at_the_end() {
    let stuck = |uri: &str| {
        odd(uri, || {
            loop {
                std::thread::park();
            }
        })
    };
    let source = camera(|_, _| Act::Deliver);
    let running = Running::with(settings(&["keep:", "odd:"]), source, Hooks::default(), stuck);
    running
        .until("the fault", 20, |status| status.faults.get("odd: stalls").is_some_and(|fault| fault.active));
    running.frames(10, 5);
    let (took, _) = running.stop();
    assert!(took < Duration::from_millis(1300), "{took:?}");
}

#[test]
fn a_sink_that_fails_is_opened_anew_and_the_others_go_on() {
    let openings = Arc::new(Mutex::new(0));
    let opened = Arc::clone(&openings);
    let failing = move |uri: &str| {
        let mut openings = opened.lock().unwrap();
        *openings += u32::from(uri == "odd:");
        let full = *openings == 1;
        odd(uri, move || {
            if full { Err(crate::Error::Input("out/: no space left on the device".into())) } else { Ok(()) }
        })
    };
    let source = camera(|_, _| Act::Deliver);
    let running = Running::with(settings(&["keep:", "odd:"]), source, Hooks::default(), failing);
    running.until("the fault", 20, |status| {
        status.faults.get("odd:").is_some_and(|fault| fault.active && fault.message.contains("no space"))
    });
    running.frames(5, 5);
    running.until("its end", 6, |status| !status.faults["odd:"].active);
    running.stop();
    assert_eq!(*openings.lock().unwrap(), 2);
}

#[test]
fn a_sink_that_panics_costs_nobody_else_a_frame_and_is_opened_anew() {
    let openings = Arc::new(Mutex::new(0));
    let opened = Arc::clone(&openings);
    let panicking = move |uri: &str| {
        let mut openings = opened.lock().unwrap();
        *openings += u32::from(uri == "odd:");
        let first = *openings == 1;
        odd(uri, move || if first { panic!("a bug of the tests") } else { Ok(()) })
    };
    let source = camera(|_, _| Act::Deliver);
    let running = Running::with(settings(&["keep:", "odd:"]), source, Hooks::default(), panicking);
    running.until("the fault", 20, |status| {
        status.faults.get("odd:").is_some_and(|fault| fault.active && fault.message.contains("panicked"))
    });
    running.until("its end", 6, |status| !status.faults["odd:"].active);
    running.stop();
}

#[test]
fn the_end_of_a_file_waits_for_its_sinks_until_somebody_asks_for_the_end() {
    let slow = |uri: &str| {
        odd(uri, || {
            std::thread::sleep(Duration::from_millis(2500));
            Ok(())
        })
    };
    let folder = tempfile::tempdir().unwrap();
    for name in ["1.png", "2.png"] {
        image::RgbImage::new(64, 48).save(folder.path().join(name)).unwrap();
    }
    let uri = format!("dir:{}", folder.path().display());
    let source: OpenSource = Arc::new(move || crate::source::open(&uri));
    let running = Running::with(settings(&["odd:"]), source, Hooks::default(), slow);
    running.until("the last frame", 20, |status| status.frames_out == 2);
    let start = Instant::now();
    while !running.controls().stopped() {
        assert!(start.elapsed() < Duration::from_secs(20), "the end never came");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!running.thread.is_finished());
    let (took, _) = running.stop();
    assert!(took < Duration::from_millis(1300), "{took:?}");
}

#[test]
fn sinks_come_and_go_while_the_loop_runs() {
    let reload = || Some(Ok(settings(&["second:"])));
    let hooks = Hooks { reload: Box::new(reload), ..Hooks::default() };
    let running = Running::with(settings(&["first:"]), camera(|_, _| Act::Deliver), hooks, |_| None);
    running.until("frames", 20, |status| status.frames_out > 3);
    let before = running.telemetry.status();
    running.controls().request_reload();
    running.until("the other sink", 5, |status| status.sinks == ["second:"]);
    running.frames(5, 5);
    let after = running.telemetry.status();
    assert!(after.frames_in > before.frames_in && after.faults.is_empty(), "{after:?}");
    running.stop();
}

#[test]
fn a_configuration_that_is_wrong_changes_nothing() {
    let reload = || Some(Err(crate::Error::Input("vlunet.toml, line 3: unknown key".into())));
    let hooks = Hooks { reload: Box::new(reload), ..Hooks::default() };
    let running = Running::with(settings(&["first:"]), camera(|_, _| Act::Deliver), hooks, |_| None);
    running.until("frames", 20, |status| status.frames_out > 3);
    running.controls().request_reload();
    running.until("the fault", 5, |s| {
        s.faults.get("configuration").is_some_and(|f| f.message.contains("line 3"))
    });
    assert_eq!(running.telemetry.status().sinks, ["first:"]);
    running.frames(5, 5);
    running.stop();
}

#[test]
fn a_sink_that_cant_be_opened_at_the_start_is_an_error() {
    let refused =
        |uri: &str| (uri == "odd:").then(|| Err(crate::Error::Input("odd:: the port is taken".into())));
    let source = camera(|_, _| Act::Deliver);
    let running = Running::with(settings(&["odd:"]), source, Hooks::default(), refused);
    let error = running.thread.join().unwrap().expect_err("it was refused");
    assert!(error.to_string().contains("taken"));
}
