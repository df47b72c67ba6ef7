//! What a session keeps from run to run.

use super::{Inputs, float_forms, nano, network, onnx, program, small};

/// A session that sees one degradation after another gives what fresh ones give.
fn assert_follows(onnx: &[u8]) {
    let network = network(&program(onnx), float_forms().pop().unwrap());
    let [one, other] = [1, 2].map(|seed| Inputs::new(32, 48, seed));
    let mixed = Inputs { d: other.d.clone(), ..one.clone() };
    for threads in [1, 2] {
        let mut fresh = [&one, &mixed, &other].map(|inputs| (inputs, inputs.session(&network, threads)));
        let expected = fresh.each_mut().map(|(inputs, session)| session.run(&inputs.image, &inputs.d));
        assert!(expected[0] != expected[1] && expected[1] != expected[2]);
        let mut session = one.session(&network, threads);
        for at in [0, 1, 2, 2, 0, 0, 1] {
            let inputs = [&one, &mixed, &other][at];
            let found = session.run(&inputs.image, &inputs.d);
            assert!(found == expected[at], "{at} on {threads} threads");
        }
    }
}

#[test]
fn a_session_of_floats_follows_changes_of_the_degradation() {
    assert_follows(&onnx(&small(2), 1));
}

#[test]
fn a_session_of_integers_follows_changes_of_the_degradation() {
    assert_follows(&nano("int8"));
}

#[test]
fn a_session_gives_the_same_picture_each_time() {
    for file in [onnx(&small(1), 2), nano("int8")] {
        let network = network(&program(&file), float_forms().pop().unwrap());
        let inputs = Inputs::new(160, 64, 3);
        for threads in [1, 2, 3] {
            let mut session = inputs.session(&network, threads);
            let first = session.run(&inputs.image, &inputs.d).to_vec();
            for _ in 0..5 {
                assert!(session.run(&inputs.image, &inputs.d) == first, "on {threads} threads");
            }
        }
    }
}

#[test]
fn a_profile_has_a_block_for_each_step_and_all_of_the_work() {
    let program = program(&onnx(&small(1), 1));
    let network = network(&program, float_forms().pop().unwrap());
    let inputs = Inputs::new(16, 24, 1);
    let mut session = inputs.session(&network, 1);
    session.run(&inputs.image, &inputs.d);
    let blocks = session.profile();
    assert_eq!(blocks.len(), program.steps.len());
    let heaviest = blocks.iter().max_by_key(|block| block.macs).unwrap();
    assert!(heaviest.macs > 0 && blocks.iter().any(|block| !block.time.is_zero()), "{blocks:?}");
}
