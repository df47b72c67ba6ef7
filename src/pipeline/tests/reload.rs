//! A configuration that changes while the loop runs.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Hooks that give these settings, one after the other, at each reload; the last ones for ever.
fn reloads(each: Vec<Settings>) -> Hooks {
    let mut next = 0;
    let reload = move || {
        let settings = each[next.min(each.len() - 1)].clone();
        next += 1;
        Some(Ok(settings))
    };
    Hooks { reload: Box::new(reload), ..Hooks::default() }
}

fn with_source(source: &str) -> Settings {
    Settings { source: source.into(), ..settings(&["keep:"]) }
}

fn configuration_fault(status: &Status) -> &str {
    status.faults.get("configuration").filter(|fault| fault.active).map_or("", |fault| &fault.message)
}

#[test]
fn a_source_that_cant_be_opened_leaves_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    image::RgbImage::new(64, 48).save(folder.path().join("1.png")).unwrap();
    let pictures = format!("dir:{}", folder.path().display());
    let good = "synthetic:road?size=64x48&fps=40";
    let hooks = reloads(["synthetic:road?weather=frogs", &pictures, good].map(with_source).to_vec());
    let running = Running::with(settings(&["keep:"]), camera(|_, _| Act::Deliver), hooks, |_| None);
    running.until("frames", 20, |status| status.frames_out > 3);

    running.controls().request_reload();
    running.until("the first fault", 5, |status| configuration_fault(status).contains("frogs"));
    running.frames(10, 5);
    running.controls().request_reload();
    running.until("the second", 5, |status| configuration_fault(status).contains("from a camera to a file"));
    running.frames(10, 5);
    assert_eq!(running.telemetry.status().source, "a camera of the tests");

    running.controls().request_reload();
    running.until("the road", 5, |status| status.source.contains("road") && status.fps_target == 40.0);
    running.frames(10, 5);
    assert_eq!(configuration_fault(&running.telemetry.status()), "");
    running.stop();
}

#[test]
fn the_rate_and_the_scales_follow_the_configuration() {
    let quarter = Settings { fps: Some(12.0), scales: 0.25..=0.25, ..settings(&["keep:"]) };
    let hooks = reloads(vec![quarter, settings(&["keep:"])]);
    let source = camera(|_, frame| if frame == 0 { Act::Resize(320, 256) } else { Act::Deliver });
    let running = Running::with(settings(&["keep:"]), source, hooks, |_| None);
    running.until("a start", 20, |status| status.governor.scale > 0.0);
    assert_eq!(running.telemetry.status().fps_target, 50.0);
    running.controls().request_reload();
    running.until("less", 20, |status| status.governor.scale == 0.25 && status.fps_target == 12.0);
    running.frames(20, 10);
    assert_eq!(running.telemetry.status().governor.scale, 0.25);
    // What is no longer said is the source's to say.
    running.controls().request_reload();
    running.until("the camera's rate", 5, |status| status.fps_target == 50.0);
    running.stop();
}

#[test]
fn a_sink_that_is_new_and_not_ready_is_tried_until_it_is() {
    let openings = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&openings);
    let late = move |uri: &str| {
        let early = || counted.fetch_add(1, Ordering::Relaxed) == 0;
        (uri == "late:" && early()).then(|| Err(crate::Error::Input("late:: no such device".into())))
    };
    let hooks = reloads(vec![settings(&["keep:", "late:"])]);
    let running = Running::with(settings(&["keep:"]), camera(|_, _| Act::Deliver), hooks, late);
    running.until("frames", 20, |status| status.frames_out > 3);
    running.controls().request_reload();
    running.until("the fault", 5, |status| status.faults.get("late:").is_some_and(|fault| fault.active));
    running.frames(5, 5);
    running.until("its end", 6, |status| !status.faults["late:"].active);
    assert_eq!(openings.load(Ordering::Relaxed), 2);
    running.stop();
}
