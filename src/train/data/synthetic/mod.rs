//! Clean pictures for those who have none: enough to try training out.

mod leaves;

use super::seeds::derived;
use crate::picture::{Picture, SaveOptions};
use crate::source::synthetic::{Daylight, RoadScene};
use crate::{Error, Result};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Widths and heights in pixels.
const SIZES: [(usize, usize); 4] = [(320, 240), (384, 256), (256, 320), (288, 288)];

/// Writes `count` clean pictures to the set `clean` in the folder `out`: views of a country
/// road, and heaps of leaves in their colours. The same seed gives the same pictures.
/// `progress` hears how many are written.
///
/// # Errors
/// [`Error::Input`] where the set has files already, [`Error::Io`] where it can't be written.
pub fn synthesise(out: &Path, count: usize, seed: u64, progress: impl Fn(usize) + Sync) -> Result<()> {
    let folder = out.join("clean");
    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    if std::fs::read_dir(&folder).map_err(Error::io("read folder", &folder))?.next().is_some() {
        return Err(Error::Input(format!(
            "{} has files in it already; give another folder",
            folder.display()
        )));
    }
    let done = AtomicUsize::new(0);
    (0..count).into_par_iter().try_for_each(|index| {
        let (kind, picture) = picture(derived(seed, index as u64), index % 2 == 0);
        picture.save(&folder.join(format!("{kind}-{index:05}.png")), &SaveOptions::default())?;
        progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        Ok(())
    })
}

fn picture(seed: u64, road: bool) -> (&'static str, Picture) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let daylight = if rng.random() { Daylight::Sunny } else { Daylight::Overcast };
    let scene = RoadScene::new(rng.random()).under(daylight);
    let time = rng.random_range(0.0..3600.0);
    let &(width, height) = SIZES.choose(&mut rng).unwrap_or(&SIZES[0]);
    if road {
        return ("road", Picture::new(scene.render(width, height, time).planes));
    }
    // Its colours alone: what is in the world is seldom of any colour.
    let palette = scene.render(48, 32, time).planes;
    ("leaves", Picture::new(leaves::heap(width, height, &palette, &mut rng)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::data::{Library, Opening};

    #[test]
    fn the_same_seed_gives_the_same_pictures_and_another_seed_others() {
        let folder = tempfile::tempdir().unwrap();
        let files = |name: &str, seed: u64| {
            let out = folder.path().join(name);
            synthesise(&out, 4, seed, |_| ()).unwrap();
            let mut files: Vec<_> =
                std::fs::read_dir(out.join("clean")).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            files.iter().map(|file| std::fs::read(file).unwrap()).collect::<Vec<_>>()
        };
        let (a, b, other) = (files("a", 3), files("b", 3), files("c", 4));
        assert_eq!(a, b);
        assert!(a.iter().zip(&other).all(|(a, other)| a != other));
        let strict = Opening { least_side: 240, strict: true, ..Opening::default() };
        let library = Library::open(&folder.path().join("a"), &strict).unwrap();
        assert_eq!(library.set("clean").unwrap().len(), 4);
    }

    #[test]
    fn a_folder_with_pictures_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        synthesise(folder.path(), 1, 0, |_| ()).unwrap();
        let error = synthesise(folder.path(), 2, 1, |_| ()).unwrap_err().to_string();
        assert!(error.contains("clean has files in it already"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path().join("clean")).unwrap().count(), 1);
    }

    #[test]
    fn every_picture_has_edges_and_areas_in_light_and_dark() {
        for index in 0..8 {
            let (kind, picture) = picture(derived(5, index), index % 2 == 0);
            let planes = &picture.planes;
            assert!(planes.iter().all(|value| (0.0..=1.0).contains(value)), "{kind} {index}");
            let mean = planes.mean().unwrap();
            let spread = planes.mapv(|value| (value - mean).powi(2)).mean().unwrap().sqrt();
            assert!(spread > 0.06, "{kind} {index} is flat: {spread}");
        }
    }
}
