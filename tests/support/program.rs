//! The program in a folder of its own, as a person runs it.
#![allow(dead_code)] // each test file uses a part

use image::{Rgb, RgbImage};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The model that the repository ships.
pub const NANO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/nano");

pub struct Workplace {
    folder: TempDir,
    program: &'static str,
}

/// What a run left behind.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Workplace {
    /// An empty folder, for `vlunet`.
    pub fn new() -> Self {
        Self::of(env!("CARGO_BIN_EXE_vlunet"))
    }

    /// An empty folder, for another program.
    pub fn of(program: &'static str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), program }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Writes a small picture in the format of its name.
    pub fn picture(&self, name: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        let colour = |x: u32, y: u32| Rgb([7 * x as u8, 7 * y as u8, ((x * y) % 256) as u8]);
        RgbImage::from_fn(32, 32, colour).save(self.path(name)).unwrap();
    }

    /// Every file and folder, hidden ones too, sorted.
    pub fn listing(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                found.push(path.strip_prefix(self.folder.path()).unwrap().display().to_string());
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                }
            }
        }
        found.sort();
        found
    }

    /// The program with the folder as its working directory.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.args(args);
        self.prepared(command)
    }

    /// Runs the program.
    pub fn run(&self, args: &[&str]) -> Run {
        Run::of(&mut self.command(args))
    }

    /// Runs a line of bash in the folder, in which `$VLUNET` is the program.
    pub fn shell(&self, line: &str) -> Run {
        let mut command = Command::new("bash");
        command.args(["-c", line]).env("VLUNET", self.program);
        Run::of(&mut self.prepared(command))
    }

    fn prepared(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("RUST_LOG").env("RUST_BACKTRACE", "1").env("LC_ALL", "C");
        command
    }

    /// Runs the program, which succeeds and complains of nothing; gives its standard output.
    pub fn succeed(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert!(run.code == Some(0) && run.stderr.is_empty(), "{args:?}: {run:?}");
        run.stdout
    }

    /// The same, for output in JSON.
    pub fn json(&self, args: &[&str]) -> serde_json::Value {
        let text = self.succeed(args);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
    }

    /// Runs the program, which refuses: by one clear line that says all of `parts`, and with
    /// every file as it was.
    pub fn refuse(&self, args: &[&str], parts: &[&str]) {
        let before = self.listing();
        let run = self.run(args);
        run.assert_one_clear_line(parts);
        assert_eq!(self.listing(), before, "{args:?}");
    }
}

impl Run {
    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Lines of standard error that tell of errors.
    pub fn errors(&self) -> Vec<&str> {
        self.stderr.lines().filter(|line| line.starts_with("error:")).collect()
    }

    pub fn assert_one_clear_line(&self, parts: &[&str]) {
        assert!(matches!(self.code, Some(1 | 2)), "{self:?}");
        let [error] = self.errors()[..] else { panic!("not one error line: {self:?}") };
        for part in parts {
            assert!(error.contains(part), "{error:?} does not say {part:?}");
        }
        // The command line's parser adds where to read on.
        let others = self.stderr.lines().filter(|line| !line.is_empty() && *line != error);
        for line in others {
            assert!(self.code == Some(2) && !line.contains("panicked"), "{self:?}");
        }
        assert!(!self.stderr.contains('\x1b'), "{self:?}");
    }
}

/// Copies a folder of plain files.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}
