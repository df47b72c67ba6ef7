//! `vlunet restore` as several runs beside each other (docs/scale.md).

#[path = "support/program.rs"]
mod program;

use program::{NANO, Workplace};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const JOB: &str = include_str!("../deploy/kubernetes/restore-job.yaml");
const DOCS: &str = include_str!("../docs/scale.md");

/// A folder of eleven pictures, some below others, one of which is larger than the rest.
fn footage() -> (Workplace, Vec<String>) {
    let workplace = Workplace::new();
    let mut names: Vec<String> = (0..6).map(|i| format!("{i}.png")).collect();
    names.extend((0..4).map(|i| format!("night/deep/{i}.jpg")));
    names.push("a name with spaces.webp".into());
    for name in &names {
        workplace.picture(&format!("in/{name}"));
    }
    (workplace, names)
}

/// What a run of `args` on the footage into `output` is.
fn restore<'a>(output: &'a str, args: &[&'a str]) -> Vec<&'a str> {
    [&["restore", "in", "-r", "--model", NANO, "--memory", "1GiB", "-o", output], args].concat()
}

/// Every file below a folder, with its bytes.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    found
}

fn start(workplace: &Workplace, args: &[&str]) -> Child {
    workplace.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn four_shards_at_once_give_the_same_bytes_as_one_run() {
    let (workplace, names) = footage();
    workplace.succeed(&restore("whole", &["--compare"]));
    let shards = ["1/4", "2/4", "3/4", "4/4"];
    let runs = shards.map(|shard| start(&workplace, &restore("parts", &["--compare", "--shard", shard])));
    let mut counted = 0;
    for (shard, run) in shards.into_iter().zip(runs) {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let first = text.lines().next().unwrap();
        let count = first.strip_prefix(&format!("shard {shard}: ")).unwrap();
        counted += count.strip_suffix(" of 11 pictures").unwrap().parse::<usize>().unwrap();
    }
    assert_eq!(counted, names.len());
    let whole = contents(&workplace.path("whole"));
    assert_eq!(whole.len(), 2 * names.len());
    assert_eq!(contents(&workplace.path("parts")), whole);
}

#[test]
fn a_shard_is_the_same_whatever_else_lies_in_the_folder() {
    let (workplace, _) = footage();
    let files = |args: &[&str]| -> Vec<String> {
        let rows = workplace.json(&[args, &["--json"]].concat());
        rows.as_array().unwrap().iter().map(|row| row["file"].as_str().unwrap().to_owned()).collect()
    };
    let before = files(&restore("out", &["--shard", "1/2"]));
    assert!((1..11).contains(&before.len()), "{before:?}");
    // More pictures, and another path to the same folder.
    for i in 10..30 {
        workplace.picture(&format!("in/{i}.png"));
    }
    std::os::unix::fs::symlink("in", workplace.path("elsewhere")).unwrap();
    let args = ["restore", "elsewhere", "-r", "--model", NANO, "-o", "again", "--shard", "1/2"];
    let after: Vec<String> = files(&args).iter().map(|file| file.replace("elsewhere/", "in/")).collect();
    assert!(before.iter().all(|file| after.contains(file)), "{before:?} {after:?}");
    assert!(after.len() > before.len());
}

#[test]
fn a_run_that_is_killed_goes_on_where_it_was() {
    let (workplace, names) = footage();
    workplace.succeed(&restore("whole", &["--compare"]));
    let args = restore("out", &["--compare", "--skip-existing"]);
    let output = workplace.path("out");
    // Killed as soon as something is there, until a run ends by itself.
    let mut kills = 0;
    loop {
        let before = if output.exists() { contents(&output).len() } else { 0 };
        let mut run = start(&workplace, &args);
        let begin = Instant::now();
        let ended = loop {
            if let Some(status) = run.try_wait().unwrap() {
                break Some(status);
            }
            if kills < 3 && output.exists() && contents(&output).len() > before {
                break None;
            }
            assert!(begin.elapsed() < Duration::from_secs(120));
            std::thread::sleep(Duration::from_millis(1));
        };
        if let Some(status) = ended {
            assert!(status.success());
            break;
        }
        run.kill().unwrap();
        run.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 0);
    let mut found = contents(&output);
    // What a kill may leave besides.
    found.retain(|name, _| !name.rsplit('/').next().unwrap().starts_with(".vlunet-"));
    assert_eq!(found, contents(&workplace.path("whole")));

    // Once all is there, nothing is done or changed.
    let times = || -> Vec<_> {
        let file = |name: &String| std::fs::metadata(output.join(name)).unwrap().modified().unwrap();
        names.iter().map(file).collect()
    };
    let before = times();
    let said = workplace.succeed(&args);
    assert_eq!(said.trim(), "11 of 11 were there already");
    assert_eq!(times(), before);
    // A comparison that is missing is made, as its picture alone isn't all that was asked for.
    std::fs::remove_file(output.join("0.png.compare.jpg")).unwrap();
    assert!(workplace.succeed(&args).contains("10 of 11 were there already"));
    assert!(output.join("0.png.compare.jpg").exists());
}

#[test]
fn what_is_no_shard_is_refused_with_what_one_looks_like() {
    let (workplace, _) = footage();
    for (shard, says) in [
        ("0/4", "no shard 0 of 4: they are 1/4 to 4/4"),
        ("5/4", "no shard 5 of 4: they are 1/4 to 4/4"),
        ("x", "NUMBER/COUNT, as 3/64"),
        ("3", "NUMBER/COUNT, as 3/64"),
        ("1/0", "NUMBER/COUNT, as 3/64"),
        ("1.5/4", "NUMBER/COUNT, as 3/64"),
    ] {
        workplace.refuse(&restore("out", &["--shard", shard]), &["--shard", shard, says]);
    }
}

#[test]
fn a_shard_without_pictures_is_no_error() {
    let workplace = Workplace::new();
    workplace.picture("in/a.png");
    let runs: Vec<String> =
        ["1/2", "2/2"].iter().map(|shard| workplace.succeed(&restore("out", &["--shard", shard]))).collect();
    assert!(runs.iter().any(|said| said.contains("0 of 1 pictures")), "{runs:?}");
    assert!(runs.iter().any(|said| said.contains("1 of 1 pictures")), "{runs:?}");
}

#[test]
fn the_kubernetes_jobs_own_command_restores_everything() {
    let (workplace, names) = footage();
    // The script is the YAML's last block of text, which ends where the indentation does.
    let (_, script) = JOB.split_once("            - |\n").unwrap();
    let lines = script.lines().take_while(|line| line.starts_with("              "));
    let script: String = lines.flat_map(|line| [line.trim_start(), "\n"]).collect();
    assert!(script.contains(" /footage ") && script.contains(" /restored "), "{script}");
    let local = script.replace("exec vlunet", "exec \"$VLUNET\"");
    let local = local.replace("/footage", "in").replace("/restored", "out");
    for index in 0..4 {
        let run = workplace.shell(&format!("export JOB_COMPLETION_INDEX={index} SHARDS=4\n{local}"));
        assert!(run.code == Some(0) && run.stderr.is_empty(), "{run:?}");
    }
    let mut found: Vec<String> = contents(&workplace.path("out")).into_keys().collect();
    let mut names = names;
    names.sort();
    found.sort();
    assert_eq!(found, names);
    // The job says how many shards there are in two places.
    let number = |key: &str| JOB.split_once(key).unwrap().1.lines().next().unwrap().trim_matches(['"', ' ']);
    assert_eq!(number("completions:"), number("            - name: SHARDS\n              value:"));
}

#[test]
fn the_line_for_gnu_parallel_restores_everything() {
    let (workplace, names) = footage();
    if workplace.shell("parallel --version </dev/null | grep -q GNU").code != Some(0) {
        eprintln!("skipped: GNU parallel is not there (apt-get install parallel)");
        return;
    }
    let line = DOCS.lines().find(|line| line.starts_with("seq 8 | parallel vlunet ")).unwrap();
    let line =
        line.replace(" vlunet ", " \"$VLUNET\" ").replace("footage/", "in/").replace("restored/", "out/");
    let run = workplace.shell(&format!("export PARALLEL_HOME=$PWD/.parallel; mkdir .parallel; {line}"));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(contents(&workplace.path("out")).len(), names.len());
}
