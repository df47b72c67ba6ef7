//! The thread that every frame goes through: restores it, or lets it pass, and hands it out.
//!
//! Nothing here waits for anything but the next frame: what a frame needs and isn't ready is
//! asked for, and the frame goes on without.

use super::flight::Flight;
use super::governor::{Choice, Governor, Level};
use super::mailbox::Taken;
use super::outputs::Outputs;
use super::scene::Scene;
use super::shared::{Guided, PATIENCE, Pulse, Shared, lock};
use super::sight::{Eyes, Sight};
use super::workshop::{Counter, Model, Order, Place, Prepared, Shelf, prepare};
use crate::board::thermal::Level as Heat;
use crate::bundle::Task;
use crate::frame::{Frame, Planes, Shrinker, fill_frame, to_planes};
use crate::restore::{GuidedUpsampler, gpu_is_there};
use crate::sink::Output;
use crate::telemetry::State;
use crate::{Error, Result};
use ndarray::ArrayView3;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(super) const FAULT: &str = "restoring";
const LOST_GPU: &str = "GPU";

/// After a failure frames pass untouched for so long.
pub(super) const REST: Duration = Duration::from_secs(1);

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

/// A model's number, the level that it restores at, and why.
pub(super) type Told = (u64, Level, Choice);

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
    /// Whether there is a GPU that may restore.
    pub(super) gpu: bool,
    /// A file's frames wait for their guidance and their restorer, and are all restored.
    pub(super) patient: Option<Sight>,
    pub(super) on_turn: OnTurn,
    shelf: Shelf,
    /// The model that is to follow, once it is ready.
    next: Option<Arc<Model>>,
    /// The last guidance that came for the model in use.
    guided: Option<Arc<Guided>>,
    /// The size of the last frame.
    pub(super) size: (u32, u32),
    /// What was last told of the governor's choice.
    pub(super) told: Option<Told>,
    pub(super) kit: Kit,
    pub(super) resting_until: Option<Instant>,
    /// The frame that is restored aside.
    pub(super) flight: Option<Flight>,
    /// Memory for frames on their way into a restorer.
    pub(super) spare: Vec<Planes>,
    /// Frames that were handed out.
    turns: u64,
}

/// What became of a frame.
enum Treated {
    /// It is to pass untouched.
    Untouched(State),
    Restored(Arc<Frame>),
    /// It is restored aside.
    Underway,
}

/// Memory for a frame's way, used again.
pub(super) struct Kit {
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
pub(super) type Carried = ((u32, u32), Task, Level);

impl Kit {
    /// Another picture: what was made for the one before must not be carried over to it.
    pub(super) fn forget(&mut self) {
        (self.carried, self.cycle) = (None, (Duration::ZERO, 0));
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
            outputs,
            counter: Arc::default(),
            changes: Arc::default(),
            governor,
            model,
            limit: None,
            gpu: false,
            patient,
            on_turn,
            shelf: Shelf::new(Arc::clone(&shared)),
            shared,
            next: None,
            guided: None,
            size: (0, 0),
            told: None,
            kit: Kit {
                shrinker: Shrinker::new(),
                upsampler: GuidedUpsampler::new(),
                cycle: (Duration::ZERO, 0),
                carried: None,
                scene: Scene::default(),
            },
            resting_until: None,
            flight: None,
            spare: Vec::new(),
            turns: 0,
        }
    }

    /// Works until the frames end.
    pub(super) fn run(mut self, pulse: &Pulse) {
        loop {
            pulse.beat();
            match self.shared.frames.take(PATIENCE) {
                Taken::Item(frame) => {
                    self.turn(frame);
                    if self.limit.is_some_and(|limit| self.turns + u64::from(self.flight.is_some()) >= limit)
                    {
                        break;
                    }
                }
                Taken::Nothing if !self.shared.controls().stopped() => {
                    self.land_if_done();
                    (self.on_turn)(false);
                    self.take_changes();
                }
                Taken::Nothing | Taken::Closed => break,
            }
        }
        self.land_now();
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
            Ok(Treated::Underway) => {
                // A file's frames, and those that the next ones are carried over from, are waited for.
                if self.patient.is_some() || self.flight.as_ref().is_some_and(|flight| flight.level.every > 1)
                {
                    self.land_now();
                }
                return;
            }
            Ok(Treated::Restored(restored)) => (Some(restored), State::Restoring),
            Ok(Treated::Untouched(state)) => (None, state),
            Err(e) => {
                self.shared.telemetry.fault(FAULT, e);
                self.resting_until = Some(Instant::now() + REST);
                self.kit.forget();
                (None, State::Fault)
            }
        };
        // The frame before comes first.
        self.land_now();
        self.hand_out(frame, restored, state, start.elapsed());
    }

    /// Hands out a frame that so much work was done for.
    pub(super) fn hand_out(
        &mut self,
        frame: Arc<Frame>,
        restored: Option<Arc<Frame>>,
        state: State,
        work: Duration,
    ) {
        let untouched = restored.is_none();
        let output = Output { restored: restored.unwrap_or_else(|| Arc::clone(&frame)), input: frame };
        let wait = output.input.captured.elapsed().saturating_sub(work);
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
        self.turns += 1;
        (self.on_turn)(true);
    }

    /// Restores a frame, or has it restored, or says why it is to pass untouched.
    fn treat(&mut self, frame: &Arc<Frame>) -> Result<Treated> {
        if self.resting_until.is_some_and(|until| Instant::now() < until) {
            return Ok(Treated::Untouched(State::Fault));
        }
        if let Some(new) = self.shared.guidance().filter(|guided| guided.model == self.model.number) {
            self.guided = Some(new);
        }
        let size = (frame.width, frame.height);
        if size != self.size {
            self.size = size;
            self.governor.keep_whole(self.gpu);
            self.governor.forget();
            self.kit.forget();
        }
        self.shelf.stock(&self.counter);
        let mut order = Order { model: Arc::clone(&self.model), level: self.governor.level(), size };
        if self.gpu && self.shelf.is_on_cpu(&order) {
            // There is no engine: the CPU holds the rate by smaller pictures.
            self.governor.keep_whole(false);
            order.level = self.governor.level();
        }
        let level = order.level;
        self.restock(&order)?;
        // Perhaps another model has just taken over.
        let order = Order { model: Arc::clone(&self.model), level, size };
        if self.shared.controls().bypass() {
            self.kit.forget();
            return Ok(Treated::Untouched(State::Bypass));
        }
        let Some(guided) = self.guided.clone() else { return Ok(Treated::Untouched(State::Starting)) };
        if guided.guidance.task == Task::Clear {
            self.kit.forget();
            return Ok(Treated::Untouched(State::Clear));
        }
        self.restore(frame, &order, guided)
    }

    /// Sees to it that the restorer for an order is there, or comes.
    fn restock(&mut self, order: &Order) -> Result<()> {
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
                    let gpu = gpu_is_there(&self.model.options);
                    if gpu != std::mem::replace(&mut self.gpu, gpu) {
                        self.governor.keep_whole(gpu);
                    }
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

    fn restore(&mut self, frame: &Arc<Frame>, order: &Order, guided: Arc<Guided>) -> Result<Treated> {
        let Some(prepared) = self.shelf.find(order) else {
            // The restorer is being made ready.
            return Ok(Treated::Untouched(State::Starting));
        };
        let start = Instant::now();
        let used = Level { every: order.level.every, ..prepared.order.level };
        let task = guided.guidance.task;
        let made_for = (order.size, task, used);
        let kit = &mut self.kit;
        if kit.carried.is_some_and(|carried| carried != made_for) {
            kit.forget();
        }
        if kit.carried.is_some() && !kit.cycle.1.is_multiple_of(used.every) && kit.scene.shows(frame) {
            let made = make(&self.shared, frame, |out| kit.upsampler.carry_over(frame, out))?;
            self.has_restored(made_for, false);
            self.account(start.elapsed(), used);
            return Ok(Treated::Restored(made));
        }
        let whole = prepared.internal == order.size;
        let is_news = is_news(self.told, self.model.number, used);
        let mut input = self.spare.pop().unwrap_or_default();
        if whole {
            to_planes(frame, &mut input);
        } else {
            let (width, height) = prepared.internal;
            kit.shrinker.shrink(frame, width as usize, height as usize, &mut input)?;
        }
        if used.every > 1 {
            kit.scene.keep(frame);
        }
        let restorer = match &mut prepared.place {
            Place::Here(restorer) => restorer,
            Place::Aside(aside) => {
                let (frame, aside) = (Arc::clone(frame), Arc::clone(aside));
                let (model, ready_in) = (self.model.number, start.elapsed());
                let flight = Flight { frame, aside, model, level: used, task, whole, ready_in };
                self.take_off(flight, input, guided)?;
                return Ok(Treated::Underway);
            }
        };
        let restored = restorer.restore(input.view(), &guided.guidance.degradation)?;
        let lost_gpu = restorer.take_lost_gpu();
        let engine = (is_news || lost_gpu.is_some()).then(|| restorer.describe());
        if let Some(why) = lost_gpu {
            self.lose_gpu(why);
        }
        let made = self.paint(frame, input.view(), restored.view(), whole)?;
        self.spare.push(input);
        self.has_restored(made_for, whole);
        if let Some(engine) = engine {
            self.shared.telemetry.update(|status| status.engine = engine);
        }
        self.account(start.elapsed(), used);
        Ok(Treated::Restored(made))
    }

    /// Tells that the GPU doesn't restore any more.
    pub(super) fn lose_gpu(&mut self, why: String) {
        self.shared.telemetry.fault(LOST_GPU, Error::Gpu(why));
        self.gpu = false;
        self.governor.keep_whole(false);
        self.told = None;
    }

    /// The frame that is handed out, from what was restored of it.
    pub(super) fn paint(
        &mut self,
        frame: &Frame,
        input: ArrayView3<'_, f32>,
        restored: ArrayView3<'_, f32>,
        whole: bool,
    ) -> Result<Arc<Frame>> {
        let upsampler = &mut self.kit.upsampler;
        make(&self.shared, frame, |out| {
            if whole { fill_frame(out, restored) } else { upsampler.upsample(frame, input, restored, out) }
        })
    }

    /// Notes that a frame was restored; what it was made for may serve the next one.
    pub(super) fn has_restored(&mut self, made_for: Carried, whole: bool) {
        self.kit.carried = (!whole).then_some(made_for);
        self.shared.telemetry.mended(FAULT);
        self.resting_until = None;
    }

    /// Reports the cost of a frame to the governor, at the level that it asked for.
    pub(super) fn account(&mut self, work: Duration, used: Level) {
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

/// Whether a model restores at a level that nobody was told of.
pub(super) fn is_news(told: Option<Told>, model: u64, level: Level) -> bool {
    told.is_none_or(|(number, known, _)| (number, known) != (model, level))
}

/// A frame of the size, number and time of another.
fn make(shared: &Shared, frame: &Frame, fill: impl FnOnce(&mut Frame) -> Result<()>) -> Result<Arc<Frame>> {
    shared.pool.make(frame.width, frame.height, |out| {
        (out.sequence, out.captured) = (frame.sequence, frame.captured);
        fill(out)
    })
}
