//! The thread that reads the source, opens it anew when it is lost, and notices when its
//! picture stands still.

use super::shared::{OpenSource, PATIENCE, Pulse, Shared};
use crate::frame::Frame;
use crate::source::{Event, Source};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A live source that gives nothing for so long is opened anew; a picture that stands still for
/// so long is told of.
const STALL: Duration = Duration::from_millis(1800);

/// Between two attempts to open a lost source.
const RETRY: Duration = Duration::from_millis(500);

/// Kinds of faults.
pub(super) const LOST: &str = "source";
pub(super) const FROZEN: &str = "frozen picture";

/// Reads until the stream ends, the loop stops or this thread is dismissed.
pub(super) fn run(shared: &Shared, open: &OpenSource, first: Option<Box<dyn Source>>, pulse: &Pulse) {
    let mut reader = Reader { shared, pulse, sequence: None, skipped: 0, stillness: Stillness::default() };
    let mut source = first;
    while reader.wanted() {
        let Some(mut opened) = source.take().or_else(|| reader.reopen(open)) else { return };
        // A source that panics is lost like one that fails.
        let ended = catch_unwind(AssertUnwindSafe(|| reader.read(opened.as_mut()))).unwrap_or_else(|_| {
            shared.telemetry.fault(LOST, "it panicked, which is a bug");
            !opened.is_live()
        });
        // One that was replaced does not speak for the stream any more.
        if ended && !pulse.dismissed() {
            shared.frames.close();
            shared.looks.close();
            return;
        }
    }
}

struct Reader<'a> {
    shared: &'a Shared,
    pulse: &'a Pulse,
    sequence: Option<u64>,
    /// What the source has skipped as damaged, as far as it was counted.
    skipped: u64,
    stillness: Stillness,
}

impl Reader<'_> {
    fn wanted(&self) -> bool {
        self.pulse.beat();
        !self.pulse.dismissed() && !self.shared.controls().stopped()
    }

    /// Opens the lost source, as often as it takes; none when it isn't wanted any more.
    fn reopen(&mut self, open: &OpenSource) -> Option<Box<dyn Source>> {
        while self.wanted() {
            match open() {
                Ok(source) => {
                    let description = source.describe();
                    self.shared.telemetry.update(|status| status.source = description);
                    self.shared.set_source_fps(source.fps());
                    self.sequence = None;
                    return Some(source);
                }
                Err(e) => self.shared.telemetry.fault(LOST, e),
            }
            let until = Instant::now() + RETRY;
            while self.wanted() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        None
    }

    /// Hands frames on until the source fails (false) or ends (true). A file that fails has ended:
    /// read anew it would begin from the start.
    fn read(&mut self, source: &mut dyn Source) -> bool {
        let live = source.is_live();
        let mut last = Instant::now();
        self.skipped = 0;
        let mut damaged = 0;
        while self.wanted() {
            let event = source.next(&self.shared.pool, PATIENCE);
            damaged += self.count_damaged(source.skipped());
            match event {
                Ok(Event::Frame(frame)) => {
                    last = Instant::now();
                    if self.pulse.dismissed() {
                        return false;
                    }
                    self.shared.telemetry.mended(LOST);
                    if live && self.stillness.frozen(&frame, last) {
                        let reopen = self.stillness.reopen();
                        self.report_frozen();
                        if reopen {
                            return false;
                        }
                    } else if !self.stillness.still {
                        self.shared.telemetry.mended(FROZEN);
                    }
                    self.hand_on(frame, live, std::mem::take(&mut damaged));
                }
                Ok(Event::Nothing) if live && last.elapsed() > STALL => {
                    let waited = last.elapsed().as_secs_f64();
                    self.shared.telemetry.fault(LOST, format!("no frame for {waited:.1} s: opening it anew"));
                    return false;
                }
                Ok(Event::Nothing) => {}
                Ok(Event::End) => return true,
                Err(e) => {
                    self.shared.telemetry.fault(LOST, e);
                    return !live;
                }
            }
        }
        false
    }

    fn report_frozen(&self) {
        let message = format!("the same picture for {:.1} s", STALL.as_secs_f64());
        self.shared.telemetry.fault(FROZEN, message);
    }

    /// Tells of frames that were skipped; gives how many they are since the last time.
    fn count_damaged(&mut self, skipped: u64) -> u64 {
        let new = skipped.saturating_sub(std::mem::replace(&mut self.skipped, skipped));
        if new > 0 {
            self.shared.telemetry.update(|status| status.dropped.damaged += new);
        }
        new
    }

    /// Hands a frame on, before which so many were `damaged`.
    fn hand_on(&mut self, frame: Arc<Frame>, live: bool, damaged: u64) {
        let gap = self.sequence.map_or(0, |last| frame.sequence.saturating_sub(last + 1));
        // A damaged frame has a number, too.
        let gap = gap.saturating_sub(damaged);
        self.sequence = Some(frame.sequence);
        self.shared.telemetry.update(|status| {
            status.frames_in += 1;
            status.dropped.source += if live { gap } else { 0 };
            status.size = [frame.width, frame.height];
        });
        self.shared.looks.put(Arc::clone(&frame));
        if live {
            self.shared.frames.put(frame);
            return;
        }
        // However long the frame before takes, this thread is alive and says so.
        let mut waiting = Some(frame);
        while let Some(frame) = waiting {
            waiting = self.shared.frames.put_within(frame, PATIENCE);
            if !self.wanted() {
                return;
            }
        }
    }
}

/// Whether the picture stands still: no real sensor gives the same bytes twice.
#[derive(Default)]
struct Stillness {
    /// The picture that is there, and since when. Held, not digested: to compare all of it ends at
    /// the first byte that differs, while samples may miss the only digit of a clock that moves.
    picture: Option<(Arc<Frame>, Instant)>,
    still: bool,
    /// The picture that opening anew did not help against.
    given_up: Option<Arc<Frame>>,
}

impl Stillness {
    /// Takes a frame; true when the same was there for [`STALL`].
    fn frozen(&mut self, frame: &Arc<Frame>, now: Instant) -> bool {
        match &self.picture {
            Some((picture, since)) if picture.rgb == frame.rgb => {
                let frozen = now.duration_since(*since) >= STALL;
                self.still |= frozen;
                frozen
            }
            _ => {
                (self.picture, self.still) = (Some((Arc::clone(frame), now)), false);
                false
            }
        }
    }

    /// Whether to open the source anew: once for each picture that stands still.
    fn reopen(&mut self) -> bool {
        let Some((picture, _)) = &self.picture else { return false };
        let before = self.given_up.replace(Arc::clone(picture));
        before.is_none_or(|before| before.rgb != picture.rgb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_stands_still_is_found_in_time_and_reopened_once() {
        let mut stillness = Stillness::default();
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let frame = |value: u8| {
            let mut frame = Frame::black(64, 36);
            frame.rgb[4001] = value;
            Arc::new(frame)
        };
        assert!(!stillness.frozen(&frame(0), at(0)));
        assert!(!stillness.frozen(&frame(0), at(1000)));
        assert!(stillness.frozen(&frame(0), at(1900)) && stillness.reopen());
        assert!(stillness.frozen(&frame(0), at(2000)) && !stillness.reopen());
        assert!(!stillness.frozen(&frame(1), at(2100)) && !stillness.still, "one byte has changed");
        assert!(stillness.frozen(&frame(1), at(4000)) && stillness.reopen());
    }
}
