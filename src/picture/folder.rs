//! The pictures that a file or folder argument means.

use super::Format;
use crate::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The picture files that `path` stands for, sorted by path.
///
/// A file stands for itself, whatever its name. A folder stands for the files in it with a
/// picture's extension (any case), without hidden ones; with `recursive`, also those of the
/// folders below, but not through links to folders, and not of hidden folders. A folder below
/// that can't be read is passed over with a warning.
///
/// # Errors
/// [`Error::Io`] where `path` doesn't exist or can't be read; [`Error::Input`] where no picture is
/// found.
pub fn list(path: &Path, recursive: bool) -> Result<Vec<PathBuf>> {
    if !fs::metadata(path).map_err(Error::io("read", path))?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut pictures = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        match gather(&folder, recursive.then_some(&mut folders), &mut pictures) {
            Err(error) if folder != path => log::warn!("passed over: {error}"),
            result => result?,
        }
    }
    if pictures.is_empty() {
        let extensions = Format::EXTENSIONS.join(", .");
        return Err(Error::Input(format!(
            "no pictures in folder {} (looked for .{extensions})",
            path.display()
        )));
    }
    pictures.sort();
    Ok(pictures)
}

fn gather(folder: &Path, mut folders: Option<&mut Vec<PathBuf>>, pictures: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::io("read folder", folder))? {
        let entry = entry.map_err(Error::io("read folder", folder))?;
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // The entry's own type, not that of a link's target: links to folders can form a ring.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if let Some(folders) = folders.as_deref_mut() {
                folders.push(path);
            }
        } else if Format::of_extension(&path).is_some() && path.is_file() {
            pictures.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for folder in ["below/deeper", ".hidden", "folder.png"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for file in
            ["b.JPG", "a.png", "notes.txt", ".c.png", "below/deeper/d.webp", "below/e.tif", ".hidden/f.png"]
        {
            fs::write(root.path().join(file), b"").unwrap();
        }
        root
    }

    fn names(root: &Path, recursive: bool) -> Vec<String> {
        let found = list(root, recursive).unwrap();
        found.iter().map(|p| p.strip_prefix(root).unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_folder_gives_its_visible_pictures_sorted() {
        let root = tree();
        assert_eq!(names(root.path(), false), ["a.png", "b.JPG"]);
        assert_eq!(names(root.path(), true), ["a.png", "b.JPG", "below/deeper/d.webp", "below/e.tif"]);
    }

    #[test]
    fn a_file_gives_itself_whatever_its_name() {
        let root = tree();
        let file = root.path().join("notes.txt");
        assert_eq!(list(&file, false).unwrap(), [file]);
    }

    #[test]
    fn a_missing_path_and_a_folder_without_pictures_are_one_clear_line() {
        let root = tree();
        let missing = list(&root.path().join("missing"), false).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read") && missing.contains("missing"), "{missing}");
        let empty = list(&root.path().join("folder.png"), true).unwrap_err().to_string();
        assert!(empty.starts_with("no pictures in folder") && empty.contains(".webp"), "{empty}");
    }

    #[cfg(unix)]
    #[test]
    fn links_to_files_count_and_a_ring_of_folders_ends() {
        let root = tree();
        std::os::unix::fs::symlink(root.path().join("a.png"), root.path().join("below/link.png")).unwrap();
        std::os::unix::fs::symlink(root.path(), root.path().join("below/ring")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("broken.png")).unwrap();
        assert_eq!(names(&root.path().join("below"), true), ["deeper/d.webp", "e.tif", "link.png"]);
        assert_eq!(names(root.path(), false), ["a.png", "b.JPG"]);
    }
}
