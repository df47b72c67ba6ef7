//! Sets of pictures to evaluate on.

use super::degrade::gaussian_noise_8bit;
use crate::frame::{self, Planes};
use crate::picture::{Limits, Picture, folder};
use crate::{Error, Result};
use ndarray::{ArrayView3, s};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The reference crops every picture to multiples of this.
const CROP: usize = 16;

/// Pictures with their clean targets.
#[derive(Clone, Debug)]
pub struct Dataset {
    items: Vec<Item>,
    noise: Option<Noise>,
}

/// Gaussian noise to add to clean pictures, as the papers do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Standard deviation in steps of 8-bit values.
    pub sigma: f32,
    /// Start of the random numbers; each picture has its own from there.
    pub seed: u64,
}

#[derive(Clone, Debug)]
struct Item {
    input: PathBuf,
    target: PathBuf,
}

/// One pair, cropped as the reference does.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The input's file name.
    pub name: String,
    /// The degraded picture `[3, H, W]`.
    pub input: Planes,
    /// The clean one, of the same size.
    pub target: Planes,
}

impl Dataset {
    /// The pairs of a folder with `input/` and `target/` (matched by name, whatever the
    /// extension), or with noise its clean pictures (in `target/` where there is one).
    ///
    /// # Errors
    /// [`Error::Input`] where the folder has no pairs, or a picture has no partner;
    /// [`Error::Io`] where it can't be read.
    pub fn open(folder: &Path, noise: Option<Noise>) -> Result<Self> {
        let (inputs, targets) = (folder.join("input"), folder.join("target"));
        if noise.is_some_and(|noise| !(0.0..=255.0).contains(&noise.sigma)) {
            return Err(Error::Input("noise is a standard deviation in 0..=255".into()));
        }
        let clean = if targets.is_dir() { &targets } else { folder };
        let items = if noise.is_some() {
            folder::list(clean, false)?
                .into_iter()
                .map(|path| Item { input: path.clone(), target: path })
                .collect()
        } else if inputs.is_dir() && targets.is_dir() {
            pairs(&inputs, &targets)?
        } else {
            return Err(Error::Input(format!(
                "{} has no input/ and target/ folders; for clean pictures say which --noise to add",
                folder.display()
            )));
        };
        Ok(Self { items, noise })
    }

    /// Keeps the first `count` pairs.
    pub fn truncate(&mut self, count: usize) {
        self.items.truncate(count);
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Reads the pairs one by one.
    pub fn iter(&self) -> impl Iterator<Item = Result<Pair>> + '_ {
        self.items.iter().enumerate().map(|(index, item)| self.read(index, item))
    }

    fn read(&self, index: usize, item: &Item) -> Result<Pair> {
        let limits = Limits::default();
        let target = crop(Picture::open(&item.target, &limits)?.planes.view());
        let input = match self.noise {
            Some(Noise { sigma, seed }) => {
                let clean = frame::to_rgb8(target.view());
                frame::from_rgb8(&gaussian_noise_8bit(&clean, sigma, seed.wrapping_add(index as u64)))
            }
            None => crop(Picture::open(&item.input, &limits)?.planes.view()),
        };
        if input.dim() != target.dim() {
            let size = |planes: &Planes| format!("{}x{}", planes.dim().2, planes.dim().1);
            return Err(Error::picture(
                &item.input,
                format!(
                    "it has {} pixels and its target {} (cropped to {CROP})",
                    size(&input),
                    size(&target)
                ),
            ));
        }
        let name = item.input.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if input.is_empty() {
            return Err(Error::picture(&item.input, format!("it is smaller than {CROP}x{CROP}")));
        }
        Ok(Pair { name, input, target })
    }
}

fn pairs(inputs: &Path, targets: &Path) -> Result<Vec<Item>> {
    let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut by_stem: BTreeMap<String, PathBuf> =
        folder::list(targets, false)?.into_iter().map(|path| (stem(&path), path)).collect();
    let mut items = Vec::new();
    for input in folder::list(inputs, false)? {
        let target = by_stem.remove(&stem(&input)).ok_or_else(|| {
            Error::Input(format!("{} has no partner of that name in {}", input.display(), targets.display()))
        })?;
        items.push(Item { input, target });
    }
    match by_stem.into_values().next() {
        Some(target) => Err(Error::Input(format!(
            "{} has no partner of that name in {}",
            target.display(),
            inputs.display()
        ))),
        None => Ok(items),
    }
}

/// The centre of a picture, cropped to multiples of 16 as the reference's `crop_img` does.
fn crop(image: ArrayView3<'_, f32>) -> Planes {
    let (_, height, width) = image.dim();
    let (top, left) = (height % CROP / 2, width % CROP / 2);
    let (rows, columns) = (height / CROP * CROP, width / CROP * CROP);
    image.slice(s![.., top..top + rows, left..left + columns]).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, width: u32, height: u32) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::from_pixel(width, height, image::Rgb([90, 120, 30])).save(path).unwrap();
    }

    #[test]
    fn pairs_are_matched_by_name_and_cropped_to_16() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("input/b.png"), 37, 50);
        write(&folder.path().join("target/b.bmp"), 37, 50);
        let set = Dataset::open(folder.path(), None).unwrap();
        let pair = set.iter().next().unwrap().unwrap();
        assert_eq!((pair.input.dim(), pair.name.as_str()), ((3, 48, 32), "b.png"));

        write(&folder.path().join("input/lonely.png"), 16, 16);
        let message = Dataset::open(folder.path(), None).unwrap_err().to_string();
        assert!(message.contains("lonely.png"), "{message}");
    }

    #[test]
    fn pairs_of_different_sizes_are_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("input/a.png"), 32, 32);
        write(&folder.path().join("target/a.png"), 48, 32);
        let message =
            Dataset::open(folder.path(), None).unwrap().iter().next().unwrap().unwrap_err().to_string();
        assert!(message.contains("a.png") && message.contains("48x32"), "{message}");
    }

    #[test]
    fn noise_differs_by_picture_and_repeats_by_seed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.png", "b.png"] {
            write(&folder.path().join(name), 32, 32);
        }
        let read = |seed| {
            let set = Dataset::open(folder.path(), Some(Noise { sigma: 25.0, seed })).unwrap();
            set.iter().map(|pair| pair.unwrap().input).collect::<Vec<_>>()
        };
        assert_eq!(read(3), read(3));
        assert_ne!(read(3)[0], read(3)[1]);
        assert_ne!(read(3)[0], read(4)[0]);
        assert!(Dataset::open(folder.path(), None).is_err());
    }
}
