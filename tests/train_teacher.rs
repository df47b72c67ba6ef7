//! Distillation: what a teacher's pictures do to a run, and what a run keeps of its teacher.
#![cfg(feature = "train")]

#[path = "support/program.rs"]
mod program;
#[path = "support/training.rs"]
mod training;

use program::Workplace;
use training::{RECIPE, checkpoint, workplace};
use vlunet::bundle::Bundle;
use vlunet::weights::Weights;

/// Name and version of the embedded model.
fn nano() -> String {
    let bundle = Bundle::find("nano").unwrap();
    format!("nano {}", bundle.manifest().version)
}

/// A recipe on pairs, whose teacher counts that much.
fn recipe(weight: &str) -> String {
    let data = "[[data]]\nset = \"pairs\"\ntask = \"denoise\"\nweight = 1\n";
    let start = RECIPE.split("[[data]]").next().unwrap();
    format!("{start}{data}[teacher]\nweight = {weight}\n")
}

/// A workplace with two sets of the same degraded pictures, whose clean ones differ.
fn pairs() -> Workplace {
    let workplace = workplace();
    for index in 0..4 {
        for (set, more) in [("one", 20), ("other", 40)] {
            training::picture(&workplace, &format!("{set}/pairs/input/{index}.png"), 40 + index, 44);
            // The same size, other colours.
            let target = workplace.path(&format!("{set}/pairs/target/{index}.png"));
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            let source = image::open(workplace.path(&format!("{set}/pairs/input/{index}.png"))).unwrap();
            image::imageops::colorops::brighten(&source, more).save(target).unwrap();
        }
    }
    workplace
}

/// The weights after a run on a set.
fn weights(workplace: &Workplace, run: &str, recipe: &str, set: &str, teacher: &[&str]) -> Weights {
    let start = ["fit", recipe, "--run", run, "--data", set, "--head", "head.safetensors"];
    let done = workplace.run(&[&start, teacher].concat());
    assert!(done.code == Some(0) && done.errors().is_empty(), "{done:?}");
    checkpoint(workplace, run).0
}

#[test]
fn a_teacher_that_counts_alone_takes_the_place_of_the_true_pictures() {
    let workplace = pairs();
    workplace.write("all.toml", recipe("1.0"));
    workplace.write("half.toml", recipe("0.5"));
    let nano = &["--teacher", "nano"][..];
    let one = weights(&workplace, "a", "all.toml", "one", nano);
    assert!(one == weights(&workplace, "b", "all.toml", "other", nano), "the true pictures counted");
    let half = weights(&workplace, "c", "half.toml", "one", nano);
    assert!(half != one, "the true pictures didn't count");
    assert!(half != weights(&workplace, "d", "half.toml", "other", nano), "nor did they here");
    assert!(half != weights(&workplace, "e", "half.toml", "one", &[]), "the teacher didn't count");
}

#[test]
fn a_run_that_is_resumed_keeps_its_teacher_and_its_card_names_it() {
    let workplace = pairs();
    workplace.write("half.toml", recipe("0.5"));
    let start = ["fit", "half.toml", "--run", "run", "--data", "one", "--head", "head.safetensors"];
    let run = workplace.run(&[&start[..], &["--teacher", "nano", "--stop-after", "3"]].concat());
    assert!(run.stdout.contains("--head head.safetensors --teacher nano"), "{run:?}");
    let resume = |teacher: &[&str]| {
        let resume = ["fit", "--resume", "--run", "run", "--data", "one", "--head", "head.safetensors"];
        workplace.run(&[&resume, teacher].concat())
    };
    // What the three steps have left can be taken for a teacher, too.
    let export =
        ["export", "run", "--head", "nano", "-o", "other.vlu", "--license", "none", "--data", "none"];
    workplace.succeed(&export);
    for (teacher, says) in [
        (&[][..], format!("learns from {}; give it by --teacher again", nano())),
        (&["--teacher", "other.vlu"], format!("learns from {}, and this is another model", nano())),
    ] {
        let run = resume(teacher);
        let [error] = run.errors()[..] else { panic!("{run:?}") };
        assert!(run.code == Some(1) && error.contains(&says), "{error}");
    }
    assert_eq!(checkpoint(&workplace, "run").1["step"], 3);
    assert_eq!(resume(&["--teacher", "nano"]).code, Some(0));
    let whole = weights(&workplace, "whole", "half.toml", "one", &["--teacher", "nano"]);
    assert!(checkpoint(&workplace, "run").0 == whole, "a break made a difference");
    let bundle = Bundle::open(&workplace.path("other.vlu")).unwrap();
    let card = bundle.read(bundle.manifest().card.as_ref().unwrap()).unwrap();
    let teacher = Bundle::find("nano").unwrap();
    let hash = &teacher.variant(Some(vlunet::bundle::Dtype::F32)).unwrap().restorer.sha256;
    let card = String::from_utf8(card.into_owned()).unwrap();
    assert!(
        card.contains(&format!("Distilled: the pictures of {}", nano())) && card.contains(hash),
        "{card}"
    );
}

#[test]
fn a_teacher_that_does_not_fit_is_one_line_and_leaves_no_run() {
    let workplace = pairs();
    // nano takes pictures in multiples of 16, this network in multiples of 8.
    workplace.write("fine.toml", recipe("0.5").replace("stem = 4", "stem = 1"));
    workplace.write("half.toml", recipe("0.5"));
    for (recipe, teacher, says) in [
        (
            "fine.toml",
            "nano",
            format!("the teacher {} takes patches whose sides are multiples of 16", nano()),
        ),
        ("half.toml", "none", "none: there is no such folder or .vlu file".into()),
    ] {
        let start = ["fit", recipe, "--run", "run", "--data", "one", "--head", "head.safetensors"];
        let run = workplace.run(&[&start[..], &["--teacher", teacher]].concat());
        let [error] = run.errors()[..] else { panic!("{run:?}") };
        assert!(run.code == Some(1) && error.contains(&says), "{error}");
        assert!(!workplace.path("run").exists());
    }
    weights(&workplace, "run", "half.toml", "one", &[]);
    let resume = ["fit", "--resume", "--run", "run", "--data", "one", "--head", "head.safetensors"];
    let run = workplace.run(&[&resume[..], &["--teacher", "nano"]].concat());
    let [error] = run.errors()[..] else { panic!("{run:?}") };
    assert!(error.contains("has no teacher; leave --teacher out"), "{error}");
}

#[test]
fn a_run_begins_with_the_weights_of_a_bundle() {
    let workplace = pairs();
    workplace.write("half.toml", recipe("0.5"));
    weights(&workplace, "run", "half.toml", "one", &[]);
    let export =
        ["export", "run", "--head", "nano", "-o", "first.vlu", "--license", "none", "--data", "none"];
    workplace.succeed(&export);
    // From the bundle and from the run that it was made of, the same.
    let of_run = weights(&workplace, "a", "half.toml", "other", &["--from", "run"]);
    assert!(of_run == weights(&workplace, "b", "half.toml", "other", &["--from", "first.vlu"]));
    assert!(of_run != weights(&workplace, "c", "half.toml", "other", &[]));
    // A larger network grows from it.
    let larger = recipe("0.5").replace("num_refinement_blocks = 1", "num_refinement_blocks = 2");
    workplace.write("larger.toml", larger);
    weights(&workplace, "grown", "larger.toml", "other", &["--from", "first.vlu"]);
    for (from, says) in [
        ("nano", "can't grow to the recipe's: dim 10 is no multiple of its 12"),
        ("nothing", "no such folder"),
    ] {
        let start = ["fit", "half.toml", "--run", "d", "--data", "one", "--head", "head.safetensors"];
        let run = workplace.run(&[&start[..], &["--from", from]].concat());
        let [error] = run.errors()[..] else { panic!("{run:?}") };
        assert!(run.code == Some(1) && error.contains(says), "{error}");
        assert!(!workplace.path("d").exists());
    }
}
