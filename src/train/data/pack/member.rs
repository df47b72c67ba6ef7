//! Names and bytes of a shard's members.

use super::super::shard::Role;
use std::io::{self, Write};

/// A tar is made of blocks of this many bytes.
const BLOCK: u64 = 512;

/// Longer names take members of their own.
const LONGEST_NAME: usize = 100;

/// A set's name as a folder in a shard.
pub(super) fn set(name: &str) -> String {
    let part = |part: &str| match part {
        "" | "." | ".." => "_".to_owned(),
        part => part.replace(char::is_control, "_"),
    };
    name.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// A picture's name as a key, which ends at its first dot.
pub(super) fn key(name: &str) -> String {
    let key = name.replace(|c: char| c == '.' || c == '/' || c.is_control(), "_");
    if key.is_empty() { "_".into() } else { key }
}

pub(super) fn name(set: &str, key: &str, role: Role) -> String {
    let part = match role {
        Role::Input => ".input",
        Role::Target => ".target",
        Role::Clean => "",
    };
    format!("{set}/{key}{part}.jpg")
}

/// Bytes that a member takes in the tar, at most.
pub(super) fn cost(name: &str, bytes: usize) -> u64 {
    let long_name = match name.len() {
        ..=LONGEST_NAME => 0,
        length => BLOCK + (length as u64 + 1).next_multiple_of(BLOCK),
    };
    long_name + BLOCK + (bytes as u64).next_multiple_of(BLOCK)
}

/// Adds a member without a trace of when and by whom.
pub(super) fn append(archive: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    archive.append_data(&mut header, name, bytes)
}
