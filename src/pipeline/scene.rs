//! Whether two frames show the same scene.

use crate::frame::Frame;
use std::time::{Duration, Instant};

/// A frame, as far as it takes to tell whether another shows the same scene.
#[derive(Default)]
pub(super) struct Scene {
    samples: Vec<u8>,
    captured: Option<Instant>,
}

impl Scene {
    /// A mean difference (of 255) that noise and motion don't make, but a cut does.
    const CUT: u64 = 24;
    /// After a pause of this length it may be another.
    const PAUSE: Duration = Duration::from_secs(1);

    fn samples(frame: &Frame) -> impl Iterator<Item = u8> {
        // An odd step, so that the samples wander over the channels.
        frame.rgb.iter().step_by((frame.rgb.len() / 4096).max(1) | 1).copied()
    }

    /// Remembers a frame.
    pub(super) fn keep(&mut self, frame: &Frame) {
        self.samples.clear();
        self.samples.extend(Self::samples(frame));
        self.captured = Some(frame.captured);
    }

    /// Whether another frame shows what the one that is remembered shows.
    pub(super) fn shows(&self, frame: &Frame) -> bool {
        let pause = self.captured.map(|captured| frame.captured.saturating_duration_since(captured));
        let difference = self.samples.iter().zip(Self::samples(frame));
        let difference: u64 = difference.map(|(a, b)| u64::from(a.abs_diff(b))).sum();
        pause.is_some_and(|pause| pause < Self::PAUSE) && difference < Self::CUT * self.samples.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correction_is_carried_to_the_same_scene_only() {
        let mut frame = Frame::black(64, 48);
        frame.rgb.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at % 192) as u8);
        let mut scene = Scene::default();
        assert!(!scene.shows(&frame));
        scene.keep(&frame);
        let mut next = frame.clone();
        next.captured += Duration::from_millis(66);
        // Noise of 10 and what moves.
        next.rgb
            .iter_mut()
            .enumerate()
            .for_each(|(at, byte)| *byte = byte.saturating_add((at * 7 % 20) as u8));
        assert!(scene.shows(&next));
        let mut later = next.clone();
        later.captured += Duration::from_secs(2);
        assert!(!scene.shows(&later));
        next.rgb.fill(250);
        assert!(!scene.shows(&next));
    }
}
