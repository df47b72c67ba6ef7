//! Keys, signatures, installation, probation and rollback, as a person and a fleet use them.
#![cfg(unix)]

#[path = "support/bundle.rs"]
mod bundle;
#[path = "support/program.rs"]
mod program;

use program::{Run, Workplace};
use serde_json::Value;

/// A folder with a key that is trusted, `maker.key` and `keys/maker.pub`.
fn with_key() -> Workplace {
    let workplace = Workplace::new();
    workplace.write("keys/README", "");
    workplace.succeed(&["bundle", "keygen", "maker", "--no-password"]);
    std::fs::copy(workplace.path("maker.pub"), workplace.path("keys/maker.pub")).unwrap();
    workplace
}

/// A signed bundle of this version.
fn signed(workplace: &Workplace, version: &str) -> String {
    let name = format!("tiny-{version}.vlu");
    let mut builder = bundle::builder(bundle::identity());
    builder.version = version.parse().unwrap();
    builder.write(&workplace.path(&name)).unwrap();
    workplace.succeed(&["bundle", "sign", "--key", "maker.key", &name]);
    name
}

fn install(workplace: &Workplace, name: &str, probation: &str) -> String {
    let place = ["--keys", "keys", "--store", "models", "--size", "16x16"];
    let args = [&["bundle", "install", name, "--probation", probation][..], &place].concat();
    workplace.succeed(&args)
}

/// The one entry of the list that stands like this.
fn standing(workplace: &Workplace, standing: &str) -> Option<Value> {
    let list = workplace.json(&["bundle", "list", "--store", "models", "--json"]);
    let list = list.as_array().unwrap().clone();
    list.into_iter().find(|entry| entry["standing"].as_array().unwrap().iter().any(|s| s == standing))
}

fn version(workplace: &Workplace, at: &str) -> Option<String> {
    standing(workplace, at).map(|entry| entry["version"].as_str().unwrap().to_owned())
}

/// The live loop with what is installed, on a source.
fn run_loop(workplace: &Workplace, source: &str, time: &str) -> Run {
    let model = ["--model", "models/tiny/current", "--task", "haze", "--threads", "1"];
    let args =
        [&["run", "--source", source, "--sink", "null:", "--duration", time, "--json"][..], &model].concat();
    workplace.run(&args)
}

const ROAD: &str = "synthetic:road?size=64x48&fps=20&weather=fog";

#[test]
fn a_signature_is_made_checked_and_kept_in_the_pack() {
    let workplace = with_key();
    let mode = |name: &str| {
        let metadata = std::fs::metadata(workplace.path(name)).unwrap();
        std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777
    };
    assert_eq!(mode("maker.key"), 0o600);
    workplace.refuse(&["bundle", "keygen", "maker", "--no-password"], &["maker.key", "not overwritten"]);
    workplace.refuse(&["bundle", "keygen", "other"], &["--password-file", "--no-password"]);

    bundle::builder(bundle::identity()).write(&workplace.path("tiny")).unwrap();
    let said = workplace.succeed(&["bundle", "verify", "--model", "tiny", "--keys", "keys"]);
    assert!(said.contains("not signed"), "{said}");
    workplace.refuse(&["bundle", "verify", "--model", "tiny", "--key", "maker.pub"], &["tiny", "not signed"]);
    workplace.succeed(&["bundle", "sign", "--key", "maker.key", "tiny"]);
    workplace.succeed(&["bundle", "pack", "--model", "tiny", "-o", "tiny.vlu"]);
    for model in ["tiny", "tiny.vlu"] {
        for keys in [["--key", "maker.pub"], ["--keys", "keys"]] {
            let said = workplace.succeed(&[&["bundle", "verify", "--model", model][..], &keys].concat());
            assert!(said.contains("signed with the key maker.pub"), "{said}");
        }
        let said = workplace.succeed(&["bundle", "verify", "--model", model, "--keys", "nowhere"]);
        assert!(said.contains("a key that is not in nowhere"), "{said}");
    }
    // A manifest that still fits its files, and not its signature.
    let manifest = std::fs::read_to_string(workplace.path("tiny/manifest.toml")).unwrap();
    workplace.write("tiny/manifest.toml", manifest.replace("version = \"1.2.3\"", "version = \"9.2.3\""));
    for keys in [["--key", "maker.pub"], ["--keys", "keys"]] {
        let args = [&["bundle", "verify", "--model", "tiny"][..], &keys].concat();
        workplace.refuse(&args, &["maker.pub", "altered"]);
    }
    // What is damaged is not signed.
    workplace.write("tiny/manifest.toml", manifest);
    workplace.write("tiny/golden.safetensors", "");
    workplace.refuse(&["bundle", "sign", "--key", "maker.key", "tiny"], &["golden.safetensors"]);
    workplace.refuse(&["bundle", "sign", "--key", "maker.pub", "tiny.vlu"], &["maker.pub", "no secret key"]);
}

#[test]
fn a_secret_key_with_a_password_opens_with_that_alone() {
    let workplace = Workplace::new();
    workplace.write("password", "correct horse\n");
    workplace.write("wrong", "battery staple\n");
    workplace.succeed(&["bundle", "keygen", "maker", "--password-file", "password"]);
    bundle::builder(bundle::identity()).write(&workplace.path("tiny.vlu")).unwrap();
    let sign = ["bundle", "sign", "--key", "maker.key", "tiny.vlu"];
    workplace.refuse(&sign, &["maker.key", "--password-file"]);
    workplace.refuse(&[&sign[..], &["--password-file", "wrong"]].concat(), &["maker.key", "password"]);
    workplace.succeed(&[&sign[..], &["--password-file", "password"]].concat());
    workplace.succeed(&["bundle", "verify", "--model", "tiny.vlu", "--key", "maker.pub"]);
}

#[test]
fn a_model_is_installed_proved_by_the_loop_and_rolled_back() {
    let workplace = with_key();
    let said = workplace.succeed(&["bundle", "list", "--store", "models"]);
    assert!(said.contains("no model is installed"), "{said}");
    let said = install(&workplace, &signed(&workplace, "1.0.0"), "0s");
    assert!(said.contains("maker.pub") && said.contains("confirmed"), "{said}");
    let newer = signed(&workplace, "1.1.0");
    let said = install(&workplace, &newer, "1s");
    assert!(said.contains("on probation for 1s"), "{said}");
    assert!(install(&workplace, &newer, "1s").contains("nothing is changed"));
    assert_eq!(version(&workplace, "probation").as_deref(), Some("1.1.0"));
    assert_eq!(version(&workplace, "previous").as_deref(), Some("1.0.0"));

    let run = run_loop(&workplace, ROAD, "6s");
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(version(&workplace, "probation"), None, "{run:?}");
    assert_eq!(version(&workplace, "current").as_deref(), Some("1.1.0"));
    let place = ["--keys", "keys", "--store", "models"];
    let older = [&["bundle", "install", "tiny-1.0.0.vlu"][..], &place].concat();
    workplace.refuse(&older, &["1.0.0 is older than 1.1.0"]);

    let said = workplace.succeed(&["bundle", "rollback", "tiny", "--store", "models"]);
    assert!(said.contains("1.1.0-") && said.contains("-> 1.0.0-"), "{said}");
    assert_eq!(version(&workplace, "current").as_deref(), Some("1.0.0"));
    assert_eq!(version(&workplace, "rejected").as_deref(), Some("1.1.0"));
    let again = [&["bundle", "install", &newer][..], &place].concat();
    workplace.refuse(&again, &["failed here before", "--force"]);
    workplace.refuse(&["bundle", "rollback", "huge", "--store", "models"], &["no huge is installed"]);
    workplace.refuse(&["bundle", "confirm", "../tiny", "--store", "models"], &["can't be the name"]);
}

#[test]
fn a_loop_that_crashes_again_and_again_goes_back_by_itself() {
    let workplace = with_key();
    install(&workplace, &signed(&workplace, "1.0.0"), "0s");
    install(&workplace, &signed(&workplace, "2.0.0"), "10m");
    let starts = || standing(&workplace, "probation").unwrap()["starts"].clone();
    // A camera that is not there, or an end that was asked for, is not the model's fault.
    for _ in 0..5 {
        let run = run_loop(&workplace, "file:gone.y4m", "1s");
        assert_eq!((run.code, run.errors().len(), starts()), (Some(1), 1, 0.into()), "{run:?}");
    }
    assert_eq!((run_loop(&workplace, ROAD, "1s").code, starts()), (Some(0), 0.into()));
    for start in 1..=3 {
        let line = format!(
            "timeout -s KILL 1 $VLUNET run --source '{ROAD}' --sink null: --task haze --model models/tiny/current"
        );
        let run = workplace.shell(&line);
        assert_ne!(run.code, Some(0), "{run:?}");
        assert_eq!(starts(), start);
    }
    let run = run_loop(&workplace, ROAD, "2s");
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("started 3 times") && run.stderr.contains("back to 1.0.0-"), "{run:?}");
    assert_eq!(version(&workplace, "current").as_deref(), Some("1.0.0"));
}

#[test]
fn a_loop_that_cannot_open_its_model_goes_back_by_itself() {
    let workplace = with_key();
    install(&workplace, &signed(&workplace, "1.0.0"), "0s");
    install(&workplace, &signed(&workplace, "2.0.0"), "10m");
    // It passed its test, and has no VLM head, which a loop without a task needs.
    let args =
        ["run", "--source", ROAD, "--sink", "null:", "--duration", "1s", "--model", "models/tiny/current"];
    for start in 1..=3 {
        assert_eq!(workplace.run(&args).code, Some(1));
        assert_eq!(standing(&workplace, "probation").unwrap()["starts"], start);
    }
    workplace.run(&args);
    assert_eq!(version(&workplace, "current").as_deref(), Some("1.0.0"));
}

#[test]
fn a_running_loop_takes_an_update_over() {
    let workplace = with_key();
    install(&workplace, &signed(&workplace, "1.0.0"), "0s");
    let newer = signed(&workplace, "1.1.0");
    let mut running = workplace
        .command(&[
            "-v",
            "run",
            "--source",
            ROAD,
            "--sink",
            "null:",
            "--duration",
            "60s",
            "--task",
            "haze",
            "--model",
            "models/tiny/current",
        ])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(3));
    install(&workplace, &newer, "2s");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(40);
    while version(&workplace, "probation").is_some() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    // Confirmed by the loop that ran all the time.
    assert_eq!(version(&workplace, "probation"), None);
    running.kill().unwrap();
    let said = running.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("restored by tiny 1.1.0"), "{said}");
}

#[test]
fn a_link_without_a_model_runs_the_programs_own() {
    let workplace = with_key();
    install(&workplace, &signed(&workplace, "1.0.0"), "10m");
    workplace.succeed(&["bundle", "rollback", "tiny", "--store", "models"]);
    let run = run_loop(&workplace, ROAD, "1s");
    assert!(run.code == Some(0) && run.stderr.contains("nothing is installed there that can run"), "{run:?}");
    let verify = ["bundle", "verify", "--model", "installed:nothing-of-that-name"];
    workplace.refuse(&verify, &["no model of that name is installed"]);
}

#[test]
fn a_clock_in_1970_is_no_trouble() {
    let workplace = with_key();
    let name = signed(&workplace, "1.0.0");
    if workplace.shell("faketime '1970-01-02' true").code != Some(0) {
        eprintln!("skipped: there is no faketime (apt-get install faketime)");
        return;
    }
    let line = format!(
        "faketime '1970-01-02' $VLUNET bundle install {name} --keys keys --store models --size 16x16 --probation 1s"
    );
    let run = workplace.shell(&line);
    assert!(run.code == Some(0) && run.stderr.is_empty(), "{run:?}");
    let line = format!(
        "faketime -m '1970-01-02' $VLUNET run --source '{ROAD}' --sink null: --duration 6s --task haze \
         --model models/tiny/current"
    );
    let run = workplace.shell(&line);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(
        (version(&workplace, "current").as_deref(), version(&workplace, "probation")),
        (Some("1.0.0"), None)
    );
}
