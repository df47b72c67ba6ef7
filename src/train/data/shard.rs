//! Tar shards of pictures in the WebDataset convention.
//!
//! `rain/0001.input.jpg` and `rain/0001.target.jpg` are a pair of the set `rain`,
//! `clean/0007.jpg` is a clean picture of the set `clean`. What comes without a folder belongs
//! to the set `clean`, or `pairs`. Members of other kinds (`.txt`, `.json`, `.cls`) are passed
//! over.

use crate::picture::Format;
use crate::{Error, Result};
use std::io::{self, Read};
use std::path::Path;

/// Bounds on what a shard may hold, checked before memory is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most members, pictures or not.
    pub members: usize,
    /// Most bytes of one member.
    pub member_bytes: u64,
    /// Most bytes of the whole shard.
    pub bytes: u64,
}

impl Default for Limits {
    /// 200 000 members of at most 64 MiB, 4 GiB together.
    fn default() -> Self {
        Self { members: 200_000, member_bytes: 64 << 20, bytes: 4 << 30 }
    }
}

/// What a picture is to its sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The degraded picture of a pair.
    Input,
    /// The clean picture of a pair.
    Target,
    /// A clean picture alone.
    Clean,
}

/// A picture file in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The set it belongs to: its folder.
    pub set: String,
    /// The file name up to its first dot: what a pair has in common.
    pub key: String,
    /// What it is to its sample.
    pub role: Role,
    /// The file, still encoded.
    pub bytes: Vec<u8>,
}

/// The pictures of a shard; `name` is for the messages alone.
///
/// # Errors
/// [`Error::Input`] where it is no tar, is cut short, or goes beyond the `limits`.
pub fn read(shard: impl Read, name: &Path, limits: &Limits) -> Result<Vec<Member>> {
    let fail = |reason: String| Error::Input(format!("shard {}: {reason}", name.display()));
    let broken =
        |e: io::Error| fail(format!("it is no tar, or damaged: {}", crate::error::one_line(&e.to_string())));
    let mut members = Vec::new();
    let mut count = 0usize;
    // One more, so that a shard that is too long is told from one that just fits.
    let mut archive = tar::Archive::new(shard.take(limits.bytes.saturating_add(1)));
    let mut total = 0u64;
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        count += 1;
        if count > limits.members {
            return Err(fail(format!("it has more than {} members", limits.members)));
        }
        let path = entry.path_bytes().into_owned();
        let Some((set, key, role)) = std::str::from_utf8(&path).ok().and_then(named) else { continue };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let size = entry.size();
        total = total.saturating_add(size);
        if size > limits.member_bytes {
            return Err(fail(format!(
                "{set}/{key} has {size} bytes, over the {} allowed",
                limits.member_bytes
            )));
        }
        if total > limits.bytes {
            return Err(fail(format!("it has over {} MiB", limits.bytes >> 20)));
        }
        let mut bytes = Vec::new();
        // Grows with what is there, whatever the header claims.
        entry.by_ref().take(limits.member_bytes).read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 != size {
            return Err(fail(format!("{set}/{key} is cut short: {} of {size} bytes", bytes.len())));
        }
        members.push(Member { set, key, role, bytes });
    }
    Ok(members)
}

/// Set, key and role by a member's path; `None` for what is no picture.
fn named(path: &str) -> Option<(String, String, Role)> {
    let path = path.trim_start_matches("./");
    Format::of_extension(Path::new(path))?;
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let (key, extensions) = file.split_once('.')?;
    if key.is_empty() || path.chars().any(char::is_control) {
        return None;
    }
    let role = match extensions.split('.').next() {
        Some("input") => Role::Input,
        Some("target") => Role::Target,
        _ => Role::Clean,
    };
    let set = match (folder, role) {
        ("", Role::Clean) => "clean",
        ("", _) => "pairs",
        (folder, _) => folder,
    };
    Some((set.to_owned(), key.to_owned(), role))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn read(bytes: &[u8], limits: &Limits) -> Result<Vec<Member>> {
        super::read(bytes, Path::new("a.tar"), limits)
    }

    #[test]
    fn members_are_named_as_webdataset_names_them() {
        let tar = shard(&[
            ("rain/0001.input.jpg", b"a"),
            ("rain/0001.target.jpg", b"b"),
            ("rain/0001.txt", b"a caption"),
            ("./clean/7.JPG", b"c"),
            ("8.png", b"d"),
            ("9.input.webp", b"e"),
        ]);
        let members = read(&tar, &Limits::default()).unwrap();
        let names: Vec<_> = members.iter().map(|m| (m.set.as_str(), m.key.as_str(), m.role)).collect();
        assert_eq!(
            names,
            [
                ("rain", "0001", Role::Input),
                ("rain", "0001", Role::Target),
                ("clean", "7", Role::Clean),
                ("clean", "8", Role::Clean),
                ("pairs", "9", Role::Input),
            ]
        );
        assert_eq!(members[1].bytes, b"b");
    }

    #[test]
    fn each_limit_and_each_damage_is_one_line_that_names_the_shard() {
        let tar = shard(&[("a.jpg", &[1; 600]), ("b.jpg", &[2; 600])]);
        let limits = Limits::default();
        for (bytes, limits, said) in [
            (tar.as_slice(), Limits { members: 1, ..limits }, "more than 1 members"),
            (&tar, Limits { member_bytes: 599, ..limits }, "600 bytes, over the 599"),
            (&tar, Limits { bytes: 1000, ..limits }, "a.tar"),
            (&tar[..900], limits, "cut short: 388 of 600"),
            (&[7; 2000], limits, "no tar, or damaged"),
        ] {
            let message = read(bytes, &limits).unwrap_err().to_string();
            assert!(
                message.contains(said) && message.contains("a.tar") && message.lines().count() == 1,
                "{message}"
            );
        }
    }
}
