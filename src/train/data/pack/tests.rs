use super::*;
use crate::train::data::{Library, Set};
use image::{Rgb, RgbImage};
use std::path::PathBuf;

/// A folder with a set of pairs, and one of clean pictures of many details.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, seed: u32, side: u32| {
        let path = folder.path().join("data").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let wave = |x: u32, y: u32| (128.0 + 90.0 * ((x * x + 3 * y + seed) as f32 * 0.11).sin()) as u8;
        RgbImage::from_fn(side, side / 2 + 80, |x, y| Rgb([wave(x, y), wave(y, x), wave(x + y, seed)]))
            .save(path)
            .unwrap();
    };
    for index in 0..6 {
        save(&format!("clean/photo.{index}.png"), index, 300);
    }
    for index in 0..3 {
        save(&format!("rain/input/{index}.png"), 10 + index, 200);
        save(&format!("rain/target/{index}.bmp"), 20 + index, 200);
    }
    folder
}

fn packed(folder: &tempfile::TempDir, name: &str, packing: &Packing) -> Result<(PathBuf, Packed)> {
    let to = folder.path().join(name);
    let packed = pack(&folder.path().join("data"), &to, packing, |done, of| assert!(done <= of))?;
    assert_eq!(packed.bytes, std::fs::metadata(&to).unwrap().len());
    assert!(packed.bytes <= packing.max_bytes);
    Ok((to, packed))
}

const STRICT: Opening = Opening { least_side: 32, strict: true, max_bytes: 1 << 30 };

#[test]
fn a_shard_is_read_back_as_the_same_sets_and_near_the_same_pictures() {
    let folder = folder();
    let (to, packed) = packed(&folder, "all.tar", &Packing::default()).unwrap();
    assert_eq!((packed.quality, packed.shrink, packed.left_out), (95, 1.0, 0));
    assert_eq!(packed.sets, BTreeMap::from([("clean".into(), 6), ("rain".into(), 3)]));
    let [was, is] = [folder.path().join("data"), to].map(|path| Library::open(&path, &STRICT).unwrap());
    let (Set::Pairs(was), Set::Pairs(is)) = (was.set("rain").unwrap(), is.set("rain").unwrap()) else {
        panic!("rain is a set of pairs")
    };
    for (was, is) in was.iter().zip(is) {
        for (was, is) in [(&was.input, &is.input), (&was.target, &is.target)] {
            assert_eq!(was.dimensions(), is.dimensions());
            let error: u64 = was.iter().zip(is.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            assert!(error < 4 * was.len() as u64, "{error} over {}", was.len());
        }
    }
}

#[test]
fn the_same_pictures_give_the_same_bytes_and_packing_again_changes_nothing() {
    let folder = folder();
    let (first, _) = packed(&folder, "1.tar", &Packing::default()).unwrap();
    let (second, _) = packed(&folder, "2.tar", &Packing::default()).unwrap();
    let first_bytes = std::fs::read(&first).unwrap();
    assert!(first_bytes == std::fs::read(second).unwrap());
    // Its JPEGs would not become smaller by much, and stay as they are.
    let again = folder.path().join("3.tar");
    pack(&first, &again, &Packing::default(), |_, _| ()).unwrap();
    assert!(first_bytes == std::fs::read(again).unwrap());
}

#[test]
fn quality_is_lowered_first_and_then_size_until_it_fits() {
    let folder = folder();
    let best = packed(&folder, "best.tar", &Packing::default()).unwrap().1;
    let with = |max_bytes: u64| packed(&folder, "less.tar", &Packing { max_bytes, ..Packing::default() });
    let (_, exact) = with(best.bytes).unwrap();
    assert_eq!(exact, best);
    let (_, less) = with(best.bytes - 1).unwrap();
    assert!(less.quality < 95 && less.shrink == 1.0, "{less:?}");
    let (to, least) = with(best.bytes / 4).unwrap();
    assert!(least.quality >= 70 && (LEAST_SHRINK..1.0).contains(&least.shrink), "{least:?}");
    // Pairs stay pairs, and nothing becomes too small to cut patches from.
    Library::open(&to, &Opening { least_side: 100, ..STRICT }).unwrap();
    let error = with(9000).unwrap_err().to_string();
    assert!(error.contains("does not fit into 9.0 kB"), "{error}");
}

#[test]
fn a_largest_side_holds_for_both_of_a_pair() {
    let folder = folder();
    let packing = Packing { largest_side: Some(150), ..Packing::default() };
    let (to, _) = packed(&folder, "small.tar", &packing).unwrap();
    let library = Library::open(&to, &STRICT).unwrap();
    let Set::Pairs(pairs) = library.set("rain").unwrap() else { panic!("rain is a set of pairs") };
    assert!(
        pairs.iter().all(|pair| pair.input.dimensions() == (150, 135)),
        "{:?}",
        pairs[0].input.dimensions()
    );
}

#[test]
fn names_that_a_shard_cannot_hold_are_changed_and_must_stay_apart() {
    let folder = folder();
    let data = folder.path().join("data");
    let long = format!("{}.png", "long".repeat(50));
    std::fs::copy(data.join("clean/photo.0.png"), data.join("clean").join(long)).unwrap();
    let (to, _) = packed(&folder, "names.tar", &Packing::default()).unwrap();
    assert_eq!(Library::open(&to, &STRICT).unwrap().set("clean").unwrap().len(), 7);
    std::fs::copy(data.join("clean/photo.0.png"), data.join("clean/photo_0.png")).unwrap();
    let error = packed(&folder, "twice.tar", &Packing::default()).unwrap_err().to_string();
    assert!(error.contains("clean/photo_0"), "{error}");
    assert!(!folder.path().join("twice.tar").exists());
}
