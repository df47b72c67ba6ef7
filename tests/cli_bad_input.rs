//! Whatever is wrong with a picture, a path or a flag is one clear line, and leaves no file.

#[path = "support/bundle.rs"]
mod bundle;
#[path = "support/program.rs"]
mod program;

use program::{NANO, Workplace};

/// `vlunet restore` in haze, of this input to this output.
fn restore<'a>(input: &'a str, output: &'a str) -> [&'a str; 8] {
    ["restore", input, "-o", output, "--task", "dehaze", "--model", NANO]
}

#[test]
fn a_bad_picture_is_named() {
    let workplace = Workplace::new();
    workplace.picture("whole.png");
    let whole = std::fs::read(workplace.path("whole.png")).unwrap();
    workplace.write("cut.png", &whole[..whole.len() / 2]);
    workplace.write("text.png", "Dear diary, today I went for a walk.\n");
    workplace.write("empty.png", "");
    // A header that promises 100000x100000 pixels.
    let mut huge = whole.clone();
    huge[16..24].copy_from_slice(&[100_000_u32.to_be_bytes(), 100_000_u32.to_be_bytes()].concat());
    let sum = crc32(&huge[12..29]);
    huge[29..33].copy_from_slice(&sum.to_be_bytes());
    workplace.write("huge.png", &huge);

    workplace.refuse(&restore("cut.png", "out.png"), &["cut.png", "truncated"]);
    workplace.refuse(&restore("text.png", "out.png"), &["text.png", "not a known picture format"]);
    workplace.refuse(&restore("empty.png", "out.png"), &["empty.png", "empty"]);
    workplace.refuse(&restore("huge.png", "out.png"), &["huge.png", "100000x100000", "limit"]);
    workplace.refuse(&restore("gone.png", "out.png"), &["gone.png", "No such file"]);
}

/// The checksum of PNG chunks.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 * (sum & 1)))
    })
}

#[test]
fn a_folder_without_pictures_is_named() {
    let workplace = Workplace::new();
    workplace.write("papers/notes.txt", "no picture");
    workplace.refuse(&restore("papers", "out"), &["papers", "no pictures"]);
    workplace.refuse(&restore("nowhere/", "out"), &["nowhere", "No such file"]);
    workplace.refuse(&["detect", "papers", "--model", NANO], &["papers", "no pictures"]);
    workplace.refuse(&["eval", "-d", "papers", "--task", "rain", "--model", NANO], &["papers"]);
    workplace.refuse(&["eval", "-d", "nowhere", "--task", "rain", "--model", NANO], &["nowhere"]);
}

#[test]
fn a_folder_that_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let workplace = Workplace::new();
    workplace.picture("locked/a.png");
    let mode =
        |mode| std::fs::set_permissions(workplace.path("locked"), PermissionsExt::from_mode(mode)).unwrap();
    mode(0o000);
    if std::fs::read_dir(workplace.path("locked")).is_ok() {
        eprintln!("skipped: this user may read every folder");
    } else {
        let run = workplace.run(&restore("locked", "out"));
        run.assert_one_clear_line(&["locked", "Permission denied"]);
    }
    mode(0o755);
    assert_eq!(workplace.listing(), ["locked", "locked/a.png"]);
}

#[test]
fn an_output_that_cannot_be_is_named() {
    let workplace = Workplace::new();
    workplace.picture("a.png");
    workplace.picture("in/b.png");
    workplace.write("file", "not a folder");
    workplace.refuse(&restore("in", "file"), &["file"]);
    workplace.refuse(&restore("in", "file/below"), &["file/below"]);
    workplace.refuse(&restore("a.png", "file/out.png"), &["file"]);
    workplace.refuse(&restore("a.png", "a.png"), &["a.png would be overwritten"]);
    workplace.refuse(&restore("a.png", "./in/../a.png"), &["a.png would be overwritten"]);
    workplace.refuse(&restore("a.png", "out.gif"), &["out.gif", ".gif"]);
    workplace.refuse(&["bundle", "pack", "--model", NANO, "-o", "nano.zip"], &["nano.zip", ".vlu"]);
    workplace.refuse(&["bundle", "pack", "--model", NANO, "-o", "none/nano.vlu"], &["none"]);
    workplace.refuse(&["export", "--model", NANO, "-o", "file"], &["file"]);
}

#[test]
fn a_flag_that_makes_no_sense_is_named() {
    let workplace = Workplace::new();
    workplace.picture("a.png");
    let with = |flags: &[&str], parts: &[&str]| {
        workplace
            .refuse(&[&["restore", "a.png", "-o", "out.png", "--model", NANO][..], flags].concat(), parts);
    };
    with(&["--task", "nonsense"], &["nonsense", "dehaze", "low light"]);
    with(&["--strength", "2"], &["--strength", "'2'"]);
    with(&["--strength", "NaN"], &["--strength"]);
    with(&["--strength=-0.1"], &["--strength"]);
    with(&["--memory", "12parsecs"], &["--memory", "12parsecs"]);
    with(&["--memory", "1kB"], &["--memory", "1MiB"]);
    with(&["--quality", "0"], &["--quality"]);
    with(&["--threads", "0"], &["--threads"]);
    with(&["--threads", "100000"], &["--threads"]);
    with(&["--task", "rain", "--backend", "tensorrt"], &["GPU: "]);
    // The embedded bundle leaves float16 to the folder.
    let without = ["restore", "a.png", "-o", "out.png", "--task", "rain", "--dtype", "f16"];
    workplace.refuse(&without, &["f16", "f32"]);
    workplace.refuse(&["info", "--size", "640"], &["--size", "WIDTHxHEIGHT"]);
    workplace.refuse(&["info", "a.png"], &["a.png"]);
    workplace.refuse(&["info", "gigantic"], &["gigantic", "nano"]);
    workplace.refuse(&["eval", "-d", ".", "--task", "rain", "--noise", "-5", "--model", NANO], &["-5"]);
    workplace.refuse(&["import", "a.png", "-o", "out"], &["a.png"]);
    workplace.refuse(&["import", "gone.ckpt", "-o", "out"], &["gone.ckpt"]);
}

#[test]
fn a_model_that_cannot_detect_says_so() {
    let workplace = Workplace::new();
    workplace.picture("a.png");
    bundle::builder(bundle::identity()).write(&workplace.path("headless")).unwrap();
    workplace.refuse(&["detect", "a.png", "--model", "headless"], &["headless", "no VLM head"]);
    let restore = ["restore", "a.png", "-o", "out.png", "--model", "headless"];
    workplace.refuse(&restore, &["no VLM head", "--task"]);
}

#[test]
fn a_full_disk_is_one_clear_line_and_leaves_nothing_partial() {
    let workplace = Workplace::new();
    workplace.picture("a.bmp");
    workplace.write("old/out.bmp", "from yesterday");
    let before = workplace.listing();
    // A file of more than 1 KiB fails as on a full disk.
    let limited = |args: &str| {
        let line = format!("trap '' XFSZ; ulimit -f 1; exec \"$VLUNET\" {args} --model '{NANO}'");
        workplace.shell(&line)
    };
    let run = limited("restore a.bmp -o out.bmp --task rain");
    run.assert_one_clear_line(&["out.bmp", "File too large"]);
    let run = limited("restore a.bmp -o old/out.bmp --task rain");
    run.assert_one_clear_line(&["old/out.bmp", "File too large"]);
    let run = limited("bundle pack -o nano.vlu");
    run.assert_one_clear_line(&["nano.vlu", "File too large"]);
    let run = limited("export -o .");
    run.assert_one_clear_line(&["restorer.int8.onnx", "File too large"]);
    assert_eq!(workplace.listing(), before);
    assert_eq!(std::fs::read(workplace.path("old/out.bmp")).unwrap(), b"from yesterday");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_one_clear_line() {
    let workplace = Workplace::new();
    let run = workplace.shell("\"$VLUNET\" info full > /dev/full");
    run.assert_one_clear_line(&["standard output", "No space left"]);
}
