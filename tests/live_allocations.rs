//! After warm-up the loop's own threads allocate nothing per frame.

#[path = "support/allocations.rs"]
mod allocations;

use allocations::{Counting, count, count_this_thread};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vlunet::Result;
use vlunet::frame::{Colour, FramePool, Layout, PixelFormat, Unpacker};
use vlunet::pipeline::{Doors, Hooks, Settings, run_through};
use vlunet::sink::{self, Output, Sink};
use vlunet::source::{Event, Source};
use vlunet::telemetry::Telemetry;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A camera that delivers YUYV.
struct Camera {
    bytes: Vec<u8>,
    unpacker: Unpacker,
    next: u64,
}

impl Source for Camera {
    fn next(&mut self, pool: &FramePool, _: Duration) -> Result<Event> {
        count_this_thread();
        std::thread::sleep(Duration::from_millis(4));
        let at = self.next as usize % self.bytes.len();
        self.bytes[at] = self.bytes[at].wrapping_add(40);
        let frame = pool.make(320, 180, |frame| {
            (frame.sequence, frame.captured) = (self.next, Instant::now());
            self.unpacker.unpack(&self.bytes, &mut frame.rgb)
        })?;
        self.next += 1;
        Ok(Event::Frame(frame))
    }

    fn is_live(&self) -> bool {
        true
    }

    fn fps(&self) -> Option<f64> {
        Some(250.0)
    }

    fn describe(&self) -> String {
        "a camera of the tests".into()
    }
}

/// The sink of a URI, on a thread that is counted.
struct Counted(Box<dyn Sink>);

impl Sink for Counted {
    fn put(&mut self, output: &Output) -> Result<()> {
        count_this_thread();
        self.0.put(output)
    }
}

#[test]
fn frames_that_pass_untouched_cost_no_allocation() {
    let doors = Doors {
        source: Arc::new(|| {
            let layout = Layout::new(PixelFormat::Yuyv, 320, 180, 0, Colour::WEBCAM)?;
            let bytes = (0..layout.bytes()).map(|at| (at * 7) as u8).collect();
            Ok(Box::new(Camera { bytes, unpacker: Unpacker::new(layout), next: 0 }))
        }),
        sink: Arc::new(|uri, fps, telemetry| Ok(Box::new(Counted(sink::open(uri, fps, telemetry)?)))),
    };
    let settings = Settings { task: Some("clear".into()), ..Settings::new("camera:", vec!["null:".into()]) };
    let hooks = Hooks { alive: Box::new(|_| count_this_thread()), ..Hooks::default() };
    let telemetry = Arc::<Telemetry>::default();
    let own = Arc::clone(&telemetry);
    let thread = std::thread::spawn(move || run_through(settings, doors, &own, hooks));
    let frames = |wanted: u64| {
        let start = Instant::now();
        while telemetry.status().frames_out < wanted {
            assert!(start.elapsed() < Duration::from_secs(60), "{:?}", telemetry.status());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    frames(200);
    let warm = count();
    assert!(warm > 0, "no thread of the loop was counted");
    frames(700);
    let allocated = count() - warm;
    telemetry.controls().stop();
    let summary = thread.join().unwrap().unwrap();
    assert!(summary.faults.is_empty() && summary.bypassed == summary.frames_out, "{summary:?}");
    // A histogram grows when a frame is later than any before it, and each does so a few times.
    assert!(allocated <= 8, "{allocated} allocations in 500 frames");
}
