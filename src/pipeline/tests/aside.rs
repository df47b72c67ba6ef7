//! Restorers that work on a thread of their own, as those on a GPU do.

use super::*;
use crate::bundle::{Bundle, Task};
use crate::frame::{Planes, fill_frame, to_planes};
use crate::pipeline::aside::{Aside, Work};
use crate::pipeline::shared::Guided;
use crate::restore::Restorer;
use crate::telemetry::State;
use crate::vlm::{Degradation, Guidance};
use std::collections::BTreeMap;
use std::sync::mpsc::channel;

fn aside(sinks: &[&str]) -> Settings {
    // At one level, so that pictures can be compared.
    Settings { overlap: Some(true), scales: 1.0..=1.0, ..settings(sinks) }
}

/// What became of each frame, by its number.
fn restored(kept: &Kept) -> BTreeMap<u64, Vec<u8>> {
    let kept = kept.lock().unwrap();
    kept.iter()
        .filter(|(input, restored)| !Arc::ptr_eq(input, restored))
        .map(|(input, restored)| (input.sequence, restored.rgb.clone()))
        .collect()
}

#[test]
fn two_frames_may_be_given_and_come_back_in_order_each_with_a_ring() {
    let bundle = Bundle::find("nano").unwrap();
    let options = settings(&[]).restore;
    let (bell, rung) = channel();
    let degradation = Degradation::for_task(&bundle, "derain").unwrap();
    let mut alone = Restorer::open(&bundle, &options).unwrap();
    let aside = Aside::start(Restorer::open(&bundle, &options).unwrap(), move || {
        // The test may have ended.
        let _ = bell.send(());
    })
    .unwrap();
    let guidance = Guidance {
        task: Task::Derain,
        degradation: degradation.clone(),
        label: String::new(),
        confidence: 1.0,
        tasks: Vec::new(),
    };
    let guided = Arc::new(Guided { model: 0, guidance });
    let picture =
        |level: f32| Planes::from_shape_fn((3, 64, 96), |(c, y, x)| level * ((c + y * x) % 7) as f32 / 7.0);
    for level in [0.4, 0.9] {
        aside.begin(Work { input: picture(level), guided: Arc::clone(&guided) }).unwrap();
    }
    for level in [0.4, 0.9] {
        rung.recv_timeout(Duration::from_secs(30)).unwrap();
        let done = aside.wait().unwrap();
        assert_eq!(done.input, picture(level));
        assert_eq!(done.restored.unwrap(), alone.restore(picture(level).view(), &degradation).unwrap());
        assert!(done.engine.starts_with("CPU") && done.lost_gpu.is_none());
    }
    assert!(aside.finished().unwrap().is_none());
}

#[test]
fn frames_are_restored_aside_as_here_and_handed_out_in_order() {
    let running = Running::start(aside(&["keep:"]), camera(|_, _| Act::Deliver));
    running.until("restoring", 30, |status| status.state == State::Restoring);
    running.frames(12, 60);
    let kept = Arc::clone(&running.kept);
    let (_, summary) = running.stop();
    assert!(summary.faults.is_empty(), "{summary:?}");
    let bundle = Bundle::find("nano").unwrap();
    let mut here = Restorer::open(&bundle, &settings(&[]).restore).unwrap();
    let degradation = Degradation::for_task(&bundle, "derain").unwrap();
    let kept = kept.lock().unwrap();
    let numbers: Vec<u64> = kept.iter().map(|(input, _)| input.sequence).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    let restored: Vec<_> = kept.iter().filter(|(input, restored)| !Arc::ptr_eq(input, restored)).collect();
    assert!(restored.len() >= 10, "{} of {}", restored.len(), kept.len());
    for (input, restored) in restored {
        let mut planes = Planes::default((3, 0, 0));
        to_planes(input, &mut planes);
        let mut expected = Frame::black(input.width, input.height);
        fill_frame(&mut expected, here.restore(planes.view(), &degradation).unwrap().view()).unwrap();
        assert_eq!(restored.sequence, input.sequence);
        assert!(restored.rgb == expected.rgb, "frame {} differs", input.sequence);
    }
}

#[test]
fn what_passes_untouched_comes_after_what_was_begun_before_and_the_limit_is_kept() {
    let settings = Settings { frames: Some(60), ..aside(&["keep:"]) };
    let running = Running::start(settings, camera(|_, _| Act::Deliver));
    running.until("restoring", 30, |status| status.state == State::Restoring);
    for _ in 0..4 {
        running.frames(2, 20);
        running.controls().toggle_bypass();
    }
    let kept = Arc::clone(&running.kept);
    let summary = running.thread.join().unwrap().unwrap();
    assert_eq!(summary.frames_out, 60);
    let numbers: Vec<u64> = kept.lock().unwrap().iter().map(|(input, _)| input.sequence).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    let untouched = numbers.len() - restored(&kept).len();
    assert!(untouched > 0 && untouched < numbers.len());
}

#[test]
fn a_file_loses_nothing_by_it() {
    let running = Running::start(aside(&["keep:"]), super::flow::clip(12));
    let kept = Arc::clone(&running.kept);
    let summary = running.thread.join().unwrap().unwrap();
    assert_eq!((summary.frames_in, summary.frames_out, summary.bypassed), (12, 12, 0));
    assert_eq!(restored(&kept).into_keys().collect::<Vec<_>>(), (0..12).collect::<Vec<_>>());
}
