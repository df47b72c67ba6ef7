//! Frames that are restored aside: begun, and handed out when they are done.

use super::aside::{Aside, Done, Work};
use super::governor::Level;
use super::shared::Guided;
use super::worker::{FAULT, REST, Worker, is_news};
use crate::bundle::Task;
use crate::frame::{Frame, Planes};
use crate::telemetry::State;
use crate::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A frame on its way.
pub(super) struct Flight {
    pub(super) frame: Arc<Frame>,
    pub(super) aside: Arc<Aside>,
    /// The number of the model that restores it.
    pub(super) model: u64,
    pub(super) level: Level,
    pub(super) task: Task,
    /// Whether it is restored at its own size.
    pub(super) whole: bool,
    /// How long it took to make it ready.
    pub(super) ready_in: Duration,
}

impl Worker {
    /// Has a frame restored; the one before, which must be done first, is handed out meanwhile.
    pub(super) fn take_off(&mut self, flight: Flight, input: Planes, guided: Arc<Guided>) -> Result<()> {
        let before = self.flight.take().map(|before| (before.aside.wait(), before));
        let begun = flight.aside.begin(Work { input, guided });
        if begun.is_ok() {
            self.flight = Some(flight);
        }
        if let Some((done, before)) = before {
            self.land(before, done);
        }
        begun
    }

    /// Hands out the frame that is on its way, if it is done.
    pub(super) fn land_if_done(&mut self) {
        let Some(flight) = self.flight.take() else { return };
        match flight.aside.finished() {
            Ok(None) => self.flight = Some(flight),
            Ok(Some(done)) => self.land(flight, Ok(done)),
            Err(e) => self.land(flight, Err(e)),
        }
    }

    /// Waits for the frame that is on its way, and hands it out.
    pub(super) fn land_now(&mut self) {
        if let Some(flight) = self.flight.take() {
            let done = flight.aside.wait();
            self.land(flight, done);
        }
    }

    fn land(&mut self, flight: Flight, done: Result<Done>) {
        let start = Instant::now();
        let Flight { frame, model, level, task, whole, ready_in, .. } = flight;
        let mut paint = |Done { input, restored, took, lost_gpu, engine }: Done| -> Result<_> {
            if let Some(why) = lost_gpu {
                self.lose_gpu(why);
            }
            let painted =
                restored.and_then(|restored| self.paint(&frame, input.view(), restored.view(), whole));
            self.spare.push(input);
            Ok((painted?, took, engine))
        };
        // What panics here costs this frame's restoration: the next one is on its way already.
        let painted = done.and_then(|done| {
            catch_unwind(AssertUnwindSafe(|| paint(done)))
                .unwrap_or_else(|_| Err(Error::Model("painting a frame panicked, which is a bug".into())))
        });
        match painted {
            Ok((painted, took, engine)) => {
                let size = (frame.width, frame.height);
                let own = ready_in + start.elapsed();
                // Another model, or frames of another size, may have come meanwhile: what this one cost and
                // what it was made for say nothing of them.
                if (model, size) == (self.model.number, self.size) {
                    self.has_restored((size, task, level), whole);
                    if is_news(self.told, model, level) {
                        self.shared.telemetry.update(|status| status.engine = engine);
                    }
                    // They go on beside each other: the slower one sets the pace.
                    self.account(took.max(own), level);
                }
                self.hand_out(frame, Some(painted), State::Restoring, took + own);
            }
            Err(e) => {
                self.shared.telemetry.fault(FAULT, e);
                self.resting_until = Some(Instant::now() + REST);
                self.kit.forget();
                self.hand_out(frame, None, State::Fault, ready_in + start.elapsed());
            }
        }
    }
}
