//! An image tower at work.
#![allow(unsafe_code)]

use super::head::{Head, Stage};
use super::patches::Planes;
use super::row::Step;
use crate::Result;
use crate::backend::fused::crew::Crew;
use crate::backend::fused::memory::Buffer;
use crate::backend::kernels::Shared;
use crate::backend::kernels::float::{Form, moments};
use rayon::ThreadPool;
use std::sync::Arc;

/// Channels whose statistics are one thread's turn.
const CHANNELS: usize = 16;

/// Memory for a head's runs.
pub(crate) struct Session {
    head: Arc<Head>,
    crew: Crew,
    /// What each stage reads and writes in turns.
    planes: Vec<[Buffer; 2]>,
    /// The row of numbers behind the stages, likewise.
    rows: [Buffer; 2],
}

impl Session {
    /// Takes the memory for runs on the threads of a pool, or on the caller's.
    ///
    /// # Errors
    /// [`crate::Error::Model`] where there is no memory for it.
    pub(crate) fn new(head: Arc<Head>, pool: Option<Arc<ThreadPool>>) -> Result<Self> {
        let threads = pool.as_ref().map_or(1, |pool| pool.current_num_threads().max(1));
        let stages = head.stages.iter().map(|stage| stage.scratch(threads));
        let scratch = stages.chain(head.steps.iter().map(Step::scratch)).max().unwrap_or(0);
        let planes = |stage: &Stage| -> Result<[Buffer; 2]> {
            let others = if stage.blocks.is_empty() { 0 } else { stage.flat.floats() };
            Ok([Buffer::new(stage.flat.floats())?, Buffer::new(others)?])
        };
        let (mut count, mut room) = (head.statistics(), Step::room(head.statistics()));
        for step in &head.steps {
            count = step.outputs(count);
            room = room.max(Step::room(count));
        }
        Ok(Self {
            crew: Crew::new(pool, scratch)?,
            planes: head.stages.iter().map(planes).collect::<Result<_>>()?,
            rows: [Buffer::new(room)?, Buffer::new(room)?],
            head,
        })
    }

    /// The input's name.
    pub(crate) fn image(&self) -> &str {
        self.head.image()
    }

    /// Bytes of all that it holds, beside the weights.
    pub(crate) fn bytes(&mut self) -> usize {
        let buffers = self.planes.iter().chain([&self.rows]).flatten();
        self.crew.bytes() + buffers.map(Buffer::bytes).sum::<usize>()
    }

    /// The feature of a picture, `[channels, H, W]` without gaps.
    pub(crate) fn run(&mut self, image: &[f32]) -> &[f32] {
        let Self { head, crew, planes, rows } = self;
        let [mut row, mut other] = rows.each_mut().map(Buffer::floats);
        let statistics = Shared::new(&mut *row);
        let (height, width) = (head.height, head.width);
        let mut from = Planes { values: image, first: 0, row: width, plane: height * width };
        // The stage before, and where its statistics go.
        let mut before: Option<(Summary<'_>, usize)> = None;
        let mut place = 0;
        for (stage, buffers) in head.stages.iter().zip(planes) {
            let [planes, others] = buffers.each_mut().map(|buffer| Shared::new(buffer.floats()));
            let (mut x, mut to) = (planes, others);
            let chunks = stage.chunks(crew.len());
            let turns = before.as_ref().map_or(0, |(summary, _)| summary.turns());
            crew.each(chunks.count + turns, |_, turn, scratch| {
                // SAFETY: each chunk has pixels of its own, each turn statistics.
                unsafe {
                    match (&before, turn.checked_sub(chunks.count)) {
                        (Some((summary, place)), Some(turn)) => summary.make(turn, *place, &statistics),
                        _ => stage.down.run(from, (&stage.flat, &x), chunks.pixels(turn), scratch),
                    }
                }
            });
            for block in &stage.blocks {
                // SAFETY: it is read only until the next block.
                let values = unsafe { x.view(0..x.len()) };
                crew.each(chunks.count, |_, chunk, scratch| {
                    // SAFETY: each chunk has pixels of its own.
                    unsafe { block.run(&stage.flat, values, &to, chunks.pixels(chunk), scratch) };
                });
                std::mem::swap(&mut x, &mut to);
            }
            // SAFETY: no other stage writes it.
            let values = unsafe { x.view(0..x.len()) };
            let flat = &stage.flat;
            from = Planes { values, first: flat.first, row: flat.row, plane: flat.plane };
            before = Some((Summary { form: head.form, stage, values }, place));
            place += 2 * flat.channels;
        }
        if let Some((summary, place)) = before {
            // SAFETY: each turn has statistics of its own.
            crew.each(summary.turns(), |_, turn, _| unsafe { summary.make(turn, place, &statistics) });
        }
        let mut count = place;
        for step in &head.steps {
            step.run(crew, count, row, other);
            count = step.outputs(count);
            std::mem::swap(&mut row, &mut other);
        }
        &row[..count]
    }
}

/// What a stage is summed up as.
struct Summary<'a> {
    form: Form,
    stage: &'a Stage,
    values: &'a [f32],
}

impl Summary<'_> {
    fn turns(&self) -> usize {
        self.stage.flat.channels.div_ceil(CHANNELS)
    }

    /// Means, then logarithms of variances, of a turn's channels.
    ///
    /// # Safety
    /// Nobody else may have those in hands.
    unsafe fn make(&self, turn: usize, place: usize, statistics: &Shared<'_, f32>) {
        let Stage { flat, shares, epsilon, .. } = self.stage;
        for channel in turn * CHANNELS..flat.channels.min((turn + 1) * CHANNELS) {
            let plane = &self.values[channel * flat.plane + flat.first..][..flat.pixels];
            let [mean, variance] = moments(self.form, plane, shares, flat.height * flat.width);
            let spread = (variance + epsilon).ln();
            for (at, number) in [(place, mean), (place + flat.channels, spread)] {
                // SAFETY: the caller's promise.
                unsafe { statistics.part(at + channel, 1) }.fill(number);
            }
        }
    }
}
