//! `vlunet restore` on many pictures.

#[path = "support/program.rs"]
mod program;

use program::{NANO, Run, Workplace};

/// Restores in haze, into `out`.
fn restore(workplace: &Workplace, args: &[&str]) -> Run {
    workplace.run(&[&["restore", "--task", "dehaze", "--model", NANO, "-o", "out"], args].concat())
}

fn size_of(workplace: &Workplace, name: &str) -> (u32, u32) {
    image::image_dimensions(workplace.path(name)).unwrap()
}

#[test]
fn one_bad_picture_does_not_end_a_batch() {
    let workplace = Workplace::new();
    for name in ["in/a.png", "in/c.jpg", "in/d.webp"] {
        workplace.picture(name);
    }
    workplace.write("in/b.png", b"\x89PNG\r\n\x1a\n");
    workplace.write("in/notes.txt", b"no picture at all");
    let run = restore(&workplace, &["in"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let errors = run.errors();
    assert!(errors.len() == 2 && errors[0].contains("in/b.png"), "{run:?}");
    assert!(errors[1].contains("1 of 4 pictures"), "{run:?}");
    assert!(!run.stderr.contains("panicked"));
    let written = ["out", "out/a.png", "out/c.jpg", "out/d.webp"];
    assert_eq!(workplace.listing().split_off(6), written);

    let json = workplace.run(&["restore", "in", "--task", "dehaze", "--model", NANO, "-o", "json", "--json"]);
    let rows: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json.code, Some(1));
    assert!(rows[1]["error"].as_str().unwrap().contains("in/b.png"), "{rows}");
    assert!(rows[0]["error"].is_null() && rows[0]["milliseconds"].is_number(), "{rows}");
}

#[test]
fn pictures_that_are_there_already_are_skipped() {
    let workplace = Workplace::new();
    workplace.picture("in/a.png");
    workplace.picture("in/b.png");
    workplace.write("out/a.png", b"from yesterday");
    let run = restore(&workplace, &["in", "--skip-existing"]);
    assert!(run.code == Some(0) && run.stdout.contains("1 of 2 were there already"), "{run:?}");
    assert_eq!(std::fs::read(workplace.path("out/a.png")).unwrap(), b"from yesterday");
    assert_eq!(size_of(&workplace, "out/b.png"), (32, 32));
    // Without the flag it is written anew.
    assert_eq!(restore(&workplace, &["in"]).code, Some(0));
    assert_eq!(size_of(&workplace, "out/a.png"), (32, 32));
}

#[test]
fn compare_writes_both_pictures_side_by_side() {
    let workplace = Workplace::new();
    workplace.picture("in/a.png");
    workplace.picture("in/a.jpg");
    let run = restore(&workplace, &["in", "--compare"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let written = ["out", "out/a.jpg", "out/a.jpg.compare.jpg", "out/a.png", "out/a.png.compare.jpg"];
    assert_eq!(workplace.listing().split_off(3), written);
    let (width, height) = size_of(&workplace, "out/a.png.compare.jpg");
    assert!(width >= 64 && height >= 32, "{width}x{height}");
}

#[test]
fn two_inputs_of_one_name_are_refused_before_anything_is_written() {
    let workplace = Workplace::new();
    workplace.picture("monday/a.png");
    workplace.picture("tuesday/a.png");
    let args = ["restore", "--task", "dehaze", "--model", NANO, "-o", "out"];
    workplace.refuse(
        &[&args[..], &["monday", "tuesday"]].concat(),
        &["monday/a.png", "tuesday/a.png", "out/a.png"],
    );
    workplace.refuse(&[&args[..], &["monday/a.png", "monday"]].concat(), &["out/a.png"]);
}

#[test]
fn folders_below_are_entered_when_asked_and_kept_apart() {
    let workplace = Workplace::new();
    for name in ["in/a.png", "in/day/a.png", "in/night/deep/b.jpg"] {
        workplace.picture(name);
    }
    assert_eq!(restore(&workplace, &["in"]).code, Some(0));
    assert!(workplace.path("out/a.png").exists() && !workplace.path("out/day").exists());
    let run = restore(&workplace, &["in", "--recursive", "--skip-existing"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    for name in ["out/a.png", "out/day/a.png", "out/night/deep/b.jpg"] {
        assert_eq!(size_of(&workplace, name), (32, 32));
    }
}

#[test]
fn a_second_pass_over_its_own_output_folder_is_refused() {
    let workplace = Workplace::new();
    workplace.picture("in/a.png");
    workplace.refuse(
        &["restore", "in", "--task", "dehaze", "--model", NANO, "-o", "in"],
        &["in/a.png", "would be overwritten"],
    );
    let before = std::fs::read(workplace.path("in/a.png")).unwrap();
    std::os::unix::fs::symlink("in", workplace.path("link")).unwrap();
    workplace.refuse(
        &["restore", "in", "--task", "dehaze", "--model", NANO, "-o", "link"],
        &["would be overwritten"],
    );
    assert_eq!(std::fs::read(workplace.path("in/a.png")).unwrap(), before);
}

#[test]
fn a_picture_in_a_subfolder_is_never_overwritten() {
    let workplace = Workplace::new();
    workplace.picture("in/a.png");
    workplace.picture("in/sub/a.png");
    let before = std::fs::read(workplace.path("in/sub/a.png")).unwrap();
    workplace.refuse(
        &["restore", "in", "--recursive", "--task", "dehaze", "--model", NANO, "-o", "in/sub"],
        &["in/sub/a.png", "would be overwritten"],
    );
    assert_eq!(std::fs::read(workplace.path("in/sub/a.png")).unwrap(), before);
}

#[test]
fn a_second_run_leaves_out_what_the_first_one_wrote() {
    let workplace = Workplace::new();
    workplace.picture("in/a.png");
    let again =
        ["restore", "in", "-r", "--task", "dehaze", "--model", NANO, "-o", "in/out", "--skip-existing"];
    for _ in 0..2 {
        workplace.succeed(&again);
        assert_eq!(workplace.listing(), ["in", "in/a.png", "in/out", "in/out/a.png"]);
    }
}
