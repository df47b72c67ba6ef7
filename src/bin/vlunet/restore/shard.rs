//! Which part of the pictures one of several runs restores.

use sha2::{Digest, Sha256};
use std::path::Path;
use std::str::FromStr;

/// The `number`-th of `count` parts, from 1 on: `3/64`.
///
/// A picture's part depends on its name alone (its path below the folder that was given), not on
/// what else lies there: runs that see the folder at different times, or under another path, share
/// the pictures out in the same way, and none is left out or restored twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shard {
    number: u32,
    count: u32,
}

impl Shard {
    /// Whether the picture of that name belongs to it: the first eight bytes of the name's
    /// SHA-256, as a big-endian number, modulo the count.
    pub fn holds(self, name: &Path) -> bool {
        let hash = Sha256::digest(name.as_os_str().as_encoded_bytes());
        let first = hash.iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte));
        first % u64::from(self.count) == u64::from(self.number - 1)
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(n, count)| Some((n.parse().ok()?, count.parse().ok()?)));
        match parts {
            Some((number, count)) if (1..=count).contains(&number) => Ok(Self { number, count }),
            Some((number, count)) if count > 0 => {
                Err(format!("there is no shard {number} of {count}: they are 1/{count} to {count}/{count}"))
            }
            _ => Err("a shard reads NUMBER/COUNT, as 3/64: the third of 64".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(text: &str) -> Shard {
        text.parse().unwrap()
    }

    #[test]
    fn each_name_is_in_one_shard_and_shards_are_about_even() {
        let mut sizes = [0; 4];
        for i in 0..4000 {
            let name = format!("day{}/frame_{i:05}.png", i % 7);
            let holders: Vec<u32> =
                (1..=4).filter(|n| shard(&format!("{n}/4")).holds(Path::new(&name))).collect();
            let [holder] = holders[..] else { panic!("{name}: {holders:?}") };
            sizes[holder as usize - 1] += 1;
        }
        // Six standard deviations.
        assert!(sizes.iter().all(|size| (836..=1164).contains(size)), "{sizes:?}");
        assert!(shard("1/1").holds(Path::new("a.png")));
    }

    #[test]
    fn the_split_stays_the_same_from_version_to_version() {
        // printf %s NAME | sha256sum | cut -c-16, modulo 64, and 1.
        for (name, number) in [("a.png", 25), ("night/frame 7.jpg", 29)] {
            assert!(shard(&format!("{number}/64")).holds(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        for (text, says) in [
            ("0/4", "no shard 0 of 4: they are 1/4 to 4/4"),
            ("5/4", "no shard 5 of 4"),
            ("x", "as 3/64"),
            ("1/0", "as 3/64"),
            ("0/0", "as 3/64"),
            ("-1/4", "as 3/64"),
            ("1/4/8", "as 3/64"),
            ("1/99999999999", "as 3/64"),
            ("", "as 3/64"),
        ] {
            let error = text.parse::<Shard>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
