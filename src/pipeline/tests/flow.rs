//! Frames on their ordinary way.

use super::*;
use crate::telemetry::State;

/// Frames that wait to be read, as a file's.
struct Clip {
    next: u64,
    length: u64,
}

impl Source for Clip {
    fn next(&mut self, pool: &FramePool, _: Duration) -> Result<Event> {
        if self.next == self.length {
            return Ok(Event::End);
        }
        let frame = pool.make(64, 48, |frame| {
            stripes(frame, self.next);
            frame.captured = Instant::now();
            Ok(())
        })?;
        self.next += 1;
        Ok(Event::Frame(frame))
    }

    fn is_live(&self) -> bool {
        false
    }

    fn fps(&self) -> Option<f64> {
        Some(25.0)
    }

    fn describe(&self) -> String {
        "a clip of the tests".into()
    }
}

pub(super) fn clip(length: u64) -> OpenSource {
    Arc::new(move || Ok(Box::new(Clip { next: 0, length })))
}

#[test]
fn every_frame_of_a_file_is_restored_in_order_and_the_same_each_time() {
    let play = || {
        let running = Running::start(settings(&["keep:"]), clip(30));
        let (kept, thread) = (running.kept, running.thread);
        let summary = thread.join().unwrap().unwrap();
        assert_eq!((summary.frames_in, summary.frames_out, summary.dropped), (30, 30, 0));
        assert_eq!((summary.bypassed, summary.faults.len()), (0, 0), "{summary:?}");
        std::mem::take(&mut *kept.lock().unwrap())
    };
    let frames = play();
    assert_eq!(
        frames.iter().map(|(input, _)| input.sequence).collect::<Vec<_>>(),
        (0..30).collect::<Vec<_>>()
    );
    for (input, restored) in &frames {
        assert_eq!((restored.width, restored.height, restored.sequence), (64, 48, input.sequence));
        assert_ne!(input.rgb, restored.rgb);
    }
    let pixels = |frames: &[(Arc<Frame>, Arc<Frame>)]| {
        frames.iter().map(|(_, restored)| restored.rgb.clone()).collect::<Vec<_>>()
    };
    assert_eq!(pixels(&frames), pixels(&play()));
}

#[test]
fn a_frame_limit_is_kept_to_the_frame() {
    let running = Running::start(Settings { frames: Some(7), ..settings(&["keep:"]) }, clip(30));
    let kept = running.kept;
    assert_eq!(running.thread.join().unwrap().unwrap().frames_out, 7);
    assert_eq!(kept.lock().unwrap().len(), 7);
}

#[test]
fn a_live_picture_is_restored_and_the_user_may_pass_it_or_name_another_task() {
    let running = Running::start(settings(&["keep:"]), camera(|_, _| Act::Deliver));
    running.until("restoring", 20, |status| status.state == State::Restoring);
    running.frames(3, 10);
    let status = running.telemetry.status();
    assert_eq!((status.detected.task.as_str(), status.detected.forced), ("derain", true));
    assert!(status.governor.scale > 0.0 && status.governor.scale <= WHOLE);
    assert!(running.kept.lock().unwrap().iter().any(|(input, restored)| input.rgb != restored.rgb));

    running.controls().toggle_bypass();
    running.until("bypass", 5, |status| status.state == State::Bypass);
    running.frames(2, 5);
    let (input, restored) = running.kept.lock().unwrap().last().cloned().unwrap();
    assert!(Arc::ptr_eq(&input, &restored), "an untouched frame is not even copied");

    running.controls().toggle_bypass();
    running.controls().set_task(Some("dehaze")).unwrap();
    running.until("the other task", 5, |s| s.state == State::Restoring && s.detected.task == "dehaze");
    running.controls().set_task(Some("unfog the moon")).unwrap();
    running.until("a fault that names the words", 5, |status| {
        status.faults.get("detection").is_some_and(|fault| fault.active && fault.message.contains("moon"))
    });
    running.frames(3, 5);
    running.controls().set_task(None).unwrap();
    running
        .until("looking again", 10, |status| !status.detected.forced && !status.faults["detection"].active);
    let (took, summary) = running.stop();
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(summary.bypassed > 0 && summary.frames_out > summary.bypassed);
}

#[test]
fn what_others_are_told_comes_in_time() {
    let (turns, looks) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (alive, observe) = (Arc::clone(&turns), Arc::clone(&looks));
    let hooks = Hooks {
        alive: Box::new(move |_| *alive.lock().unwrap() += 1),
        observe: Box::new(move |status| observe.lock().unwrap().push(status.frames_out)),
        ..Hooks::default()
    };
    // The watchdog is fed while there is no frame, too: the loop lives.
    let silent = camera(|_, _| Act::GiveNothing);
    let running = Running::with(settings(&["keep:"]), silent, hooks, |_| None);
    std::thread::sleep(Duration::from_secs(2));
    running.stop();
    assert!(*turns.lock().unwrap() >= 10, "{turns:?} turns");
    assert!(looks.lock().unwrap().len() >= 2, "{looks:?}");
}
