//! Whatever is wrong with a recipe, pictures, a run or a head is one clear line, and nothing is
//! lost.
#![cfg(feature = "train")]

#[path = "support/program.rs"]
mod program;
#[path = "support/training.rs"]
mod training;

use program::{Run, Workplace};
use training::{RECIPE, checkpoint, fit, workplace};

#[test]
fn a_recipe_that_makes_no_sense_is_named_with_its_line() {
    let workplace = workplace();
    let with = |from: &str, to: &str, parts: &[&str]| {
        assert!(RECIPE.contains(from), "{from}");
        workplace.write("bad.toml", RECIPE.replacen(from, to, 1));
        workplace.refuse(&fit(&["bad.toml", "--data", "data"]), parts);
    };
    with("seed = 3", "sede = 3", &["bad.toml", "line 3", "sede"]);
    with("patch = 32", "pitch = 32", &["line 8", "pitch"]);
    with("stem = 4", "stems = 4", &["line 1", "stems"]);
    with("warm_up = 2", "warmup = 2", &["line 4", "warmup"]);
    with("weight = 1", "wait = 1", &["line 16", "wait"]);
    with("task = \"denoise\"", "task = \"denoice\"", &["denoice", "low-light"]);
    with("kind = \"noise\"", "kind = \"noice\"", &["noice", "line 14"]);
    with("steps = 6", "steps = six", &["line 2"]);
    with("steps = 6", "steps = 0", &["bad.toml", "steps is out of range"]);
    with("steps = 6\n", "", &["steps", "missing"]);
    with("peak = 1e-3", "peak = nan", &["rate.peak is out of range"]);
    with("patch = 32", "patch = 33", &["patches of 33", "multiples of 32"]);
    with("dim = 10", "dim = 11", &["dim is 11"]);
    with("set = \"clean\"", "set = \"clear\"", &["no set \"clear\"", "clean"]);
    with("sigma = [25, 25]", "sigma = [55, 5]", &["sigma"]);
    workplace.refuse(&fit(&["gone.toml", "--data", "data"]), &["gone.toml", "No such file"]);
    workplace.write("bytes.toml", [0xFF, 0xFE, 0]);
    workplace.refuse(&fit(&["bytes.toml", "--data", "data"]), &["bytes.toml"]);
}

/// One error that says all of the parts, after warnings that say all of `warnings`.
fn assert_warned(run: &Run, code: i32, warnings: &[&str], parts: &[&str]) {
    assert_eq!(run.code, Some(code), "{run:?}");
    assert_eq!(run.errors().len(), usize::from(code != 0), "{run:?}");
    assert!(parts.iter().all(|part| run.errors().iter().any(|line| line.contains(part))), "{run:?}");
    let warned: Vec<_> = run.stderr.lines().filter(|line| line.starts_with("warning:")).collect();
    for warning in warnings {
        assert!(warned.iter().any(|line| line.contains(warning)), "no {warning:?}: {run:?}");
    }
}

#[test]
fn pictures_that_cannot_be_used_are_left_out_and_counted_or_refused() {
    let workplace = workplace();
    training::picture(&workplace, "data/clean/small.png", 24, 40);
    workplace.write("data/clean/broken.png", "no picture at all");
    for (input, target) in [((40, 40), Some((40, 40))), ((40, 40), Some((41, 40))), ((40, 40), None)] {
        let name = match target {
            Some((40, _)) => "whole",
            Some(_) => "other",
            None => "lonely",
        };
        training::picture(&workplace, &format!("data/rain/input/{name}.png"), input.0, input.1);
        if let Some((width, height)) = target {
            training::picture(&workplace, &format!("data/rain/target/{name}.png"), width, height);
        }
    }
    let strict = workplace.run(&fit(&["tiny.toml", "--data", "data", "--strict"]));
    strict.assert_one_clear_line(&["clean/broken.png"]);
    assert!(!workplace.path("run").exists());
    let run = workplace.run(&fit(&["tiny.toml", "--data", "data", "--stop-after", "1"]));
    let warnings = [
        "small.png: 24x40 is smaller than the 32x32 patches",
        "broken.png: not a known picture format",
        "lonely.png has no partner of the same name",
        "other.png: it has 40x40 pixels and its target 41x40",
        "4 pictures or pairs of data were left out",
    ];
    assert_warned(&run, 0, &warnings, &[]);
    std::fs::remove_file(workplace.path("data/clean/broken.png")).unwrap();
    std::fs::remove_file(workplace.path("data/clean/small.png")).unwrap();
    let strict = |parts: &[&str]| {
        workplace.refuse(
            &["fit", "tiny.toml", "--data", "data", "--strict", "--run", "b", "--head", "head.safetensors"],
            parts,
        );
    };
    strict(&["lonely.png", "no partner"]);
    std::fs::remove_file(workplace.path("data/rain/input/lonely.png")).unwrap();
    strict(&["other.png", "40x40", "41x40"]);
}

#[test]
fn a_set_with_nothing_to_learn_from_is_named() {
    let workplace = workplace();
    let bare = |data: &str, parts: &[&str]| workplace.refuse(&fit(&["tiny.toml", "--data", data]), parts);
    std::fs::create_dir_all(workplace.path("empty/clean")).unwrap();
    bare("empty", &["empty/clean", "no pictures"]);
    std::fs::create_dir_all(workplace.path("nothing")).unwrap();
    bare("nothing", &["no training pictures in nothing"]);
    bare("gone", &["gone", "No such file"]);
    workplace.write("text.tar", "this is no tar, however long it may be, as it lacks all blocks");
    bare("text.tar", &["text.tar"]);
    workplace.write("zeros.tar", [0; 1024]);
    bare("zeros.tar", &["zeros.tar", "no pictures"]);
    training::picture(&workplace, "half/rain/input/a.png", 40, 40);
    bare("half", &["set rain", "no target/"]);
    training::picture(&workplace, "little/clean/a.png", 31, 40);
    let run = workplace.run(&fit(&["tiny.toml", "--data", "little"]));
    let parts = ["set clean has no usable picture among 1"];
    assert_warned(&run, 1, &["31x40 is smaller than the 32x32 patches"], &parts);
}

#[test]
fn a_run_is_never_begun_over_another_or_resumed_as_another() {
    let workplace = workplace();
    let data = |flags: &[&'static str]| fit(&[flags, &["--data", "data"]].concat());
    workplace.refuse(&data(&["--resume"]), &["run/recipe.toml", "No such file"]);
    workplace.refuse(&data(&["tiny.toml", "--resume"]), &["no checkpoint in run"]);
    assert_eq!(workplace.run(&data(&["tiny.toml", "--stop-after", "1"])).code, Some(0));
    let before = checkpoint(&workplace, "run");
    workplace.refuse(&data(&["tiny.toml"]), &["run holds a run already", "--resume"]);
    workplace.write("other.toml", RECIPE.replace("seed = 3", "seed = 4"));
    workplace.refuse(&data(&["other.toml", "--resume"]), &["follows another recipe", "run/recipe.toml"]);
    training::head(&workplace, "another.safetensors", 2.0);
    let other_head = ["fit", "--resume", "--run", "run", "--data", "data", "--head", "another.safetensors"];
    workplace.refuse(&other_head, &["another VLM head"]);
    assert_eq!(checkpoint(&workplace, "run"), before);
    // A checkpoint of another network, or of none.
    let wide = RECIPE.replace("dim = 10", "dim = 12");
    workplace.write("run/recipe.toml", wide);
    workplace.refuse(&data(&["--resume"]), &["checkpoint.safetensors", "not of this recipe's network"]);
    let whole = std::fs::read(workplace.path("run/checkpoint.safetensors")).unwrap();
    for broken in [&whole[..whole.len() / 2], b"", b"no checkpoint"] {
        workplace.write("run/checkpoint.safetensors", broken);
        workplace.refuse(&data(&["--resume"]), &["run/checkpoint.safetensors", "safetensors"]);
    }
}

#[test]
fn a_head_that_cannot_guide_is_named() {
    let workplace = workplace();
    let with = |head: &str, parts: &[&str]| {
        workplace.refuse(&["fit", "tiny.toml", "--run", "run", "--data", "data", "--head", head], parts);
    };
    with("gone.safetensors", &["gone.safetensors", "No such file"]);
    with("nobody", &["nobody"]);
    workplace.write("text.safetensors", "no tensors");
    with("text.safetensors", &["text.safetensors"]);
    training::head(&workplace, "nan.safetensors", f32::NAN);
    with("nan.safetensors", &["nan.safetensors", "NaN"]);
    workplace.write("look.toml", format!("from_image = 0.5\n{RECIPE}"));
    workplace.refuse(&fit(&["look.toml", "--data", "data"]), &["from_image", "no image tower"]);
    workplace.write("prompt.toml", format!("{RECIPE}prompt = \"in snow\"\n"));
    workplace.refuse(&fit(&["prompt.toml", "--data", "data"]), &["no prompt \"in snow\"", "a clear photo"]);
}

#[test]
fn a_flag_that_makes_no_sense_is_named() {
    let workplace = workplace();
    let with = |flags: &[&str], parts: &[&str]| {
        workplace.refuse(&[&fit(&["tiny.toml", "--data", "data"])[..], flags].concat(), parts);
    };
    with(&["--epochs", "3"], &["--epochs"]);
    with(&["--threads", "0"], &["--threads"]);
    with(&["--stop-after", "0"], &["--stop-after"]);
    with(&["--minutes", "soon"], &["--minutes", "soon"]);
    with(&["--minutes", "NaN"], &["NaN minutes"]);
    with(&["--minutes=-1"], &["-1 minutes"]);
    with(&["--checkpoint-every", "inf"], &["inf minutes"]);
    // Which one is missing stands in the lines below.
    workplace.refuse(&["fit", "tiny.toml", "--data", "data", "--run", "run"], &["required"]);
    workplace.refuse(&fit(&["--data", "data"]), &["required"]);
    workplace.refuse(&["train"], &["train"]);
    workplace.refuse(&["synthesise", "p", "--count", "0"], &["--count"]);
    workplace.refuse(&["synthesise", "data"], &["data/clean", "files in it already"]);
    workplace.refuse(&["synthesise", "tiny.toml"], &["tiny.toml"]);
}

#[test]
fn a_shard_that_cannot_be_packed_is_one_clear_line_and_leaves_no_file() {
    let workplace = workplace();
    workplace.refuse(&["pack", "data", "-o", "out.zip"], &["out.zip", ".tar"]);
    workplace.refuse(&["pack", "gone", "-o", "out.tar"], &["gone", "No such file"]);
    workplace.refuse(&["pack", "data", "-o", "none/out.tar"], &["none"]);
    workplace.refuse(&["pack", "data", "-o", "out.tar", "--max-bytes", "many"], &["--max-bytes", "many"]);
    workplace.refuse(&["pack", "data", "-o", "out.tar", "--max-bytes", "3kB"], &["data", "3.0 kB", "fit"]);
    workplace.refuse(&["pack", "data", "-o", "out.tar", "--largest-side", "8"], &["--largest-side"]);
    workplace.write("data/clean/broken.png", "no picture at all");
    workplace.refuse(&["pack", "data", "-o", "out.tar", "--strict"], &["broken.png"]);
    let run = workplace.run(&["pack", "data", "-o", "out.tar"]);
    assert_warned(&run, 0, &["broken.png"], &[]);
    assert!(run.stdout.contains("1 left out; clean 4"), "{run:?}");
    let limited =
        Workplace::shell(&workplace, "trap '' XFSZ; ulimit -f 1; exec \"$VLUNET\" pack data -o full.tar -v");
    assert!(limited.errors()[0].contains("full.tar") && limited.code == Some(1), "{limited:?}");
    assert!(!workplace.path("full.tar").exists());
}
