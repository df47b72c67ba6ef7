//! Which pictures are read, and where each is written.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use vlunet::picture::{Format, folder};
use vlunet::{Error, Result};

/// One picture to restore.
pub struct Job {
    pub input: PathBuf,
    pub output: PathBuf,
    /// Where the picture of both goes, if one is wanted.
    pub comparison: Option<PathBuf>,
    /// The input's path below the folder that was given; a lone picture's name.
    pub name: PathBuf,
}

impl Job {
    /// Whether an earlier run has done it: what is written takes its name only when it is whole.
    pub fn is_done(&self) -> bool {
        self.output.exists() && self.comparison.as_ref().is_none_or(|comparison| comparison.exists())
    }
}

/// The pictures of all inputs. No two are written to one file, and none over a picture in the
/// inputs, unless `keep` says that what is there is left alone.
///
/// # Errors
/// [`Error::Input`] where that can't be, and where an input has no pictures.
pub fn plan(
    inputs: &[PathBuf],
    output: &Path,
    recursive: bool,
    compare: bool,
    keep: bool,
) -> Result<Vec<Job>> {
    let single = match inputs {
        [input] => !input.is_dir() && !output.is_dir() && output.extension().is_some(),
        _ => false,
    };
    if single {
        Format::for_saving(output)?;
    }
    let mut jobs = Vec::new();
    let mut found = HashSet::new();
    for root in inputs {
        for input in folder::list(root, recursive)? {
            found.extend(real(&input));
            if !single && is_earlier_output(&input, root, output) {
                continue;
            }
            // A folder's pictures keep their place below it; a lone picture keeps its name.
            let below = input.strip_prefix(root).ok().filter(|path| !path.as_os_str().is_empty());
            let name = below.or(input.file_name().map(Path::new)).unwrap_or(&input).to_owned();
            let output = if single { output.to_owned() } else { output.join(&name) };
            let comparison = compare.then(|| compare_path(&output));
            jobs.push(Job { input, output, comparison, name });
        }
    }
    // With `keep`, what is there is not written to.
    let untouchable = if keep { HashSet::new() } else { found };
    check(&jobs, &untouchable)?;
    Ok(jobs)
}

/// Whether a picture lies in the output folder, which lies in the folder to restore: what an
/// earlier run wrote is not restored again.
fn is_earlier_output(input: &Path, root: &Path, output: &Path) -> bool {
    let (Some(input), Some(root), Some(output)) = (real(input), real(root), real(output)) else {
        return false;
    };
    output != root && output.starts_with(&root) && input.starts_with(&output)
}

fn check(jobs: &[Job], untouchable: &HashSet<PathBuf>) -> Result<()> {
    let mut sources: HashMap<&Path, &Path> = HashMap::new();
    for job in jobs {
        for output in [Some(&job.output), job.comparison.as_ref()].into_iter().flatten() {
            if let Some(other) = sources.insert(output, &job.input) {
                return Err(Error::Input(format!(
                    "{} and {} would both be written to {}: restore them one by one",
                    other.display(),
                    job.input.display(),
                    output.display()
                )));
            }
            if real(output).is_some_and(|output| untouchable.contains(&output)) {
                return Err(Error::Input(format!(
                    "{} would be overwritten: give another output",
                    output.display()
                )));
            }
        }
    }
    Ok(())
}

/// Where a path leads, if there is something.
fn real(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok()
}

/// `photo.png` to `photo.png.compare.jpg`: no two pictures share one.
fn compare_path(output: &Path) -> PathBuf {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!("{name}.compare.jpg"))
}
