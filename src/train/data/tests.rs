use super::*;
use crate::bundle::Task;
use image::RgbImage;
use std::path::Path;
use std::sync::Arc;

fn picture(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 3 + seed * 40) as u8, (y * 2 + seed) as u8, ((x + y) * seed) as u8])
    })
}

fn write(path: &Path, rgb: &RgbImage) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    rgb.save(path).unwrap();
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..5 {
        write(&folder.path().join(format!("clean/{i}.png")), &picture(80, 70, i));
    }
    for i in 0..3 {
        write(&folder.path().join(format!("rain/input/{i}.png")), &picture(80, 64, i + 9));
        write(&folder.path().join(format!("rain/target/{i}.bmp")), &picture(80, 64, i));
    }
    folder
}

const SMALL: Opening = Opening { least_side: 32, strict: false, max_bytes: 1 << 20 };
const STRICT: Opening = Opening { strict: true, ..SMALL };

fn mix() -> Mix {
    #[derive(serde::Deserialize)]
    struct Recipe {
        data: Mix,
    }
    let recipe: Recipe = toml::from_str(
        r#"
        [[data]]
        set = "clean"
        task = "denoise"
        degrade = { kind = "noise", sigma = [5, 55] }
        mixed_with = ["jpeg", "haze"]
        weight = 3.0
        [[data]]
        set = "rain"
        task = "derain"
        [[data]]
        set = "clean"
        task = "low-light"
        prompt = "a dark photo"
        degrade = { kind = "low-light" }
        weight = 0.6
        [[data]]
        set = "clean"
        task = "clear"
        weight = 0.4
        "#,
    )
    .unwrap();
    recipe.data
}

fn rounds(count: usize) -> Rounds {
    let folder = folder();
    let library = Arc::new(Library::open(folder.path(), &STRICT).unwrap());
    Rounds::new(library, mix(), count, 11).unwrap()
}

#[test]
fn a_folder_and_a_shard_of_the_same_pictures_are_the_same_library() {
    let folder = folder();
    let mut tar = tar::Builder::new(std::fs::File::create(folder.path().join("all.tar")).unwrap());
    for i in 0..5 {
        tar.append_path_with_name(folder.path().join(format!("clean/{i}.png")), format!("clean/{i}.png"))
            .unwrap();
    }
    for i in 0..3 {
        for (part, extension) in [("input", "png"), ("target", "bmp")] {
            let file = folder.path().join(format!("rain/{part}/{i}.{extension}"));
            tar.append_path_with_name(file, format!("rain/{i}.{part}.{extension}")).unwrap();
        }
    }
    tar.finish().unwrap();
    let packed = Library::open(&folder.path().join("all.tar"), &STRICT).unwrap();
    std::fs::remove_file(folder.path().join("all.tar")).unwrap();
    let loose = Library::open(folder.path(), &STRICT).unwrap();
    assert_eq!(format!("{:?}", packed.set("rain").unwrap()), format!("{:?}", loose.set("rain").unwrap()));
    assert_eq!(format!("{:?}", packed.set("clean").unwrap()), format!("{:?}", loose.set("clean").unwrap()));
    assert_eq!((loose.set("clean").unwrap().len(), loose.set("rain").unwrap().len()), (5, 3));
}

#[test]
fn each_bad_picture_is_left_out_and_counted_or_one_line_that_names_it() {
    type Spoil = fn(&Path);
    let spoilt: [(&str, Spoil); 5] = [
        ("clean/broken.png", |root| std::fs::write(root.join("clean/broken.png"), b"no picture").unwrap()),
        ("clean/tiny.png", |root| write(&root.join("clean/tiny.png"), &picture(80, 31, 1))),
        ("rain/input/lonely.png", |root| write(&root.join("rain/input/lonely.png"), &picture(80, 64, 1))),
        ("rain/target/late.png", |root| write(&root.join("rain/target/late.png"), &picture(80, 64, 1))),
        ("rain/input/2.png", |root| write(&root.join("rain/input/2.png"), &picture(80, 65, 1))),
    ];
    for (file, spoil) in spoilt {
        let folder = folder();
        spoil(folder.path());
        let message = Library::open(folder.path(), &STRICT).unwrap_err().to_string();
        assert!(message.contains(file) && message.lines().count() == 1, "{file}: {message}");
        assert_eq!(Library::open(folder.path(), &SMALL).unwrap().left_out(), 1, "{file}");
    }
}

#[test]
fn nothing_to_learn_from_and_too_much_are_one_line() {
    let folder = folder();
    let said = |opening: &Opening| Library::open(folder.path(), opening).unwrap_err().to_string();
    assert!(said(&Opening { max_bytes: 60_000, ..STRICT }).contains("more than the"));
    assert!(said(&Opening { max_bytes: 60_000, ..SMALL }).contains("more than the"));
    assert!(said(&Opening { least_side: 75, ..SMALL }).contains("no usable picture among 5"));
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    assert!(said(&SMALL).contains("no pictures in folder"));
    let nothing = tempfile::tempdir().unwrap();
    assert!(Library::open(nothing.path(), &SMALL).unwrap_err().to_string().contains("no training pictures"));
}

#[test]
fn a_mix_that_does_not_fit_the_library_is_one_line() {
    let library = Library::open(folder().path(), &STRICT).unwrap();
    let entry = mix().entries[0].clone();
    for (entry, said) in [
        (Entry { set: "snow".into(), ..entry.clone() }, "there are clean, rain"),
        (Entry { set: "rain".into(), ..entry.clone() }, "leave degrade out"),
        (Entry { degrade: None, ..entry.clone() }, "say how to degrade"),
        (Entry { weight: 0.0, ..entry.clone() }, "weight"),
        (Entry { weight: f64::NAN, ..entry.clone() }, "weight"),
        (Entry { mixed_chance: 2.0, ..entry }, "mixed_chance"),
    ] {
        let message = Mix { entries: vec![entry] }.check(&library).unwrap_err().to_string();
        assert!(message.contains(said) && message.lines().count() == 1, "{message}");
    }
    assert!(Mix::default().check(&library).is_err());
    assert!(toml::from_str::<Entry>("set = 'clean'\ntask = 'clear'\nwieght = 2").is_err());
}

#[test]
fn a_round_is_the_same_on_any_number_of_threads() {
    let rounds = rounds(24);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| rounds.round(3).unwrap())
    };
    assert_eq!(format!("{:?}", on(1)), format!("{:?}", on(3)));
    assert_ne!(format!("{:?}", on(1)), format!("{:?}", rounds.round(4).unwrap()));
}

#[test]
fn each_entry_has_its_share_of_every_round_and_exactly_over_many() {
    let rounds = rounds(16);
    let shares = mix().shares();
    let mut sums = [0usize; 4];
    for index in 0..50 {
        let round = rounds.round(index).unwrap();
        let counts = [Task::Denoise, Task::Derain, Task::LowLight, Task::Clear]
            .map(|task| round.iter().filter(|sample| sample.task == task).count());
        assert_eq!(counts.iter().sum::<usize>(), 16);
        for ((sum, count), share) in sums.iter_mut().zip(counts).zip(&shares) {
            *sum += count;
            assert!((count as f64 - share * 16.0).abs() <= 1.0, "{count} of 16, share {share}");
        }
    }
    for (sum, share) in sums.iter().zip(&shares) {
        assert!((*sum as f64 - share * 800.0).abs() <= 4.0, "{sum} of 800, share {share}");
    }
}

#[test]
fn samples_say_what_they_are() {
    for sample in rounds(40).round(0).unwrap() {
        assert_eq!(sample.degraded.dimensions(), sample.target.dimensions());
        match sample.task {
            Task::Denoise => assert!(sample.prompt.contains("noise") && sample.severity > 0.0),
            Task::LowLight => {
                assert_eq!((sample.prompt.as_str(), sample.set.as_str()), ("a dark photo", "clean"))
            }
            Task::Clear => assert_eq!((&sample.degraded, sample.severity), (&sample.target, 0.0)),
            _ => assert_eq!((sample.prompt.as_str(), sample.set.as_str()), ("image with rain", "rain")),
        }
    }
}

#[test]
fn patches_of_a_pair_stay_aligned_however_they_are_turned() {
    let mut samples = rounds(24).round(0).unwrap();
    samples.iter_mut().for_each(|sample| sample.degraded = sample.target.clone());
    let batch = cut(&samples, 32, 48, 5, 0).unwrap();
    assert_eq!(batch.input, batch.target);
    assert_eq!((batch.input.len(), batch.samples.len()), (48 * 3 * 32 * 32, 48));
    // 48 patches from 24 samples: each twice.
    assert!((0..24).all(|i| batch.samples.iter().filter(|&&sample| sample == i).count() == 2));
    assert_eq!(batch, cut(&samples, 32, 48, 5, 0).unwrap());
    assert_ne!(batch, cut(&samples, 32, 48, 5, 1).unwrap());
}

#[test]
fn a_patch_is_a_turned_or_mirrored_part_of_its_picture() {
    // Red counts columns and green rows, so a patch tells where it is from and how it was turned.
    let target = Arc::new(RgbImage::from_fn(48, 40, |x, y| image::Rgb([x as u8, y as u8, 0])));
    let sample = |task| Sample {
        degraded: target.clone(),
        target: target.clone(),
        task,
        prompt: String::new(),
        set: String::new(),
        severity: 0.0,
        sigma: None,
        second: None,
    };
    for (task, turns) in [(Task::Denoise, 8), (Task::Derain, 4)] {
        let batch = cut(&[sample(task)], 8, 64, 1, 0).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for patch in batch.input.chunks_exact(3 * 64) {
            let at = |c: usize, y: usize, x: usize| (patch[(c * 8 + y) * 8 + x] * 255.0).round() as i32;
            let steps = [0, 1].map(|c| (at(c, 0, 1) - at(c, 0, 0), at(c, 1, 0) - at(c, 0, 0)));
            let [(rx, ry), (gx, gy)] = steps;
            assert!((rx.abs(), ry) == (1, 0) && (gx, gy.abs()) == (0, 1) || rx == 0 && gy == 0);
            seen.insert(steps);
        }
        assert_eq!(seen.len(), turns);
    }
}

#[test]
fn a_patch_larger_than_a_picture_is_one_line() {
    let samples = rounds(4).round(0).unwrap();
    let message = cut(&samples, 65, 2, 1, 0).unwrap_err().to_string();
    assert!(message.contains("65x65"), "{message}");
    assert!(cut(&[], 8, 2, 1, 0).is_err());
}

#[test]
fn a_loader_gives_the_rounds_in_order_and_stops_when_dropped() {
    let rounds = rounds(4);
    let expected = format!("{:?}", rounds.round(8).unwrap());
    let mut loader = Loader::start(rounds, 7, 2, |_| Ok(())).unwrap();
    assert_eq!(loader.next_round().unwrap().index, 7);
    let second = loader.next_round().unwrap();
    assert_eq!((second.index, format!("{:?}", second.samples)), (8, expected));
    assert!(loader.waited() >= second.waited);
    drop(loader);
}

#[test]
fn targets_of_pairs_join_the_clean_pictures_and_shrinking_keeps_them_large_enough() {
    let picture = |side| Arc::new(RgbImage::from_fn(side, side, |x, y| image::Rgb([x as u8, y as u8, 9])));
    let pair = Pair { input: picture(300), target: picture(300) };
    let sets =
        [("dark".to_owned(), Set::Pairs(vec![pair])), ("clean".to_owned(), Set::Clean(vec![picture(170)]))];
    let library = Library::of_sets(sets).with_targets("clean").unwrap();
    assert_eq!((library.set("clean").unwrap().len(), library.set("dark").unwrap().len()), (2, 1));
    assert!(library.clone().with_targets("dark").is_err());

    let entry = "set = \"clean\"\ntask = \"denoise\"\ndegrade = { kind = \"noise\" }\nshrink = 0.5\n";
    let mix = Mix { entries: vec![toml::from_str(entry).unwrap()] };
    let samples = Rounds::new(Arc::new(library), mix, 24, 3).unwrap().round(0).unwrap();
    let sides: std::collections::BTreeSet<u32> = samples.iter().map(|sample| sample.target.width()).collect();
    assert!(sides.len() > 6 && sides.iter().all(|side| (160..=300).contains(side)), "{sides:?}");
    assert!(samples.iter().all(|sample| sample.degraded.dimensions() == sample.target.dimensions()));
}
