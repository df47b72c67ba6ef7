//! What `vlunet doctor` promises, on whatever machine this is.
#![cfg(target_os = "linux")]

#[path = "support/program.rs"]
mod program;

use program::{NANO, Workplace};
use serde_json::Value;

fn report(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|e| panic!("{e}: {stdout}"))
}

#[test]
fn the_machine_is_examined_and_the_exit_code_tells_of_failures_alone() {
    let workplace = Workplace::new();
    let run = workplace.run(&["doctor", "--json", "--model", NANO, "--size", "64x48"]);
    let found = report(&run.stdout);
    let checks = found["checks"].as_array().unwrap();
    let failed = checks.iter().filter(|check| check["verdict"] == "fail").count();
    // A machine with a camera that we may not use is free to fail.
    assert_eq!(run.code, Some(i32::from(failed > 0)), "{run:?}");
    let model = checks.iter().find(|check| check["name"] == "model").unwrap();
    assert!(model["verdict"] == "ok" && model["found"].as_str().unwrap().contains("self-test passed"));
}

#[test]
fn what_is_wrong_is_told_with_what_to_do_and_fails() {
    let workplace = Workplace::new();
    workplace.write("bad.toml", "fsp = 30\n");
    let arguments = ["doctor", "--config", "bad.toml", "--model", "no/such", "--size", "64x48"];
    let run = workplace.run(&[&arguments[..], &["--json"]].concat());
    assert_eq!(run.code, Some(1), "{run:?}");
    let found = report(&run.stdout);
    assert_eq!(found["verdict"], "fail");
    for (name, said) in [("configuration", "bad.toml, line 1: unknown field `fsp`"), ("model", "no/such")] {
        let check = found["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap();
        assert!(check["found"].as_str().unwrap().contains(said), "{check}");
        assert!(check["advice"].is_string(), "{check}");
    }
    // The same for people: a table, and one line on standard error.
    let run = workplace.run(&arguments);
    assert_eq!(run.code, Some(1));
    for word in ["FAIL", "configuration", "unknown field", "what to do"] {
        assert!(run.stdout.contains(word), "{}", run.stdout);
    }
    run.assert_one_clear_line(&["checks failed"]);
}

#[test]
fn the_configurations_board_model_and_source_are_the_ones_examined() {
    let workplace = Workplace::new();
    let text = format!("source = 'v4l2:///dev/video987'\nboard = 'rock-5b'\nmodel = '{NANO}'\nthreads = 1\n");
    workplace.write("a.toml", text);
    let run = workplace.run(&["doctor", "--json", "--config", "a.toml", "--size", "64x48"]);
    let found = report(&run.stdout);
    assert!(found["checks"][0]["found"].as_str().unwrap().contains("rock-5b"), "{found}");
    assert!(found.to_string().contains("/dev/video987 isn't there"), "{found}");
    assert_eq!(run.code, Some(1), "{run:?}");
}
