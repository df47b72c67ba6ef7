//! A restorer in fused blocks takes its memory when a session is made, says how much that is, and takes
//! none afterwards.

#[path = "support/allocations.rs"]
mod allocations;

use allocations::{Counting, count, count_this_thread, held};
use ndarray::ArrayD;
use vlunet::backend::{Input, Model, Options};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn model(dtype: &str) -> Model {
    let path = format!("{}/models/nano/restorer.{dtype}.onnx", env!("CARGO_MANIFEST_DIR"));
    let options = Options { threads: 1, ..Options::default() };
    let model = Model::open(&std::fs::read(path).unwrap(), "nano", &options).unwrap();
    assert!(model.is_fused());
    model
}

/// Sizes whose rows are one tile and several, few and many.
const SIZES: [[usize; 2]; 3] = [[16, 16], [48, 1008], [368, 640]];

#[test]
fn runs_after_the_first_allocate_nothing() {
    count_this_thread();
    for dtype in ["f32", "int8"] {
        let model = model(dtype);
        for [height, width] in SIZES {
            let shape = [1, 3, height, width];
            let mut session = model.session(&[("image", &shape), ("degradation", &[1, 512])]).unwrap();
            let image = ArrayD::from_elem(shape.as_slice(), 0.5);
            let d = ArrayD::from_elem(vec![1, 512], 0.01);
            let mut run = || {
                let inputs = [("image", Input::F32(image.view())), ("degradation", Input::F32(d.view()))];
                let outputs = session.run(&inputs).unwrap();
                assert_eq!(outputs.get("restored").unwrap().shape(), shape);
            };
            run();
            let before = count();
            (0..3).for_each(|_| run());
            assert_eq!(count() - before, 0, "allocations in three runs of {dtype} at {width}x{height}");
        }
    }
}

#[test]
fn a_session_says_how_much_memory_it_takes() {
    for dtype in ["f32", "int8"] {
        let model = model(dtype);
        for [height, width] in SIZES {
            let shapes: [(&str, &[usize]); 2] =
                [("image", &[1, 3, height, width]), ("degradation", &[1, 512])];
            let before = held();
            let mut session = model.session(&shapes).unwrap();
            let taken = (held() - before) as f64;
            let said = session.memory().unwrap() as f64;
            println!("{dtype} at {width}x{height}: {said} bytes of {taken}");
            assert!((0.95..=1.0).contains(&(said / taken)), "{dtype}, {width}x{height}: {said} of {taken}");
        }
    }
}
