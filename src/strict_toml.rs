//! TOML files that people write: read strictly, with errors that name the line.

use crate::weights::brief;
use crate::{Error, Result};
use serde::de::DeserializeOwned;
use std::io::Read;
use std::path::Path;

/// More than anybody writes by hand.
const MAX_BYTES: u64 = 1 << 18;

/// The text of a file.
///
/// # Errors
/// [`Error::Io`] where it can't be read, [`Error::Input`] where it is no text or far too long.
pub(crate) fn read(path: &Path) -> Result<String> {
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    let fail = |reason: &str| Error::Input(format!("{}: {reason}", path.display()));
    if bytes.len() as u64 > MAX_BYTES {
        return Err(fail("it is longer than 256 KiB, and so no file of settings"));
    }
    String::from_utf8(bytes).map_err(|_| fail("it is not UTF-8 text"))
}

/// Reads TOML; `name` stands for the file in messages.
///
/// # Errors
/// [`Error::Input`] with the line at fault; where a key is unknown, it lists those there are.
pub(crate) fn parse<T: DeserializeOwned>(text: &str, name: &str) -> Result<T> {
    toml::from_str(text).map_err(|e| {
        let start = text.get(..e.span().map_or(0, |span| span.start)).unwrap_or_default();
        let line = start.matches('\n').count() + 1;
        Error::Input(format!("{name}, line {line}: {}", brief(e.message())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_settings_file_is_refused_before_it_is_parsed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        assert!(read(&path).unwrap_err().to_string().contains("a.toml"));
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("UTF-8"));
        std::fs::write(&path, vec![b'#'; MAX_BYTES as usize + 1]).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("256 KiB"));
        std::fs::write(&path, vec![b'#'; MAX_BYTES as usize]).unwrap();
        assert_eq!(read(&path).unwrap().len() as u64, MAX_BYTES);
    }
}
