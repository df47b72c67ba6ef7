//! What extents a program's values have, and whether its steps fit together.

use super::super::program::{Attention, Extent, Norm, Resample, Step, Value};

/// What the constants of a graph say of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known {
    Channels {
        of: Value,
        channels: usize,
    },
    /// Height and width.
    Sides {
        of: Value,
        sides: [usize; 2],
    },
}

/// The picture's channels.
const RGB: usize = 3;

/// The extents of all values, none where a step can't be computed or does not fit what is known;
/// `size` is the picture's, where the graph fixes it.
pub(super) fn find(
    steps: &[Step],
    image: Value,
    count: usize,
    known: &[Known],
    size: Option<[usize; 2]>,
) -> Option<Vec<Extent>> {
    let mut extents = vec![None; count];
    *extents.get_mut(image)? = Some(Extent { channels: RGB, shrink: 1 });
    for step in steps {
        let (to, extent) = result(step, |value| extents.get(value).copied().flatten())?;
        let place = extents.get_mut(to)?;
        if place.replace(extent).is_some() {
            return None;
        }
    }
    let extents: Vec<Extent> = extents.into_iter().collect::<Option<_>>()?;
    // A picture of fixed size has whole pixels everywhere.
    let whole = |extent: &Extent| {
        size.is_none_or(|sides| sides.iter().all(|side| side.is_multiple_of(extent.shrink)))
    };
    let as_known = |known: &Known| match *known {
        Known::Channels { of, channels } => extents.get(of).is_some_and(|of| of.channels == channels),
        Known::Sides { of, sides } => {
            extents.get(of).zip(size).is_some_and(|(of, size)| size.map(|side| side / of.shrink) == sides)
        }
    };
    (extents.iter().all(whole) && known.iter().all(as_known)).then_some(extents)
}

/// What a step gives of what it takes.
fn result(step: &Step, of: impl Fn(Value) -> Option<Extent>) -> Option<(Value, Extent)> {
    match step {
        Step::Unshuffle { from, to, factor } => {
            let from = of(*from)?;
            Some((*to, moved(from, from.channels, Resample::Unshuffle(*factor))?))
        }
        Step::Conv { from, to, layer, resample, add } => {
            let from = of(*from)?;
            let extent = moved(from, layer.outputs, *resample)?;
            let added = match add {
                Some(add) => of(*add)? == extent,
                None => true,
            };
            (layer.inputs == from.channels && added).then_some((*to, extent))
        }
        Step::Concat { parts, to } => {
            let parts = parts.iter().map(|part| of(*part)).collect::<Option<Vec<Extent>>>()?;
            let shrink = parts.first()?.shrink;
            let channels = parts.iter().try_fold(0usize, |sum, part| sum.checked_add(part.channels))?;
            let alike = parts.iter().all(|part| part.shrink == shrink);
            alike.then_some((*to, Extent { channels, shrink }))
        }
        Step::Attend { x, to, norm, attention } => {
            let x = of(*x)?;
            (is_of(norm, x) && channels(attention) == x.channels).then_some((*to, x))
        }
        Step::Feed { x, to, norm, gdfn } => {
            let x = of(*x)?;
            (is_of(norm, x) && gdfn.point.inputs == x.channels).then_some((*to, x))
        }
        Step::Gradient { x, y, to, prompt, phi, phit, .. } => {
            let x = of(*x)?;
            let key = phi.key.as_ref()?;
            let fits = of(*y)? == x
                && [channels(phi), channels(phit)] == [x.channels; 2]
                && x.channels.checked_mul(prompt.channels)? == key.point.len();
            fits.then_some((*to, x))
        }
    }
}

/// What becomes of `channels` at the size of `from`.
fn moved(from: Extent, channels: usize, resample: Resample) -> Option<Extent> {
    let shrink = from.shrink;
    match resample {
        Resample::Keep => Some(Extent { channels, shrink }),
        Resample::Unshuffle(factor) => Some(Extent {
            channels: channels.checked_mul(factor.checked_mul(factor)?)?,
            shrink: shrink.checked_mul(factor)?,
        }),
        Resample::Shuffle(factor) => {
            let parts = factor.checked_mul(factor)?;
            let whole = channels.is_multiple_of(parts) && shrink.is_multiple_of(factor);
            whole.then(|| Extent { channels: channels / parts, shrink: shrink / factor })
        }
    }
}

/// What an attention takes and gives.
fn channels(attention: &Attention) -> usize {
    attention.point.inputs
}

fn is_of(norm: &Norm, x: Extent) -> bool {
    norm.gain.len() == x.channels
}
