//! Where values lie.

use super::super::memory::Plan;
use super::super::network::Network;
use super::super::program::{Program, Step};
use super::{float_forms, onnx, program, small};
use std::ops::Range;

#[test]
fn values_that_live_at_the_same_time_lie_apart() {
    for stem in [1, 2, 4] {
        let program = program(&onnx(&small(stem), 1));
        let plan = Plan::new(&program, 16 * stem, 40 * stem);
        let range = |value: usize| plan.values[value].range();
        let apart = |a: &Range<usize>, b: &Range<usize>| a.end <= b.start || b.end <= a.start;
        // What each value holds must not be written before the last step that reads it.
        let last_read: Vec<usize> = (0..program.values.len())
            .map(|value| program.steps.iter().rposition(|step| step.reads().contains(&value)).unwrap_or(0))
            .collect();
        let mut made = vec![program.image];
        for (at, step) in program.steps.iter().enumerate() {
            let kept = plan.kept[at].iter().flatten().map(|place| place.range());
            let written: Vec<Range<usize>> = kept.chain([range(step.to())]).collect();
            for (index, one) in written.iter().enumerate() {
                assert!(one.end <= plan.floats, "{stem}: step {at}");
                assert!(written[..index].iter().all(|other| apart(one, other)), "{stem}: step {at}");
            }
            // Parts lie in the whole.
            if let Step::Concat { parts, to } = step {
                for part in parts {
                    let (part, whole) = (range(*part), range(*to));
                    assert!(whole.start <= part.start && part.end <= whole.end, "{stem}: step {at}");
                }
            } else {
                for &value in made.iter().filter(|value| last_read[**value] >= at) {
                    assert!(
                        written.iter().all(|one| apart(one, &range(value))),
                        "{stem}: step {at}, {value}"
                    );
                }
            }
            made.push(step.to());
        }
    }
}

#[test]
fn a_value_that_would_have_to_lie_at_two_places_is_refused() {
    let program = program(&onnx(&small(1), 1));
    let with = |change: &dyn Fn(&mut Vec<usize>, usize)| {
        let mut changed: Program = program.clone();
        let mut last = 0;
        for step in &mut changed.steps {
            if let Step::Concat { parts, to } = step {
                change(parts, last);
                last = *to;
            }
        }
        Network::of(changed, float_forms().pop().unwrap()).is_some()
    };
    assert!(with(&|_, _| {}));
    assert!(!with(&|parts, _| parts[1] = parts[0]));
    assert!(!with(&|parts, last| parts[0] = last));
}
