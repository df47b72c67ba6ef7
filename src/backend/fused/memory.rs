//! Where values lie: all of a session in one arena, sharing what no longer lives.

use super::program::{Program, Step, Value};
use crate::backend::kernels::Shared;
use crate::backend::kernels::float::LANES;
use crate::{Error, Result};
use std::ops::Range;

/// Floats on one line of the cache, where buffers begin.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Line([f32; LANES]);

/// Memory for floats that begins on a line.
#[derive(Debug, Default)]
pub(super) struct Buffer(Vec<Line>);

impl Buffer {
    /// So many floats, all zero.
    ///
    /// # Errors
    /// [`Error::Model`] where there isn't that much memory.
    pub(super) fn new(floats: usize) -> Result<Self> {
        let lines = floats.div_ceil(LANES);
        let mut memory = Vec::new();
        memory.try_reserve_exact(lines).map_err(|_| {
            Error::Model(format!("there are no {} MiB of memory for this picture", (lines * 64) >> 20))
        })?;
        memory.resize(lines, Line([0.0; LANES]));
        Ok(Self(memory))
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.len() * size_of::<Line>()
    }

    #[allow(unsafe_code)]
    pub(super) fn floats(&mut self) -> &mut [f32] {
        // SAFETY: `Line` is `repr(C)` with one field, as long as its alignment: there are no gaps.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * LANES) }
    }

    #[allow(unsafe_code)]
    pub(super) fn as_floats(&self) -> &[f32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * LANES) }
    }
}

/// Floats as the bytes that they take.
#[allow(unsafe_code)]
pub(super) fn as_bytes(floats: &mut [f32]) -> &mut [u8] {
    // SAFETY: any bits are bytes, and any bytes floats.
    unsafe { std::slice::from_raw_parts_mut(floats.as_mut_ptr().cast(), size_of_val(floats)) }
}

/// The first bytes of floats, one for each.
#[allow(unsafe_code)]
pub(super) fn bytes_of<'a>(floats: &Shared<'a, f32>) -> Shared<'a, u8> {
    // SAFETY: any bits are bytes, there are more of them than floats, and nobody reads them as floats
    // while they are bytes, since the place is the holder's alone.
    unsafe { floats.cast() }
}

/// Bytes as floats, without those before the first whole one and behind the last.
#[allow(unsafe_code)]
pub(super) fn as_floats(bytes: &mut [u8]) -> &mut [f32] {
    // SAFETY: any bytes are floats.
    unsafe { bytes.align_to_mut().1 }
}

/// Bytes as places in a slice, without those before the first whole one and behind the last.
#[allow(unsafe_code)]
pub(super) fn as_offsets(bytes: &mut [u8]) -> &mut [usize] {
    // SAFETY: any bytes are integers.
    unsafe { bytes.align_to_mut().1 }
}

/// Rounds up so that neighbours don't fall on the same lines of the cache again and again: to an
/// odd number of lines.
pub(super) fn spread(floats: usize) -> usize {
    let lines = floats.div_ceil(LANES);
    (lines | 1) * LANES
}

/// How a value lies in memory: planes of rows, each row with room for a vector behind its pixels,
/// which holds anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    /// Floats from row to row.
    pub(super) row: usize,
    /// Floats from channel to channel.
    pub(super) plane: usize,
}

impl Layout {
    pub(super) fn new(channels: usize, height: usize, width: usize) -> Self {
        let row = width.next_multiple_of(LANES) + LANES;
        Self { channels, height, width, row, plane: spread(height * row) }
    }

    /// Floats that it takes.
    pub(super) fn floats(&self) -> usize {
        self.channels * self.plane
    }
}

/// A value's place in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) layout: Layout,
    pub(super) start: usize,
}

impl Place {
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.start + self.layout.floats()
    }
}

/// Where everything lies at one size of the picture.
#[derive(Debug)]
pub(super) struct Plan {
    /// Of each value.
    pub(super) values: Vec<Place>,
    /// Of what a step keeps between its passes, if anything.
    pub(super) kept: Vec<[Option<Place>; 2]>,
    /// Floats of all.
    pub(super) floats: usize,
}

/// Something that needs memory from one step to another.
struct Need {
    layout: Layout,
    /// The steps that make and last read it.
    life: Range<usize>,
}

impl Plan {
    pub(super) fn new(program: &Program, height: usize, width: usize) -> Self {
        let layouts = program
            .values
            .iter()
            .map(|extent| Layout::new(extent.channels, height / extent.shrink, width / extent.shrink));
        let mut needs: Vec<Need> =
            layouts.map(|layout| Need { layout, life: Range { start: usize::MAX, end: 0 } }).collect();
        let count = program.steps.len();
        let mut touch = |value: Value, step: usize| {
            let life = &mut needs[value].life;
            *life = life.start.min(step)..life.end.max(step + 1);
        };
        touch(program.image, 0);
        touch(program.restored, count.saturating_sub(1));
        // Parts lie in what they are put together in, and live as long.
        let mut homes: Vec<Option<(Value, usize)>> = vec![None; program.values.len()];
        for (at, step) in program.steps.iter().enumerate() {
            for value in step.reads().into_iter().chain([step.to()]) {
                touch(value, at);
            }
            if let Step::Concat { parts, to } = step {
                let mut first = 0;
                for &part in parts {
                    homes[part] = Some((*to, first));
                    first += program.values[part].channels;
                }
            }
        }
        for (part, home) in homes.iter().enumerate() {
            if let Some((home, _)) = home {
                let life = needs[part].life.clone();
                let whole = &mut needs[*home].life;
                *whole = whole.start.min(life.start)..whole.end.max(life.end);
            }
        }
        let mut kept = vec![[None, None]; count];
        for (at, step) in program.steps.iter().enumerate() {
            let wanted = match step {
                Step::Attend { .. } => 1,
                Step::Gradient { .. } => 2,
                _ => 0,
            };
            for slot in kept[at].iter_mut().take(wanted) {
                *slot = Some(needs.len());
                needs.push(Need { layout: needs[step.to()].layout, life: at..at + 1 });
            }
        }
        let housed: Vec<bool> =
            (0..needs.len()).map(|need| homes.get(need).is_some_and(Option::is_some)).collect();
        let (starts, floats) = arrange(&needs, &housed);
        let mut places: Vec<Place> =
            needs.iter().zip(starts).map(|(need, start)| Place { layout: need.layout, start }).collect();
        for (part, home) in homes.iter().enumerate() {
            if let Some((home, first)) = home {
                let whole = places[*home];
                places[part].start = whole.start + first * whole.layout.plane;
            }
        }
        let kept = kept.iter().map(|slots| slots.map(|slot| slot.map(|need| places[need]))).collect();
        places.truncate(program.values.len());
        Self { values: places, kept, floats }
    }
}

/// Gives each need the lowest place that is free while it lives, the largest first.
fn arrange(needs: &[Need], housed: &[bool]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> =
        (0..needs.len()).filter(|&need| !housed[need] && !needs[need].life.is_empty()).collect();
    order.sort_by_key(|&need| std::cmp::Reverse(needs[need].layout.floats()));
    let (mut starts, mut total) = (vec![0; needs.len()], 0);
    let mut placed: Vec<usize> = Vec::new();
    for need in order {
        let life = &needs[need].life;
        let length = spread(needs[need].layout.floats());
        let mut taken: Vec<Range<usize>> = placed
            .iter()
            .filter(|&&other| needs[other].life.start < life.end && life.start < needs[other].life.end)
            .map(|&other| starts[other]..starts[other] + spread(needs[other].layout.floats()))
            .collect();
        taken.sort_by_key(|range| range.start);
        let mut start = 0;
        for range in taken {
            if start + length <= range.start {
                break;
            }
            start = start.max(range.end);
        }
        starts[need] = start;
        total = total.max(start + length);
        placed.push(need);
    }
    (starts, total)
}
