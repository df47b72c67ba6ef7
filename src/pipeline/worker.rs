//! The thread that every frame goes through: restores it, or lets it pass, and hands it out.
//!
//! Nothing here waits for anything but the next frame: what a frame needs and isn't ready is
//! asked for, and the frame goes on without.

use super::governor::{Choice, Governor, Level};
use super::mailbox::Taken;
use super::outputs::Outputs;
use super::shared::{Guided, PATIENCE, Pulse, Shared, lock};
use super::sight::{Eyes, Sight};
use super::workshop::{Counter, Model, Order, Prepared, Shelf, prepare};
use crate::board::thermal::Level as Heat;
use crate::bundle::Task;
use crate::frame::{Frame, Planes, Shrinker, fill_frame, to_planes};
use crate::restore::GuidedUpsampler;
use crate::sink::Output;
use crate::telemetry::State;
use crate::{Error, Result};
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const FAULT: &str = "restoring";

/// After a failure frames pass untouched for so long.
const REST: Duration = Duration::from_secs(1);

/// What others may change while the loop runs.
#[derive(Default)]
pub(super) struct Changes {
    /// Another model, with its restorer for the present frames.
    pub(super) model: Option<(Arc<Model>, Option<Prepared>)>,
    /// Its eyes, where a file's frames are seen by the worker itself.
    pub(super) eyes: Option<Eyes>,
    /// Another frame rate to hold.
    pub(super) fps: Option<f64>,
    /// Other internal resolutions that are allowed.
    pub(super) scales: Option<RangeInclusive<f64>>,
    /// Another temperature.
    pub(super) heat: Option<Heat>,
}

/// Called after every frame (true), and while there is none, for as long as the loop lives.
pub(super) type OnTurn = Box<dyn FnMut(bool) + Send>;

/// The state of the thread.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) outputs: Arc<Outputs>,
    pub(super) counter: Arc<Counter>,
    pub(super) changes: Arc<Mutex<Changes>>,
    pub(super) governor: Governor,
    pub(super) model: Arc<Model>,
    /// Frames to hand out, where they are limited.
    pub(super) limit: Option<u64>,
    /// A file's frames wait for their guidance and their restorer, and are all restored.
    pub(super) patient: Option<Sight>,
    pub(super) on_turn: OnTurn,
    shelf: Shelf,
    /// The model that is to follow, once it is ready.
    next: Option<Arc<Model>>,
    /// The last guidance that came for the model in use.
    guided: Option<Arc<Guided>>,
    /// The size of the last frame.
    size: (u32, u32),
    /// What was last told of the governor's choice.
    told: Option<(u64, Level, Choice)>,
    kit: Kit,
    resting_until: Option<Instant>,
}

/// Memory for a frame's way, used again.
struct Kit {
    input: Planes,
    shrinker: Shrinker,
    upsampler: GuidedUpsampler,
    /// Work in the present cycle of `every` frames, and the frames in it.
    cycle: (Duration, u32),
    /// What the last correction was made for, where it can be carried over to the next frame.
    carried: Option<Carried>,
    /// The frame that it was made from, in samples.
    scene: Scene,
}

/// A correction fits frames of the same size, restored for the same task at the same level.
type Carried = ((u32, u32), Task, Level);

impl Kit {
    /// Another picture: what was made for the one before must not be carried over to it.
    fn forget(&mut self) {
        (self.carried, self.cycle) = (None, (Duration::ZERO, 0));
    }
}

/// A frame, as far as it takes to tell whether another shows the same scene.
#[derive(Default)]
struct Scene {
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

    fn keep(&mut self, frame: &Frame) {
        self.samples.clear();
        self.samples.extend(Self::samples(frame));
        self.captured = Some(frame.captured);
    }

    fn shows(&self, frame: &Frame) -> bool {
        let pause = self.captured.map(|captured| frame.captured.saturating_duration_since(captured));
        let difference = self.samples.iter().zip(Self::samples(frame));
        let difference: u64 = difference.map(|(a, b)| u64::from(a.abs_diff(b))).sum();
        pause.is_some_and(|pause| pause < Self::PAUSE) && difference < Self::CUT * self.samples.len() as u64
    }
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        outputs: Arc<Outputs>,
        model: Arc<Model>,
        governor: Governor,
        patient: Option<Sight>,
        on_turn: OnTurn,
    ) -> Self {
        Self {
            shared,
            outputs,
            counter: Arc::default(),
            changes: Arc::default(),
            governor,
            model,
            limit: None,
            patient,
            on_turn,
            shelf: Shelf::default(),
            next: None,
            guided: None,
            size: (0, 0),
            told: None,
            kit: Kit {
                input: Planes::default((3, 0, 0)),
                shrinker: Shrinker::new(),
                upsampler: GuidedUpsampler::new(),
                cycle: (Duration::ZERO, 0),
                carried: None,
                scene: Scene::default(),
            },
            resting_until: None,
        }
    }

    /// Works until the frames end.
    pub(super) fn run(mut self, pulse: &Pulse) {
        let mut turns = 0;
        loop {
            pulse.beat();
            match self.shared.frames.take(PATIENCE) {
                Taken::Item(frame) => {
                    self.turn(frame);
                    (self.on_turn)(true);
                    turns += 1;
                    if self.limit.is_some_and(|limit| turns >= limit) {
                        break;
                    }
                }
                Taken::Nothing if !self.shared.controls().stopped() => {
                    (self.on_turn)(false);
                    self.take_changes();
                }
                Taken::Nothing | Taken::Closed => break,
            }
        }
        self.counter.orders.close();
        self.outputs.close();
    }

    fn turn(&mut self, frame: Arc<Frame>) {
        let start = Instant::now();
        self.take_changes();
        if let Some(sight) = &mut self.patient {
            sight.see(&frame, &self.shared);
        }
        // A restorer that panics costs its frames' restoration, not the picture.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.treat(&frame)))
            .unwrap_or_else(|_| Err(Error::Model("the restorer panicked, which is a bug".into())));
        let (restored, state) = match outcome {
            Ok(treated) => treated,
            Err(e) => {
                self.shared.telemetry.fault(FAULT, e);
                self.resting_until = Some(Instant::now() + REST);
                self.kit.forget();
                (None, State::Fault)
            }
        };
        let untouched = restored.is_none();
        let work = start.elapsed();
        let output = Output { restored: restored.unwrap_or_else(|| Arc::clone(&frame)), input: frame };
        let wait = start.saturating_duration_since(output.input.captured);
        let dropped = self.shared.frames.dropped();
        self.shared.telemetry.update(|status| {
            status.state = state;
            status.frames_out += 1;
            status.bypassed += u64::from(untouched);
            status.dropped.restore = dropped;
            status.stage_ms.wait.add(wait);
            if !untouched {
                status.stage_ms.restore.add(work);
            }
        });
        self.outputs.put(output, self.patient.is_some());
    }

    /// The restored frame, or none where it is to pass untouched, and why.
    fn treat(&mut self, frame: &Arc<Frame>) -> Result<(Option<Arc<Frame>>, State)> {
        if self.resting_until.is_some_and(|until| Instant::now() < until) {
            return Ok((None, State::Fault));
        }
        if let Some(new) = self.shared.guidance().filter(|guided| guided.model == self.model.number) {
            self.guided = Some(new);
        }
        let size = (frame.width, frame.height);
        if size != self.size {
            self.size = size;
            self.governor.forget();
            self.kit.forget();
        }
        let level = self.governor.level();
        self.restock(&Order { model: Arc::clone(&self.model), level, size })?;
        // Perhaps another model has just taken over.
        let order = Order { model: Arc::clone(&self.model), level, size };
        if self.shared.controls().bypass() {
            self.kit.forget();
            return Ok((None, State::Bypass));
        }
        let Some(guided) = self.guided.clone() else { return Ok((None, State::Starting)) };
        if guided.guidance.task == Task::Clear {
            self.kit.forget();
            return Ok((None, State::Clear));
        }
        let restored = self.restore(frame, &order, &guided)?;
        if restored.is_none() {
            // The restorer is being made ready.
            return Ok((None, State::Starting));
        }
        self.shared.telemetry.mended(FAULT);
        self.resting_until = None;
        Ok((restored, State::Restoring))
    }

    /// Sees to it that the restorer for an order is there, or comes.
    fn restock(&mut self, order: &Order) -> Result<()> {
        self.shelf.stock(&self.counter);
        if self.patient.is_some() && !self.shelf.has(order) {
            self.shelf.keep_only(order);
            self.shelf.add(prepare(order.clone())?);
        }
        match &self.next {
            // A new model takes over between two frames, when it is ready and its own head has
            // said what to restore by.
            Some(next) => {
                let next = Order { model: Arc::clone(next), ..order.clone() };
                let guided = self.shared.guidance().filter(|guided| guided.model == next.model.number);
                if !self.shelf.has(&next) {
                    self.shelf.want(&next, &self.counter);
                } else if guided.is_some() {
                    let description = next.model.describe();
                    log::info!("frames are restored by {description} from now on");
                    let folder = next.model.folder();
                    let told = (description, folder);
                    self.shared.telemetry.update(|status| (status.model, status.bundle) = told);
                    self.shelf.keep_only(&next);
                    self.model = next.model;
                    (self.next, self.guided) = (None, guided);
                    self.governor.set_tiers(&self.model.costs());
                    self.kit.forget();
                }
            }
            None if self.shelf.has(order) => {
                // The next cheaper level is made ready while there is time.
                if let Some(level) = self.governor.cheaper() {
                    self.shelf.want(&Order { level, ..order.clone() }, &self.counter);
                }
            }
            None => self.shelf.want(order, &self.counter),
        }
        Ok(())
    }

    fn restore(&mut self, frame: &Arc<Frame>, order: &Order, guided: &Guided) -> Result<Option<Arc<Frame>>> {
        let Some(prepared) = self.shelf.find(order) else { return Ok(None) };
        let start = Instant::now();
        let (width, height) = order.size;
        let used = Level { every: order.level.every, ..prepared.order.level };
        let kit = &mut self.kit;
        let made_for = (order.size, guided.guidance.task, used);
        if kit.carried.is_some_and(|carried| carried != made_for) {
            kit.forget();
        }
        let carry =
            kit.carried.is_some() && !kit.cycle.1.is_multiple_of(used.every) && kit.scene.shows(frame);
        let whole = prepared.internal == order.size;
        let restored = if carry {
            None
        } else {
            if whole {
                to_planes(frame, &mut kit.input);
            } else {
                let (width, height) = prepared.internal;
                kit.shrinker.shrink(frame, width as usize, height as usize, &mut kit.input)?;
            }
            if used.every > 1 {
                kit.scene.keep(frame);
            }
            Some(prepared.restorer.restore(kit.input.view(), &guided.guidance.degradation)?)
        };
        let made = self.shared.pool.make(width, height, |out| {
            (out.sequence, out.captured) = (frame.sequence, frame.captured);
            match &restored {
                None => kit.upsampler.carry_over(frame, out)?,
                Some(restored) if whole => fill_frame(out, restored.view())?,
                Some(restored) => kit.upsampler.upsample(frame, kit.input.view(), restored.view(), out)?,
            }
            Ok(())
        })?;
        kit.carried = (!whole).then_some(made_for);
        self.account(start.elapsed(), used);
        Ok(Some(made))
    }

    /// Reports the cost of a frame to the governor, at the level that it asked for.
    fn account(&mut self, work: Duration, used: Level) {
        let (spent, frames) = &mut self.kit.cycle;
        (*spent, *frames) = (*spent + work, *frames + 1);
        if *frames < used.every {
            return;
        }
        let mean = *spent / *frames;
        self.kit.cycle = (Duration::ZERO, 0);
        if self.patient.is_none() && used == self.governor.level() {
            let level = self.governor.report(mean, Instant::now());
            if level != used {
                log::debug!("{level:?} after {mean:?} per frame at {used:?}");
            }
        }
        // Words are made only when there is something new to say.
        let news = (self.model.number, used, self.governor.choice());
        if self.told == Some(news) {
            return;
        }
        self.told = Some(news);
        let reason = self.governor.reason();
        let tier = self.model.tier(used.tier).manifest().name.clone();
        self.shared.telemetry.update(|status| {
            let governed = &mut status.governor;
            (governed.tier, governed.scale, governed.every) = (tier, used.scale, used.every);
            governed.reason = reason;
        });
    }

    fn take_changes(&mut self) {
        let Changes { model, eyes, fps, scales, heat } = std::mem::take(&mut *lock(&self.changes));
        if let Some((model, prepared)) = model {
            self.next = Some(model);
            prepared.into_iter().for_each(|prepared| self.shelf.add(prepared));
        }
        if let Some(scales) = scales.filter(|_| self.patient.is_none()) {
            self.governor.set_scales(&scales);
        }
        if let (Some(eyes), Some(sight)) = (eyes, &mut self.patient) {
            sight.replace(eyes);
        }
        if let Some(fps) = fps {
            self.governor.set_fps(fps);
        }
        if let Some(heat) = heat {
            self.governor.set_heat(heat);
        }
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
