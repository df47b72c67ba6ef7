//! Any GStreamer pipeline: CSI cameras, RTSP, whatever has an element.

use super::{Event, Source};
use crate::Result;
use crate::error::one_line;
use crate::frame::FramePool;
use crate::uri::Uri;
use gstreamer::prelude::*;
use gstreamer::{Bus, Caps, ClockTime, Element, MessageType, MessageView, Sample, State, StateChangeSuccess};
use gstreamer_app::AppSink;
use gstreamer_video::{VideoCapsBuilder, VideoFormat, VideoFrameExt, VideoFrameRef, VideoInfo};
use std::time::{Duration, Instant};

/// For a pipeline to say why it doesn't start.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A running pipeline that ends in an appsink; its newest frame is kept.
pub(super) struct Pipeline {
    uri: Uri,
    pipeline: gstreamer::Pipeline,
    sink: AppSink,
    bus: Bus,
    /// Of the last frame.
    info: Option<VideoInfo>,
    sequence: Option<u64>,
}

impl Pipeline {
    pub(super) fn open(uri: Uri) -> Result<Box<dyn Source>> {
        let fail = |reason: &dyn std::fmt::Display| uri.fault(one_line(&reason.to_string()));
        if uri.rest().trim().is_empty() {
            return Err(fail(&"it holds no pipeline, as gst:videotestsrc does"));
        }
        gstreamer::init().map_err(|e| fail(&e))?;
        let ours = !ends_in_appsink(uri.rest());
        let converted = format!("{} ! videoconvert ! appsink", uri.rest());
        let text = if ours { &converted } else { uri.rest() };
        let element = gstreamer::parse::launch(text).map_err(|e| fail(&e))?;
        let pipeline = element.downcast::<gstreamer::Pipeline>();
        let pipeline = pipeline.map_err(|_| fail(&"this is a single element; a pipeline has a source"))?;
        let sink = pipeline
            .iterate_recurse()
            .into_iter()
            .flatten()
            .find_map(|it: Element| it.downcast::<AppSink>().ok());
        let sink = sink.ok_or_else(|| fail(&"its last element is no appsink"))?;
        sink.set_caps(Some(&rgb()));
        sink.set_max_buffers(1);
        sink.set_drop(true);
        let bus = pipeline.bus().ok_or_else(|| fail(&"it has no bus"))?;
        let opened = Self { uri, pipeline, sink, bus, info: None, sequence: None };
        // A live source does not preroll. Its frames are wanted as they come, not when a
        // screen would show them; a file's keep their time.
        let paused = opened.pipeline.set_state(State::Paused);
        if ours && paused == Ok(StateChangeSuccess::NoPreroll) {
            opened.sink.set_property("sync", false);
        }
        if paused.and_then(|_| opened.pipeline.set_state(State::Playing)).is_err() {
            return Err(opened.trouble(LAST_WORDS).unwrap_or_else(|| opened.uri.fault("it does not start")));
        }
        Ok(Box::new(opened))
    }

    /// The error that the pipeline reports, if any does within that time.
    fn trouble(&self, patience: Duration) -> Option<crate::Error> {
        let message = self.bus.timed_pop_filtered(clock_time(patience), &[MessageType::Error])?;
        let MessageView::Error(error) = message.view() else { return None };
        let place = error.src().map(|source| format!("{}: ", source.name())).unwrap_or_default();
        Some(self.uri.fault(one_line(&format!("{place}{}", error.error()))))
    }

    fn frame(&mut self, sample: &Sample, pool: &FramePool) -> Result<Event> {
        let (Some(buffer), Some(caps)) = (sample.buffer(), sample.caps()) else { return Ok(Event::Nothing) };
        let fail = |e: &dyn std::fmt::Display| self.uri.fault(one_line(&e.to_string()));
        let info = VideoInfo::from_caps(caps).map_err(|e| fail(&e))?;
        let mapped = VideoFrameRef::from_buffer_ref_readable(buffer, &info).map_err(|e| fail(&e))?;
        let bytes = mapped.plane_data(0).map_err(|e| fail(&e))?;
        let (row, stride) = (3 * info.width() as usize, mapped.plane_stride()[0].unsigned_abs() as usize);
        if info.format() != VideoFormat::Rgb || stride < row || bytes.len() < row {
            return Err(fail(&"its frames are no RGB"));
        }
        // Sources that count their frames show those that were lost.
        let count = self.sequence.map_or(0, |last| last + 1);
        // u64::MAX is none.
        let sequence =
            Some(buffer.offset()).filter(|offset| (count..u64::MAX).contains(offset)).unwrap_or(count);
        let frame = pool.make(info.width(), info.height(), |frame| {
            for (from, to) in bytes.chunks(stride).zip(frame.rgb.chunks_exact_mut(row)) {
                to.copy_from_slice(&from[..row]);
            }
            frame.sequence = sequence;
            frame.captured = Instant::now();
            Ok(())
        })?;
        drop(mapped);
        self.sequence = Some(sequence);
        self.info = Some(info);
        Ok(Event::Frame(frame))
    }
}

impl Source for Pipeline {
    fn next(&mut self, pool: &FramePool, patience: Duration) -> Result<Event> {
        if let Some(sample) = self.sink.try_pull_sample(clock_time(patience)) {
            return self.frame(&sample, pool);
        }
        match self.trouble(Duration::ZERO) {
            Some(error) => Err(error),
            None if self.sink.is_eos() => Ok(Event::End),
            None => Ok(Event::Nothing),
        }
    }

    fn is_live(&self) -> bool {
        true
    }

    fn fps(&self) -> Option<f64> {
        let rate = self.info.as_ref()?.fps();
        let fps = f64::from(rate.numer()) / f64::from(rate.denom());
        (0.01..=1000.0).contains(&fps).then_some(fps)
    }

    fn describe(&self) -> String {
        let rate = self.fps().map(|fps| format!(" at {fps:.2}/s")).unwrap_or_default();
        let size = self.info.as_ref().map(|info| format!(", {}x{}{rate}", info.width(), info.height()));
        format!("GStreamer: {}{}", self.uri.rest(), size.unwrap_or_default())
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(State::Null);
    }
}

fn rgb() -> Caps {
    VideoCapsBuilder::new().format(VideoFormat::Rgb).build()
}

fn clock_time(duration: Duration) -> ClockTime {
    ClockTime::try_from(duration).unwrap_or(ClockTime::MAX)
}

/// Whether the user has put one there, with properties of their own.
fn ends_in_appsink(pipeline: &str) -> bool {
    pipeline.rsplit('!').next().is_some_and(|last| last.split_whitespace().next() == Some("appsink"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use std::sync::Arc;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn open(pipeline: &str) -> Result<Box<dyn Source>> {
        Pipeline::open(Uri::parse(&format!("gst:{pipeline}"))?)
    }

    /// The next frame; none at the end.
    fn next(source: &mut dyn Source, pool: &FramePool) -> Result<Option<Arc<Frame>>> {
        loop {
            match source.next(pool, PATIENCE)? {
                Event::Frame(frame) => return Ok(Some(frame)),
                Event::End => return Ok(None),
                Event::Nothing => {}
            }
        }
    }

    #[test]
    fn frames_come_as_rgb_whatever_the_pipeline_makes() {
        let pool = FramePool::default();
        for (format, size) in [("I420", (66, 50)), ("RGB", (33, 21)), ("NV12", (64, 48))] {
            let mut source = open(&format!(
                "videotestsrc pattern=red num-buffers=3 ! video/x-raw,format={format},width={},height={},framerate=50/1",
                size.0, size.1
            ))
            .unwrap();
            let frame = next(source.as_mut(), &pool).unwrap().unwrap();
            assert_eq!((frame.width, frame.height), size);
            assert!(frame.rgb.chunks_exact(3).all(|p| p[0] > 250 && p[1] < 5 && p[2] < 5), "{format}");
            assert_eq!((source.fps(), source.is_live()), (Some(50.0), true));
            // Three at the most, then the end.
            assert!((0..3).any(|_| next(source.as_mut(), &pool).unwrap().is_none()), "{format}");
        }
    }

    #[test]
    fn the_newest_frame_is_given_and_gaps_are_counted() {
        let pool = FramePool::default();
        let mut source =
            open("videotestsrc is-live=true ! video/x-raw,width=32,height=32,framerate=100/1").unwrap();
        let first = next(source.as_mut(), &pool).unwrap().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        next(source.as_mut(), &pool).unwrap();
        let later = next(source.as_mut(), &pool).unwrap().unwrap();
        assert!(later.sequence > first.sequence + 5, "{} after {}", later.sequence, first.sequence);
    }

    #[test]
    fn an_appsink_of_the_users_own_is_taken() {
        let pool = FramePool::default();
        let text = "videotestsrc num-buffers=2 ! videoconvert ! appsink name=mine sync=false";
        let mut source = open(text).unwrap();
        assert!(next(source.as_mut(), &pool).unwrap().is_some());
    }

    #[test]
    fn a_source_that_is_silent_gives_nothing_in_time() {
        let mut source =
            open("appsrc is-live=true caps=video/x-raw,format=RGB,width=8,height=8,framerate=1/1").unwrap();
        let begin = Instant::now();
        let event = source.next(&FramePool::default(), Duration::from_millis(50)).unwrap();
        assert!(matches!(event, Event::Nothing), "{event:?}");
        assert!(begin.elapsed() >= Duration::from_millis(50) && begin.elapsed() < PATIENCE);
    }

    #[test]
    fn trouble_is_one_line_that_says_where() {
        let start = |pipeline: &str| {
            let mut source = open(pipeline)?;
            next(source.as_mut(), &FramePool::default())
        };
        for (pipeline, said) in [
            ("", "no pipeline"),
            ("nosuchsrc", "nosuchsrc"),
            ("videotestsrc ! ! fakesink", "syntax"),
            ("appsink", "single element"),
            ("filesrc location=/no/such/file ! decodebin", "/no/such/file"),
            ("videotestsrc ! video/x-raw,format=NONSENSE", "gst:videotestsrc"),
        ] {
            let message = start(pipeline).expect_err(pipeline).to_string();
            assert!(message.contains(said) && message.lines().count() == 1, "{pipeline}: {message}");
        }
    }
}
