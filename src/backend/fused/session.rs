//! A network at one size of the picture, ready to run: all of its memory is taken beforehand.
#![allow(unsafe_code)]

use super::crew::Crew;
use super::memory::{Buffer, Layout, Place, Plan, bytes_of};
use super::network::{Attention, Conv, Feed, Gradient, Network, Stage};
use super::program::Value;
use super::{float, int, resample};
use crate::Result;
use crate::backend::Block;
use crate::backend::kernels::Shared;
use rayon::ThreadPool;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A network at one size.
pub(crate) struct Session {
    network: Arc<Network>,
    plan: Plan,
    crew: Crew,
    arena: Buffer,
    sums: Buffer,
    /// Of each stage that has some.
    states: Vec<State>,
    /// The degradation that the keys were made for.
    degradation: Vec<f32>,
    /// How long each stage of the newest run took.
    times: Vec<Duration>,
    /// `[3, H, W]`.
    restored: Vec<f32>,
}

/// What a stage keeps.
#[derive(Debug)]
enum State {
    Nothing,
    FloatMix(float::Mix),
    IntMix(int::Mix),
    FloatStep { key: float::KeyRows, mixes: [float::Mix; 2] },
    IntStep { key: int::KeyRows, mixes: [int::Mix; 2] },
}

impl State {
    fn new(stage: &Stage, plan: &Plan, threads: usize) -> Result<Self> {
        Ok(match stage {
            Stage::Attend { attention: Attention::Float(attention), .. } => Self::FloatMix(attention.mix()),
            Stage::Attend { attention: Attention::Int(attention), .. } => {
                Self::IntMix(attention.mix(threads))
            }
            Stage::Gradient { x, gradient: Gradient::Float { phi, phit, .. }, .. } => Self::FloatStep {
                key: float::KeyRows::new(plan.values[*x].layout)?,
                mixes: [phi.mix(), phit.mix()],
            },
            Stage::Gradient { x, gradient: Gradient::Int { phi, phit, .. }, .. } => {
                match phi.key(plan.values[*x].layout) {
                    Some(key) => Self::IntStep { key, mixes: [phi.mix(threads), phit.mix(threads)] },
                    None => Self::Nothing,
                }
            }
            _ => Self::Nothing,
        })
    }

    fn bytes(&mut self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::FloatMix(mix) => mix.bytes(),
            Self::IntMix(mix) => mix.bytes(),
            Self::FloatStep { key, mixes: [forth, back] } => key.bytes() + forth.bytes() + back.bytes(),
            Self::IntStep { key, mixes: [forth, back] } => key.len() + forth.bytes() + back.bytes(),
        }
    }
}

impl Session {
    /// Takes the memory for pictures of this size, which the network's blocks must divide, for runs on
    /// the threads of a pool or on the caller's.
    ///
    /// # Errors
    /// [`crate::Error::Model`] where there is no memory for it.
    pub(crate) fn new(
        network: Arc<Network>,
        pool: Option<Arc<ThreadPool>>,
        height: usize,
        width: usize,
    ) -> Result<Self> {
        let plan = Plan::new(&network.program, height, width);
        let [scratch, sums] = network.scratch(&plan);
        let crew = Crew::new(pool, scratch)?;
        let states = network.stages.iter().map(|stage| State::new(stage, &plan, crew.len()));
        let states = states.collect::<Result<_>>()?;
        Ok(Self {
            arena: Buffer::new(plan.floats)?,
            sums: Buffer::new(sums * crew.parts())?,
            restored: vec![0.0; 3 * height * width],
            degradation: Vec::new(),
            times: vec![Duration::ZERO; network.stages.len()],
            network,
            plan,
            crew,
            states,
        })
    }

    /// Bytes of all that it holds, beside the weights.
    pub(crate) fn bytes(&mut self) -> usize {
        let states: usize = self.states.iter_mut().map(State::bytes).sum();
        self.arena.bytes() + self.sums.bytes() + self.crew.bytes() + states + 4 * self.restored.len()
    }

    /// The stages of the newest run, in their order.
    pub(crate) fn profile(&self) -> Vec<Block> {
        let Self { network, plan, times, .. } = self;
        let steps = network.program.steps.iter().zip(&network.stages).zip(times);
        let named = steps.map(|((step, stage), &time)| {
            let from = step.reads().first().map_or(step.to(), |from| *from);
            let Layout { channels, height, width, .. } = plan.values[from].layout;
            let (kind, macs) = (stage.label(), step.macs(height * width));
            Block { name: format!("{kind} {channels}x{width}x{height}"), kind, macs, time }
        });
        named.collect()
    }

    /// Restores a picture, `[3, H, W]` without gaps, for the degradation d; what is made of d
    /// alone is kept until it changes.
    pub(crate) fn run(&mut self, image: &[f32], d: &[f32]) -> &[f32] {
        self.condition(d);
        let Self { network, plan, crew, arena, sums, states, restored, times, .. } = self;
        let program = &network.program;
        let arena = Shared::new(arena.floats());
        let work = Work { plan, crew, arena: &arena, sums: &Shared::new(sums.floats()) };
        {
            let Place { layout, start } = plan.values[program.image];
            for (channel, plane) in image.chunks_exact(layout.height * layout.width).enumerate() {
                for (row, from) in plane.chunks_exact(layout.width).enumerate() {
                    let at = start + channel * layout.plane + row * layout.row;
                    // SAFETY: nobody else is at work yet.
                    unsafe { arena.part(at, layout.width) }.copy_from_slice(from);
                }
            }
        }
        for (((stage, state), kept), time) in network.stages.iter().zip(states).zip(&plan.kept).zip(times) {
            let start = Instant::now();
            // SAFETY: the plan gives values that live at the same time places that are apart, and
            // nobody else is at work.
            unsafe { work.stage(stage, state, kept) };
            *time = start.elapsed();
        }
        let Place { layout, start } = plan.values[program.restored];
        for (channel, plane) in restored.chunks_exact_mut(layout.height * layout.width).enumerate() {
            for (row, to) in plane.chunks_exact_mut(layout.width).enumerate() {
                let at = start + channel * layout.plane + row * layout.row;
                // SAFETY: nobody is at work any more.
                to.copy_from_slice(unsafe { arena.view(at..at + layout.width) });
            }
        }
        restored
    }

    /// Makes what depends on d alone, unless it is there.
    fn condition(&mut self, d: &[f32]) {
        if self.degradation == d {
            return;
        }
        self.degradation.clear();
        for (stage, state) in self.network.stages.iter().zip(&mut self.states) {
            let Stage::Gradient { x, prompted, .. } = stage else { continue };
            match state {
                State::FloatStep { key, .. } => {
                    prompted.make(&self.crew, self.plan.values[*x].layout, d, key)
                }
                State::IntStep { key, .. } => key.make(prompted, &self.crew, d),
                _ => {}
            }
        }
        self.degradation.extend_from_slice(d);
    }
}

/// What all stages of a run work in.
struct Work<'a> {
    plan: &'a Plan,
    crew: &'a Crew,
    arena: &'a Shared<'a, f32>,
    sums: &'a Shared<'a, f32>,
}

impl Work<'_> {
    /// # Safety
    /// Nobody else may be at work in the arena, where what a stage reads must be apart from what it
    /// writes.
    unsafe fn stage(&self, stage: &Stage, state: &mut State, kept: &[Option<Place>; 2]) {
        let Self { plan, crew, arena, sums } = *self;
        // SAFETY: the caller's promise, for all that follows.
        unsafe {
            let layout = |value: Value| plan.values[value].layout;
            let read = |value: Value| arena.view(plan.values[value].range());
            let write = |value: Value| arena.within(plan.values[value].range());
            let floats = |place: &Place| arena.within(place.range());
            let bytes = |place: &Place| bytes_of(&arena.within(place.range()));
            match (stage, state, kept) {
                (Stage::Unshuffle { from, to, factor }, ..) => {
                    let from = (layout(*from), read(*from));
                    resample::unshuffle(crew, *factor, from, (layout(*to), &write(*to)));
                }
                (Stage::Conv { from, to, add, conv }, ..) => {
                    let (from, to) = ((layout(*from), read(*from)), (layout(*to), &write(*to)));
                    match conv {
                        Conv::Float(conv) => conv.run(crew, from, add.map(read), to),
                        Conv::Int(conv) => conv.run(crew, from, add.map(read), to),
                    }
                }
                (Stage::Feed { x, to, feed: Feed::Float(feed) }, ..) => {
                    feed.run(crew, layout(*x), read(*x), &write(*to));
                }
                (Stage::Feed { x, to, feed: Feed::Int(feed) }, ..) => {
                    feed.run(crew, layout(*x), read(*x), &write(*to));
                }
                (
                    Stage::Attend { x, to, attention: Attention::Float(attention) },
                    State::FloatMix(mix),
                    [Some(v), _],
                ) => {
                    let (layout, x, v) = (layout(*x), read(*x), floats(v));
                    let source = float::Source::Features(x);
                    attention.gather(crew, layout, source, None, (&v, sums), (mix, 1.0));
                    mix.apply(crew, layout, x, v.view(0..v.len()), &write(*to));
                }
                (
                    Stage::Attend { x, to, attention: Attention::Int(attention) },
                    State::IntMix(mix),
                    [Some(v), _],
                ) => {
                    let (layout, x, v) = (layout(*x), read(*x), bytes(v));
                    attention.gather(crew, layout, int::Source::Features(x), None, &v, (mix, 1.0));
                    mix.apply(crew, layout, x, v.view(0..v.len()), &write(*to));
                }
                (
                    Stage::Gradient { x, y, to, gradient: Gradient::Float { phi, phit, r }, .. },
                    State::FloatStep { key, mixes: [forth, back] },
                    [Some(v), Some(w)],
                ) => {
                    let (layout, x, y) = (layout(*x), read(*x), read(*y));
                    let (v, w) = (floats(v), floats(w));
                    // y - Φ(x) in place of Φ(x) - y: attention is odd, so x - r·φᵗ becomes x + r·φᵗ.
                    let source = float::Source::Features(x);
                    phi.gather(crew, layout, source, Some(key), (&v, sums), (forth, -1.0));
                    let source = float::Source::Mixed { mix: forth, v: v.view(0..v.len()), y };
                    phit.gather(crew, layout, source, None, (&w, sums), (back, *r));
                    back.apply(crew, layout, x, w.view(0..w.len()), &write(*to));
                }
                (
                    Stage::Gradient { x, y, to, gradient: Gradient::Int { phi, phit, r }, .. },
                    State::IntStep { key, mixes: [forth, back] },
                    [Some(v), Some(w)],
                ) => {
                    let (layout, x, y) = (layout(*x), read(*x), read(*y));
                    let (v, w) = (bytes(v), bytes(w));
                    phi.gather(crew, layout, int::Source::Features(x), Some(key), &v, (forth, 1.0));
                    let source = int::Source::Mixed { mix: forth, v: v.view(0..v.len()), y };
                    phit.gather(crew, layout, source, None, &w, (back, -r));
                    back.apply(crew, layout, x, w.view(0..w.len()), &write(*to));
                }
                _ => {}
            }
        }
    }
}
