//! From a checkpoint to a bundle that detects and restores, on the command line.

#[path = "support/program.rs"]
mod program;
mod support;

use program::Workplace;
use support::golden;

/// A folder with two pictures, and a bundle with a VLM head.
fn with_imported_model() -> Option<Workplace> {
    let checkpoint = golden("lightning.ckpt")?;
    let workplace = Workplace::new();
    workplace.picture("in/a.png");
    workplace.picture("in/b.jpg");
    let output = workplace.succeed(&["import", checkpoint.to_str().unwrap(), "-o", "model.vlu"]);
    assert!(output.contains("7 prompts, with a VLM head"), "{output}");
    Some(workplace)
}

#[test]
fn an_imported_model_detects_and_restores_without_being_told_the_task() {
    let Some(workplace) = with_imported_model() else { return };
    workplace.succeed(&["bundle", "verify", "--model", "model.vlu"]);

    let rows = workplace.json(&["detect", "in", "--model", "model.vlu", "--json"]);
    assert_eq!((&rows[0]["file"], &rows[1]["file"]), (&"in/a.png".into(), &"in/b.jpg".into()));
    for row in rows.as_array().unwrap() {
        let scores = row["scores"].as_object().unwrap();
        let total: f64 = scores.values().map(|score| score.as_f64().unwrap()).sum();
        assert!((total - 1.0).abs() < 1e-5 && scores.len() == 7, "{row}");
        let best = scores.iter().max_by(|a, b| a.1.as_f64().unwrap().total_cmp(&b.1.as_f64().unwrap()));
        assert_eq!(row["label"].as_str().unwrap(), best.unwrap().0);
        assert_eq!(row["clear"], false);
    }
    let restored = workplace.json(&["restore", "in", "-o", "out", "--model", "model.vlu", "--json"]);
    assert_eq!(restored[0]["label"], rows[0]["label"]);
    assert!(workplace.path("out/a.png").exists() && workplace.path("out/b.jpg").exists());
}

#[test]
fn a_picture_that_cannot_be_looked_at_leaves_the_others_detected() {
    let Some(workplace) = with_imported_model() else { return };
    workplace.write("in/c.png", "no picture");
    let run = workplace.run(&["detect", "in", "--model", "model.vlu", "--json"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("in/c.png") && !run.stderr.contains("panicked"), "{run:?}");
    let rows: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 2, "{rows}");
}

#[test]
fn weights_without_a_vlm_head_are_refused() {
    let Some(weights) = golden("vlunet.safetensors") else { return };
    let workplace = Workplace::new();
    let weights = weights.to_str().unwrap();
    workplace.refuse(&["import", weights, "-o", "model"], &["vlunet.safetensors", "no VLM head"]);
    workplace.write("model/in-the-way", "");
    workplace.refuse(&["import", weights, "-o", "model"], &["model", "exists already"]);
}
