//! The trainer's command line: a run from nothing to its checkpoint, and whatever can be wrong.
#![cfg(feature = "train")]

#[path = "support/program.rs"]
mod program;
#[path = "support/training.rs"]
mod training;

use program::Workplace;
use training::{RECIPE, checkpoint, fit, workplace};

#[test]
fn pictures_that_the_program_makes_train_a_network_from_end_to_end() {
    let workplace = Workplace::of(env!("CARGO_BIN_EXE_vlunet-train"));
    training::head(&workplace, "head.safetensors", 1.0);
    workplace.write("tiny.toml", RECIPE);
    let said = workplace.succeed(&["synthesise", "pictures", "--count", "4"]);
    assert!(said.contains("4 pictures in pictures/clean"), "{said}");
    let run = workplace.run(&fit(&["tiny.toml", "--data", "pictures"]));
    assert!(run.code == Some(0) && run.errors().is_empty(), "{run:?}");
    assert!(run.stdout.contains("the run is done: run"), "{run:?}");
    // Where there is no terminal, progress is lines.
    assert!(run.stderr.contains("step 6: loss 0.") && run.stderr.contains("held out"), "{run:?}");
    let journal = std::fs::read_to_string(workplace.path("run/journal.jsonl")).unwrap();
    let events: Vec<serde_json::Value> =
        journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 2, "{journal}");
    assert_eq!((&events[0]["event"], &events[0]["step"]), (&"train".into(), &6.into()), "{journal}");
    assert!(events[1]["psnr"]["denoise"][0].as_f64().unwrap() > 19.0, "{journal}");
    let (weights, progress) = checkpoint(&workplace, "run");
    assert_eq!((&progress["step"], &progress["pictures"]), (&6.into(), &12.into()));
    weights.check_finite().unwrap();
    // The finished run is not begun again by going on with it.
    let run = workplace.run(&fit(&["--data", "pictures", "--resume"]));
    assert!(run.code == Some(0) && run.stdout.contains("the run is done"), "{run:?}");
    assert_eq!(checkpoint(&workplace, "run").0, weights);
}

#[test]
fn a_run_that_was_stopped_and_resumed_has_the_same_weights_bit_by_bit() {
    let workplace = workplace();
    let steps = |run: &str, flags: &[&str]| {
        let run = workplace
            .run(&[&["fit", "--run", run, "--data", "data", "--head", "head.safetensors"], flags].concat());
        assert!(run.code == Some(0) && run.errors().is_empty(), "{run:?}");
        run
    };
    steps("whole", &["tiny.toml", "--threads", "2"]);
    let run = steps("parts", &["tiny.toml", "--threads", "2", "--stop-after", "3"]);
    let advice = "go on with: vlunet-train fit --resume --run parts --data data --head head.safetensors";
    assert!(run.stdout.contains(advice), "{run:?}");
    let (half, progress) = checkpoint(&workplace, "parts");
    assert_eq!(progress["step"], 3);
    // Nor does the number of threads matter.
    steps("parts", &["--resume", "--threads", "1"]);
    let (whole, parts) = (checkpoint(&workplace, "whole").0, checkpoint(&workplace, "parts").0);
    assert!(whole == parts, "the weights differ");
    assert!(whole != half);
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_ends_well() {
    let workplace = workplace();
    workplace.write("long.toml", RECIPE.replace("steps = 6\n", "steps = 1000000\n"));
    let mut command = workplace.command(&fit(&["long.toml", "--data", "data", "--checkpoint-every", "1000"]));
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    // The journal is opened when the first step begins.
    let start = std::time::Instant::now();
    while !workplace.path("run/journal.jsonl").exists() {
        assert!(start.elapsed().as_secs() < 60, "it never began");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said} {:?}", String::from_utf8(output.stderr));
    assert!(said.contains("the run stopped and is saved; go on with: vlunet-train fit --resume"), "{said}");
    let before = checkpoint(&workplace, "run").1["step"].as_u64().unwrap();
    assert!(before >= 1);
    let run = workplace.run(&fit(&["--data", "data", "--resume", "--stop-after", "1"]));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(checkpoint(&workplace, "run").1["step"], before + 1);
}

#[test]
fn a_loss_that_is_no_number_names_the_last_good_checkpoint_and_leaves_it() {
    let workplace = workplace();
    // Steps of the size of the weights themselves, until the features overflow.
    let wild = RECIPE
        .replace("steps = 6", "steps = 200")
        .replace("seed = 3", "seed = 3\noptimizer = { clip = 1e9 }")
        .replace("peak = 1e-3, warm_up = 2", "peak = 1.0, warm_up = 4");
    workplace.write("wild.toml", wild);
    let start = [
        "fit",
        "wild.toml",
        "--checkpoint-every",
        "0",
        "--run",
        "run",
        "--data",
        "data",
        "--head",
        "head.safetensors",
    ];
    let run = workplace.run(&start);
    let [error] = run.errors()[..] else { panic!("{run:?}") };
    assert_eq!(run.code, Some(1));
    assert!(error.contains("the loss became") && error.contains("run/checkpoint.safetensors"), "{error}");
    let (weights, progress) = checkpoint(&workplace, "run");
    weights.check_finite().unwrap();
    assert!(error.contains(&format!("at step {}:", progress["step"].as_u64().unwrap() + 1)), "{error}");
}
