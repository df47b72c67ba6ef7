//! All training pictures, decoded and in memory.

use super::gather::{Files, Found};
use crate::{Error, Result};
use bytesize::ByteSize;
use image::RgbImage;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How to open a [`Library`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Least side of a picture: that of the patches to cut.
    pub least_side: u32,
    /// Ends at the first bad picture, instead of leaving it out with a warning.
    pub strict: bool,
    /// Most bytes of decoded pictures.
    pub max_bytes: u64,
}

impl Default for Opening {
    /// Pictures from 64 pixels a side, bad ones left out, 6 GiB at most.
    fn default() -> Self {
        Self { least_side: 64, strict: false, max_bytes: 6 << 30 }
    }
}

/// A degraded picture and its clean one, of the same size.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The degraded picture.
    pub input: Arc<RgbImage>,
    /// The clean one.
    pub target: Arc<RgbImage>,
}

/// The pictures of one set.
#[derive(Clone, Debug)]
pub enum Set {
    /// Clean pictures, to be degraded.
    Clean(Vec<Arc<RgbImage>>),
    /// Pairs of degraded and clean pictures.
    Pairs(Vec<Pair>),
}

impl Set {
    /// Number of pictures, or pairs.
    pub fn len(&self) -> usize {
        match self {
            Self::Clean(pictures) => pictures.len(),
            Self::Pairs(pairs) => pairs.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Training pictures by set.
#[derive(Clone, Debug, Default)]
pub struct Library {
    sets: BTreeMap<String, Set>,
    left_out: usize,
}

impl Library {
    /// Reads a folder of sets, or a shard.
    ///
    /// `<DIR>/<set>/input/NAME.*` and `<DIR>/<set>/target/NAME.*` are pairs, `<DIR>/<set>/*`
    /// are clean pictures, and `<DIR>/*.tar` are shards with the same in them
    /// (`<set>/NAME.input.jpg`, `<set>/NAME.target.jpg`, `<set>/NAME.jpg`).
    ///
    /// A picture that can't be read, is too small, has no partner or one of another size is
    /// left out with a warning, and counted; with `strict` it is an error.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Picture`] where files can't be read, [`Error::Input`] where
    /// there is nothing, a set is empty or mixes pairs with clean pictures, or the pictures
    /// need more memory than `max_bytes`.
    pub fn open(path: &Path, opening: &Opening) -> Result<Self> {
        let mut library = Self::default();
        let bytes = AtomicU64::new(0);
        for (name, files) in Found::at(path)?.sets {
            let pairs = files.values().all(|files| files.clean.is_none());
            if !pairs && files.values().any(|files| files.clean.is_none()) {
                return Err(Error::Input(format!(
                    "set {name} has both pairs and clean pictures; split it in two"
                )));
            }
            let count = files.len();
            let files: Vec<Files> = files.into_values().collect();
            let set = if pairs {
                Set::Pairs(kept(&files, opening, &bytes, |files| pair(files, &name, opening))?)
            } else {
                Set::Clean(kept(&files, opening, &bytes, |files| clean(files, opening))?)
            };
            if set.is_empty() {
                return Err(Error::Input(format!("set {name} has no usable picture among {count}")));
            }
            library.left_out += count - set.len();
            library.sets.insert(name, set);
        }
        if library.left_out > 0 {
            log::warn!("{} pictures or pairs of {} were left out", library.left_out, path.display());
        }
        Ok(library)
    }

    /// A library of sets at hand.
    pub fn of_sets(sets: impl IntoIterator<Item = (String, Set)>) -> Self {
        Self { sets: sets.into_iter().collect(), left_out: 0 }
    }

    /// Two libraries: the second has every `every`-th picture of each set, to test on, and the
    /// first all others. Both have at least one picture of each set, if need be the same.
    pub fn split(&self, every: usize) -> (Self, Self) {
        let every = every.max(2);
        let part = |held_out: bool| {
            Self::of_sets(self.sets.iter().map(|(name, set)| {
                let every = every.min(set.len());
                let kept = |at: &usize| every < 2 || (at % every == every - 1) == held_out;
                let places = (0..set.len()).filter(kept);
                let set = match set {
                    Set::Clean(pictures) => Set::Clean(places.map(|at| pictures[at].clone()).collect()),
                    Set::Pairs(pairs) => Set::Pairs(places.map(|at| pairs[at].clone()).collect()),
                };
                (name.clone(), set)
            }))
        };
        (part(false), part(true))
    }

    /// The library with the target of every pair in the set `into`, too: they are clean
    /// pictures like any other.
    ///
    /// # Errors
    /// [`Error::Input`] where that set has pairs itself.
    pub fn with_targets(mut self, into: &str) -> Result<Self> {
        let mut all = match self.sets.remove(into) {
            Some(Set::Clean(pictures)) => pictures,
            Some(Set::Pairs(_)) => {
                return Err(Error::Input(format!("set {into} has pairs, not clean pictures")));
            }
            None => Vec::new(),
        };
        for set in self.sets.values() {
            if let Set::Pairs(pairs) = set {
                all.extend(pairs.iter().map(|pair| pair.target.clone()));
            }
        }
        self.sets.insert(into.into(), Set::Clean(all));
        Ok(self)
    }

    /// The sets by name.
    pub fn sets(&self) -> impl Iterator<Item = (&str, &Set)> {
        self.sets.iter().map(|(name, set)| (name.as_str(), set))
    }

    /// The set of that name.
    ///
    /// # Errors
    /// [`Error::Input`] that lists the sets there are.
    pub fn set(&self, name: &str) -> Result<&Set> {
        self.sets.get(name).ok_or_else(|| {
            let there: Vec<&str> = self.sets.keys().map(String::as_str).collect();
            Error::Input(format!("the training data has no set {name:?}; there are {}", there.join(", ")))
        })
    }

    /// How many pictures or pairs were left out.
    pub fn left_out(&self) -> usize {
        self.left_out
    }
}

/// What can be had from the files, made in parallel, in their order.
fn kept<T: Weighty + Send>(
    files: &[Files],
    opening: &Opening,
    bytes: &AtomicU64,
    make: impl Fn(&Files) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let over = |total: u64| total > opening.max_bytes;
    let made = files.par_iter().map(|files| {
        // Once over the limit, no further picture is worth its decoding.
        let made = if over(bytes.load(Ordering::Relaxed)) { Ok(None) } else { make(files).map(Some) };
        match made {
            Ok(Some(made)) if over(bytes.fetch_add(made.bytes(), Ordering::Relaxed) + made.bytes()) => {
                Err(Error::Input(format!(
                    "the training pictures need more than the {} they may take once decoded",
                    ByteSize(opening.max_bytes)
                )))
            }
            Err(error) if !opening.strict => {
                log::warn!("left out: {error}");
                Ok(None)
            }
            made => made,
        }
    });
    // The first error by order of files, not of threads.
    made.collect::<Vec<_>>().into_iter().filter_map(Result::transpose).collect()
}

/// What takes memory.
trait Weighty {
    fn bytes(&self) -> u64;
}

impl Weighty for Arc<RgbImage> {
    fn bytes(&self) -> u64 {
        self.len() as u64
    }
}

impl Weighty for Pair {
    fn bytes(&self) -> u64 {
        self.input.bytes() + self.target.bytes()
    }
}

pub(super) fn clean(files: &Files, opening: &Opening) -> Result<Arc<RgbImage>> {
    match &files.clean {
        Some(source) => {
            let rgb = source.decode()?;
            check_side(&rgb, source.name(), opening)?;
            Ok(Arc::new(rgb))
        }
        None => Err(Error::Input("a clean picture is missing".into())),
    }
}

pub(super) fn pair(files: &Files, set: &str, opening: &Opening) -> Result<Pair> {
    let (input, target) = match (&files.input, &files.target) {
        (Some(input), Some(target)) => (input, target),
        (Some(lonely), None) | (None, Some(lonely)) => {
            return Err(Error::Input(format!(
                "set {set}: {} has no partner of the same name",
                lonely.name().display()
            )));
        }
        (None, None) => return Err(Error::Input(format!("set {set}: a pair is missing"))),
    };
    let (degraded, clean) = (input.decode()?, target.decode()?);
    let size = |rgb: &RgbImage| format!("{}x{}", rgb.width(), rgb.height());
    if degraded.dimensions() != clean.dimensions() {
        return Err(Error::picture(
            input.name(),
            format!("it has {} pixels and its target {}", size(&degraded), size(&clean)),
        ));
    }
    check_side(&degraded, input.name(), opening)?;
    Ok(Pair { input: Arc::new(degraded), target: Arc::new(clean) })
}

fn check_side(rgb: &RgbImage, name: &Path, opening: &Opening) -> Result<()> {
    let least = opening.least_side;
    if rgb.width().min(rgb.height()) < least {
        let (width, height) = rgb.dimensions();
        return Err(Error::picture(
            name,
            format!("{width}x{height} is smaller than the {least}x{least} patches"),
        ));
    }
    Ok(())
}
