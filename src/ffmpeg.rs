//! The programs ffmpeg and ffprobe as child processes: their complaints kept, their end always
//! waited for.

use crate::Result;
use crate::error::one_line;
use crate::uri::Uri;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a child is asked whether it has ended.
const GLANCE: Duration = Duration::from_millis(5);

/// A complaint that is longer is cut.
const LONGEST_LINE: u64 = 4096;

/// A running child; dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    complaint: Arc<Mutex<String>>,
    listener: Option<JoinHandle<()>>,
}

impl Child {
    /// Starts a program (its name, and arguments that come first) with its standard streams
    /// piped; `uri` stands for it in messages.
    ///
    /// # Errors
    /// [`crate::Error::Input`] where it isn't installed or can't be started.
    pub(crate) fn start(
        uri: &Uri,
        program: &[String],
        arguments: &[String],
    ) -> Result<(Self, ChildStdin, ChildStdout)> {
        let (program, first) = program.split_first().ok_or_else(|| uri.fault("no program to start"))?;
        let mut command = Command::new(program);
        command
            .args(first)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Ctrl-C in a terminal is for us; the child ends when we close its file.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => uri.fault(format!(
                "video files take the program {program}, which is not installed: \
                 install ffmpeg (Debian, Ubuntu, Raspberry Pi OS: sudo apt install ffmpeg)"
            )),
            _ => uri.fault(format!("cannot start {program}: {error}")),
        })?;
        let streams = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = streams else {
            return Err(uri.fault(format!("{program} has no standard streams")));
        };
        let mut child = Self { process, complaint: Arc::default(), listener: None };
        let kept = Arc::clone(&child.complaint);
        let listener = std::thread::Builder::new().name("ffmpeg-errors".into());
        let listener = listener.spawn(move || listen(stderr, &kept));
        child.listener = Some(listener.map_err(|e| uri.fault(format!("cannot listen to {program}: {e}")))?);
        Ok((child, stdin, stdout))
    }

    /// Waits for its end for as long as `patience`, then kills it; tells how it ended, nothing
    /// where it had to be killed.
    pub(crate) fn end(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        let status = loop {
            match self.process.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(GLANCE),
                _ => break None,
            }
        };
        if status.is_none() {
            self.kill();
        }
        // Its last words may still be in the pipe.
        let deadline = Instant::now() + Duration::from_millis(500);
        while self.listener.as_ref().is_some_and(|it| !it.is_finished()) && Instant::now() < deadline {
            std::thread::sleep(GLANCE);
        }
        status
    }

    /// Ends it now.
    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// The last line that it wrote to its standard error; empty where there is none.
    pub(crate) fn complaint(&self) -> String {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Keeps the last line that isn't empty.
fn listen(stderr: impl Read, complaint: &Mutex<String>) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match stderr.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(1..) => {}
            _ => return,
        }
        let text = one_line(&String::from_utf8_lossy(&line));
        if !text.is_empty() {
            log::debug!("ffmpeg: {text}");
            *complaint.lock().unwrap_or_else(PoisonError::into_inner) = text;
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    fn start(program: &str, arguments: &[&str]) -> Result<(Child, ChildStdin, ChildStdout)> {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.into()).collect();
        Child::start(&Uri::parse("file:clip.mp4")?, &[program.into()], &arguments)
    }

    #[test]
    fn a_program_that_is_missing_is_one_line_that_says_what_to_install() {
        let message = start("no-such-ffmpeg", &[]).unwrap_err().to_string();
        assert!(message.contains("file:clip.mp4") && message.contains("apt install ffmpeg"), "{message}");
        assert_eq!(message.lines().count(), 1);
    }

    #[test]
    fn its_end_and_its_last_words_are_known() {
        let script = "echo first >&2; printf 'why it\\tfailed\\n\\n' >&2; exit 3";
        let (mut child, _stdin, _stdout) = start("sh", &["-c", script]).unwrap();
        let status = child.end(Duration::from_secs(20)).unwrap();
        assert_eq!((status.code(), child.complaint().as_str()), (Some(3), "why it failed"));
    }

    #[test]
    fn one_that_does_not_end_is_killed() {
        let (mut child, _stdin, _stdout) = start("sleep", &["600"]).unwrap();
        let begin = Instant::now();
        assert!(child.end(Duration::from_millis(50)).is_none());
        assert!(begin.elapsed() < Duration::from_secs(20));
        assert!(matches!(child.process.try_wait(), Ok(Some(_))));
    }
}
