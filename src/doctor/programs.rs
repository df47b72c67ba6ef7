//! Other programs: found, and asked.

use super::{Check, Options};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A program that takes longer to answer is left alone.
const PATIENCE: Duration = Duration::from_secs(5);

/// ffmpeg, which reads and writes video files.
pub(super) fn check(options: &Options) -> Check {
    const NAME: &str = "ffmpeg";
    match find(options, "ffmpeg") {
        Some(path) => Check::ok(NAME, path.display().to_string()),
        None => Check::skip(NAME, "not there; file: sources and sinks need it (sudo apt install ffmpeg)"),
    }
}

/// A program on the path.
pub(super) fn find(options: &Options, name: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(options.path.as_ref()?).map(|folder| folder.join(name)).find(is_program)
}

/// What a program prints within [`PATIENCE`], where it succeeds.
pub(super) fn output(program: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let start = Instant::now();
    loop {
        match child.try_wait() {
            // What these programs print fits a pipe.
            Ok(Some(_)) => break,
            Ok(None) if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                // It may have ended just now; either way it is waited for, so that none is left.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
    let output = child.wait_with_output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::machine;
    use super::*;

    #[test]
    fn a_program_is_found_on_the_path_if_it_can_be_run() {
        let (root, mut options) = machine(&[("a/ffmpeg", "no program"), ("b/ffmpeg", "#!/bin/sh\n")]);
        assert_eq!(check(&options).verdict, Verdict::Skip);
        options.path = std::env::join_paths([root.path().join("a"), root.path().join("b")]).ok();
        assert_eq!(check(&options).verdict, Verdict::Skip);
        let program = root.path().join("b/ffmpeg");
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(check(&options), Check::ok("ffmpeg", program.display().to_string()));
    }

    #[test]
    fn a_program_is_believed_only_where_it_succeeds_in_time() {
        let shell = Path::new("/bin/sh");
        assert_eq!(output(shell, &["-c", "echo yes"]).as_deref(), Some("yes\n"));
        assert_eq!(output(shell, &["-c", "echo yes; exit 3"]), None);
        assert_eq!(output(Path::new("/no/such"), &[]), None);
    }
}
