//! Numbered pictures in a folder, the oldest deleted where they would take too much room.

use super::{Output, Sink};
use crate::frame::Frame;
use crate::uri::Uri;
use crate::{Error, Result};
use bytesize::ByteSize;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Begins the names of files that are being written.
const UNFINISHED: &str = ".vlunet-frame-";

/// Held by the sink that writes into the folder.
const LOCK: &str = ".vlunet-lock";

const KEYS: [&str; 3] = ["max", "format", "quality"];

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Jpeg(u8),
    Png,
}

/// Writes `0000000001.jpg` and on; numbers go on where an earlier run left off.
pub(super) struct Pictures {
    folder: PathBuf,
    format: Format,
    max: u64,
    /// Number, extension and bytes, oldest first.
    kept: VecDeque<(u64, &'static str, u64)>,
    bytes: u64,
    next: u64,
    encoded: Vec<u8>,
    lock: File,
}

impl Pictures {
    pub(super) fn open(mut uri: Uri) -> Result<Box<dyn Sink>> {
        let max = uri.take::<ByteSize>("max", "an amount such as 512MiB or 2GB")?;
        let quality = uri.take::<u8>("quality", "a JPEG quality of 1 to 100")?;
        let format = match uri.take::<String>("format", "jpg or png")?.as_deref() {
            None | Some("jpg" | "jpeg") => Format::Jpeg(quality.unwrap_or(90)),
            Some("png") if quality.is_none() => Format::Png,
            Some("png") => return Err(uri.fault("png has no quality")),
            Some(other) => return Err(uri.fault(format!("format={other} is not jpg or png"))),
        };
        uri.done(&KEYS)?;
        if quality.is_some_and(|quality| !(1..=100).contains(&quality)) {
            return Err(uri.fault("quality is 1 to 100"));
        }
        if uri.rest().is_empty() {
            return Err(uri.fault("it names no folder, as dir:out does"));
        }
        let folder = PathBuf::from(uri.rest());
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let lock = lock(&uri, &folder)?;
        let kept = earlier(&folder)?;
        let bytes = kept.iter().map(|(_, _, bytes)| bytes).sum();
        let next = kept.back().map_or(1, |(number, _, _)| number + 1);
        let max = max.map_or(u64::MAX, |max| max.as_u64());
        Ok(Box::new(Self { folder, format, max, kept, bytes, next, encoded: Vec::new(), lock }))
    }

    fn extension(&self) -> &'static str {
        match self.format {
            Format::Jpeg(_) => "jpg",
            Format::Png => "png",
        }
    }

    fn path(&self, number: u64, extension: &str) -> PathBuf {
        self.folder.join(format!("{number:010}.{extension}"))
    }

    /// Deletes the oldest pictures until `room` more bytes fit.
    fn make_room(&mut self, room: u64) -> Result<()> {
        if room > self.max {
            let (picture, max) = (ByteSize(room), ByteSize(self.max));
            return Err(Error::Input(format!(
                "{}: a picture takes {picture}, more than max={max} allows",
                self.folder.display()
            )));
        }
        while self.bytes + room > self.max {
            let Some((number, extension, bytes)) = self.kept.pop_front() else { return Ok(()) };
            let path = self.path(number, extension);
            match fs::remove_file(&path) {
                // Somebody else has tidied up.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                result => result.map_err(Error::io("delete", &path))?,
            }
            self.bytes -= bytes;
        }
        Ok(())
    }

    /// Under a temporary name, so that no reader sees a part of it. Not synced to the disk
    /// for each frame: a power cut costs the last seconds, a sync would cost every frame and
    /// wear out memory cards.
    fn write(&self, path: &Path) -> Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.folder)
            .map_err(Error::io("create a file in", &self.folder))?;
        file.write_all(&self.encoded).map_err(Error::io("write", path))?;
        file.persist(path).map_err(|e| Error::io("create", path)(e.error))?;
        Ok(())
    }
}

impl Sink for Pictures {
    fn put(&mut self, output: &Output) -> Result<()> {
        let path = self.path(self.next, self.extension());
        encode(&output.restored, self.format, &mut self.encoded).map_err(|e| Error::picture(&path, e))?;
        let bytes = self.encoded.len() as u64;
        self.make_room(bytes)?;
        self.write(&path)?;
        self.kept.push_back((self.next, self.extension(), bytes));
        self.bytes += bytes;
        self.next += 1;
        Ok(())
    }
}

impl Drop for Pictures {
    fn drop(&mut self) {
        // Closing alone would leave it to a child that was forked just now, until it execs.
        let _ = self.lock.unlock();
    }
}

fn encode(frame: &Frame, format: Format, encoded: &mut Vec<u8>) -> Result<(), String> {
    encoded.clear();
    let (rgb, width, height) = (&frame.rgb, frame.width, frame.height);
    match format {
        Format::Png => PngEncoder::new_with_quality(encoded, CompressionType::Fast, FilterType::Adaptive)
            .write_image(rgb, width, height, ExtendedColorType::Rgb8)
            .map_err(|e| e.to_string()),
        Format::Jpeg(quality) => {
            let side = |side: u32| u16::try_from(side).map_err(|_| format!("a side of {side} is too long"));
            jpeg_encoder::Encoder::new(encoded, quality)
                .encode(rgb, side(width)?, side(height)?, jpeg_encoder::ColorType::Rgb)
                .map_err(|e| e.to_string())
        }
    }
}

fn lock(uri: &Uri, folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let file = File::create(&path).map_err(Error::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(uri.fault("another program writes pictures into this folder; name another one"))
        }
        Err(TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
    }
}

/// The pictures of earlier runs, oldest first; what a killed run left unfinished is deleted.
fn earlier(folder: &Path) -> Result<VecDeque<(u64, &'static str, u64)>> {
    let mut pictures = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read folder", folder))? {
        let entry = entry.map_err(Error::io("read folder", folder))?;
        let (name, path) = (entry.file_name(), entry.path());
        let Some(name) = name.to_str() else { continue };
        if name.starts_with(UNFINISHED) {
            fs::remove_file(&path).map_err(Error::io("delete", &path))?;
        } else if let Some((number, extension)) = numbered(name) {
            pictures.push((number, extension, entry.metadata().map_err(Error::io("read", &path))?.len()));
        }
    }
    pictures.sort_unstable();
    Ok(pictures.into())
}

/// Number and extension, where the name is one that this sink gives.
fn numbered(name: &str) -> Option<(u64, &'static str)> {
    let (digits, extension) = name.split_once('.')?;
    let extension = ["jpg", "png"].into_iter().find(|&known| known == extension)?;
    let ours = digits.len() >= 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    // One less than the most, so that there is a next.
    digits.parse().ok().filter(|&number| ours && number < u64::MAX).map(|number| (number, extension))
}

#[cfg(test)]
#[path = "pictures/tests.rs"]
mod tests;
