//! Frames for a file that has one size and one rate from its first frame to its last.

use super::Output;
use crate::frame::Frame;
use crate::{Error, Result};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use std::sync::Arc;
use std::time::Instant;

/// A pause in the stream is filled with at most this many seconds of its last frame.
const LONGEST_PAUSE: f64 = 10.0;

/// Brings frames to the size of the first one.
pub(super) struct OneSize {
    size: Option<(u32, u32)>,
    resizer: Resizer,
}

impl OneSize {
    pub(super) fn new() -> Self {
        Self { size: None, resizer: Resizer::new() }
    }

    /// The frame itself where its size is the first one's, else a stretched copy.
    pub(super) fn fit(&mut self, frame: &Arc<Frame>) -> Result<Arc<Frame>> {
        let (width, height) = *self.size.get_or_insert((frame.width, frame.height));
        if (frame.width, frame.height) == (width, height) {
            return Ok(Arc::clone(frame));
        }
        let fail = |e: &dyn std::fmt::Display| {
            Error::Input(format!("{}x{} to {width}x{height}: {e}", frame.width, frame.height))
        };
        // A type of pixel that is known here leaves the code for the others out of the program:
        // some three megabytes.
        let source = TypedImageRef::<U8x3>::from_buffer(frame.width, frame.height, &frame.rgb);
        let source = source.map_err(|e| fail(&e))?;
        let mut image = TypedImage::<U8x3>::new(width, height);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        self.resizer.resize_typed(&source, &mut image, Some(&options)).map_err(|e| fail(&e))?;
        let rgb = image.pixels().iter().flat_map(|pixel| pixel.0).collect();
        let (sequence, captured) = (frame.sequence, frame.captured);
        Ok(Arc::new(Frame { width, height, rgb, sequence, captured }))
    }
}

/// How often each frame is written so that a file of constant rate keeps the time at which
/// frames were taken.
pub(super) struct Clock {
    fps: f64,
    start: Option<Instant>,
    written: u64,
}

impl Clock {
    pub(super) fn new(fps: f64) -> Self {
        Self { fps, start: None, written: 0 }
    }

    /// 1 for a frame in time, 0 where it comes too early, more behind a pause.
    pub(super) fn times(&mut self, output: &Output) -> u64 {
        let captured = output.restored.captured;
        let start = *self.start.get_or_insert(captured);
        let place = (captured.saturating_duration_since(start).as_secs_f64() * self.fps).round() as u64;
        let wanted = (place + 1).saturating_sub(self.written);
        let times = wanted.min((LONGEST_PAUSE * self.fps) as u64 + 1);
        // What a longer pause leaves out is left out of the clock, too.
        self.written += wanted;
        times
    }
}

/// A frame rate as the fraction that video files state: 29.97 is 30000/1001.
pub(super) fn fraction(fps: f64) -> (usize, usize) {
    let fps = if fps.is_finite() { fps.clamp(0.1, 1000.0) } else { 30.0 };
    let (whole, ntsc) = (fps.round(), (fps * 1.001).round());
    if (fps - whole).abs() < 1e-3 {
        (whole as usize, 1)
    } else if (fps * 1.001 - ntsc).abs() < 2e-3 {
        (1000 * ntsc as usize, 1001)
    } else {
        ((fps * 1000.0).round() as usize, 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_frame_of_another_size_is_stretched_to_the_first() {
        let mut one_size = OneSize::new();
        let first = Arc::new(Frame::black(8, 4));
        assert!(Arc::ptr_eq(&one_size.fit(&first).unwrap(), &first));
        let mut other = Frame::black(20, 30);
        other.rgb.fill(77);
        let fitted = one_size.fit(&Arc::new(other)).unwrap();
        assert_eq!((fitted.width, fitted.height), (8, 4));
        assert!(fitted.rgb.iter().all(|&value| value == 77));
    }

    #[test]
    fn the_clock_of_a_file_follows_the_camera() {
        let mut clock = Clock::new(10.0);
        let begin = Instant::now();
        let mut times = |milliseconds| {
            let mut frame = Frame::black(1, 1);
            frame.captured = begin + Duration::from_millis(milliseconds);
            let frame = Arc::new(frame);
            clock.times(&Output { input: Arc::clone(&frame), restored: frame })
        };
        assert_eq!([0, 100, 120, 210, 500, 600].map(&mut times), [1, 1, 0, 1, 3, 1]);
        assert_eq!([3_600_000, 3_600_100].map(times), [101, 1]);
    }

    #[test]
    fn rates_become_the_fractions_that_players_know() {
        for (fps, expected) in [
            (30.0, (30, 1)),
            (29.97, (30_000, 1001)),
            (30_000.0 / 1001.0, (30_000, 1001)),
            (23.976, (24_000, 1001)),
            (12.5, (12_500, 1000)),
            (f64::NAN, (30, 1)),
            (0.0, (100, 1000)),
        ] {
            assert_eq!(fraction(fps), expected, "{fps}");
        }
    }
}
