//! A training set as one tar shard that is small enough to travel.

mod item;
mod member;
#[cfg(test)]
mod tests;

use super::gather::Found;
use super::library::Opening;
use crate::{Error, Result, atomic_file};
use bytesize::ByteSize;
use item::{Item, Size};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How pictures are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Most bytes of the shard.
    pub max_bytes: u64,
    /// Pictures with a longer side are made smaller.
    pub largest_side: Option<u32>,
    /// Ends at the first bad picture, instead of leaving it out with a warning.
    pub strict: bool,
}

impl Default for Packing {
    /// 45 MB, and any size of pictures.
    fn default() -> Self {
        Self { max_bytes: 45_000_000, largest_side: None, strict: false }
    }
}

/// What was packed, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// Bytes of the shard.
    pub bytes: u64,
    /// JPEG quality, 70 to 95; files that were smaller than that stayed as they were.
    pub quality: u8,
    /// Factor by which the pictures' sides were shortened to fit; 1 where they were not.
    pub shrink: f64,
    /// Pictures, or pairs, of each set.
    pub sets: BTreeMap<String, usize>,
    /// How many were left out.
    pub left_out: usize,
}

/// From what can't be told from the original to the least that is worth learning from.
const QUALITIES: [u8; 6] = [95, 90, 85, 80, 75, 70];

/// Below this part of its sides, too little is left of a picture.
const LEAST_SHRINK: f64 = 0.25;

/// Two empty blocks end a tar.
const END: u64 = 1024;

/// Samples that are encoded at once, and held in memory until they are written.
const AT_ONCE: usize = 32;

/// Packs what [`Library::open`](super::Library::open) reads from `from` into the shard `to`, as
/// JPEG at the best of six qualities (95 to 70) that fits; where none does, with smaller
/// pictures. A JPEG that would hardly become smaller stays as it is. The same pictures
/// give the same bytes. `progress` hears how much is done, and of how much.
///
/// # Errors
/// [`Error::Io`] where something can't be read or written, [`Error::Input`] where there is
/// nothing to pack or it does not fit, and with `strict` what is wrong with a picture.
pub fn pack(
    from: &Path,
    to: &Path,
    packing: &Packing,
    progress: impl Fn(usize, usize) + Sync,
) -> Result<Packed> {
    let found = Found::at(from)?.sets.into_iter();
    let mut items: Vec<Item> = found
        .flat_map(|(set, samples)| samples.into_iter().map(move |(key, files)| Item::new(&set, &key, files)))
        .collect();
    check_names(&items)?;
    let opening = Opening { least_side: 1, strict: packing.strict, ..Opening::default() };
    let (all, done, mut passes) = (items.len(), AtomicUsize::new(0), 1);
    let tick = |passes: usize| progress(done.fetch_add(1, Ordering::Relaxed) + 1, all * passes);
    let mut size = Size { largest_side: packing.largest_side, shrink: 1.0 };
    let quality = loop {
        passes += 1;
        let costs = items.par_iter().map(|item| {
            let costs = item.costs(&size, &opening);
            tick(passes);
            match costs {
                Err(error) if !packing.strict => {
                    log::warn!("left out: {error}");
                    Ok(None)
                }
                costs => costs.map(Some),
            }
        });
        // The first error by order of files, not of threads.
        let costs = costs.collect::<Vec<_>>().into_iter().collect::<Result<Vec<_>>>()?;
        let mut usable = costs.iter().map(Option::is_some);
        items.retain(|_| usable.next().unwrap_or_default());
        let total = |at: usize| END + costs.iter().flatten().map(|costs| costs[at]).sum::<u64>();
        if let Some(at) = (0..QUALITIES.len()).find(|at| total(*at) <= packing.max_bytes) {
            break QUALITIES[at];
        }
        let over = packing.max_bytes as f64 / total(QUALITIES.len() - 1) as f64;
        // A little less than it seems to need: small pictures take more bytes per pixel.
        size.shrink *= (over.sqrt() * 0.97).min(0.95);
        if size.shrink < LEAST_SHRINK || items.is_empty() {
            return Err(Error::Input(format!(
                "{} does not fit into {}, whatever the quality: allow more bytes, or take pictures out",
                from.display(),
                ByteSize(packing.max_bytes).display().si()
            )));
        }
    };
    if items.is_empty() {
        return Err(Error::Input(format!("{} has no usable picture among {all}", from.display())));
    }
    let mut bytes = 0;
    atomic_file::write(to, |file| {
        let mut archive = tar::Builder::new(Counted { file, bytes: &mut bytes });
        for chunk in items.chunks(AT_ONCE) {
            let encoded = chunk.par_iter().map(|item| item.members(&size, &opening, quality));
            for members in encoded.collect::<Vec<_>>() {
                for (name, bytes) in members? {
                    member::append(&mut archive, &name, &bytes).map_err(Error::io("write", to))?;
                }
                tick(passes);
            }
        }
        archive.into_inner().map(drop).map_err(Error::io("write", to))
    })?;
    progress(all * passes, all * passes);
    let mut sets = BTreeMap::new();
    items.iter().for_each(|item| *sets.entry(item.set.clone()).or_default() += 1);
    Ok(Packed { bytes, quality, shrink: size.shrink, sets, left_out: all - items.len() })
}

fn check_names(items: &[Item]) -> Result<()> {
    let mut names = BTreeSet::new();
    match items.iter().find(|item| !names.insert((&item.set, &item.key))) {
        Some(item) => {
            Err(Error::Input(format!("two pictures would be called {}/{}; rename one", item.set, item.key)))
        }
        None => Ok(()),
    }
}

/// Counts what is written.
struct Counted<'a, W> {
    file: W,
    bytes: &'a mut u64,
}

impl<W: std::io::Write> std::io::Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        *self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
