use super::*;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

const KEY: Key = Key { kind: "plan", digest: [3; 32] };
const PLAN: &[u8] = b"what TensorRT serialised";

fn filled() -> (tempfile::TempDir, Cache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(&folder.path().join("vlunet").join("tensorrt"));
    assert!(matches!(cache.get(&KEY), Err(Unusable::Missing)));
    cache.put(&KEY, PLAN).unwrap();
    (folder, cache)
}

/// Refused once the file's bytes are changed.
fn is_corrupt(change: impl FnOnce(&mut Vec<u8>)) {
    let (_folder, cache) = filled();
    let path = cache.path(&KEY);
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
    let why = cache.get(&KEY).unwrap_err();
    assert!(matches!(why, Unusable::Corrupt(_)), "{why}");
    assert!(!why.to_string().contains('\n'));
}

#[test]
fn a_plan_comes_back_and_is_for_its_user_alone() {
    let (_folder, cache) = filled();
    assert_eq!(cache.get(&KEY).unwrap(), PLAN);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&cache.path(&KEY)), 0o600);
    assert_eq!(mode(cache.folder()), 0o700);
    cache.put(&KEY, b"a newer one").unwrap();
    assert_eq!(cache.get(&KEY).unwrap(), b"a newer one");
    assert_eq!(std::fs::read_dir(cache.folder()).unwrap().count(), 1);
    cache.remove(&KEY).unwrap();
    cache.remove(&KEY).unwrap();
    assert!(matches!(cache.get(&KEY), Err(Unusable::Missing)));
}

#[test]
fn a_plan_that_is_not_as_it_was_written_is_refused() {
    is_corrupt(|bytes| *bytes.last_mut().unwrap() ^= 1);
    is_corrupt(|bytes| bytes.truncate(bytes.len() - 1));
    is_corrupt(|bytes| bytes.push(0));
    is_corrupt(|bytes| bytes.truncate(HEAD - 1));
    is_corrupt(Vec::clear);
    is_corrupt(|bytes| bytes[0] ^= 1);
    // Of a later format.
    is_corrupt(|bytes| bytes[7] += 1);
    // A length that isn't the file's.
    is_corrupt(|bytes| bytes[MAGIC.len() + 32 + 6] = 0xff);
    is_corrupt(|bytes| bytes[HEAD - 1] ^= 1);
}

#[test]
fn a_plan_of_another_key_is_refused() {
    let (_folder, cache) = filled();
    let other = Key { digest: [4; 32], ..KEY };
    std::fs::rename(cache.path(&KEY), cache.path(&other)).unwrap();
    assert!(matches!(cache.get(&other), Err(Unusable::Corrupt(why)) if why.contains("key")));
}

#[test]
fn a_plan_that_others_could_have_written_is_refused() {
    let is_foreign = |cache: &Cache| match cache.get(&KEY) {
        Err(Unusable::Foreign(why)) => why,
        other => panic!("{other:?}"),
    };
    let (_folder, cache) = filled();
    for (path, modes) in [(cache.path(&KEY), [0o620, 0o602]), (cache.folder().to_owned(), [0o770, 0o707])] {
        let before = std::fs::metadata(&path).unwrap().permissions();
        for mode in modes {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert!(is_foreign(&cache).contains("others"));
        }
        std::fs::set_permissions(&path, before).unwrap();
    }
    assert!(cache.get(&KEY).is_ok());

    std::fs::set_permissions(cache.folder(), Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(cache.put(&KEY, PLAN), Err(Error::Input(_))));
    std::fs::set_permissions(cache.folder(), Permissions::from_mode(0o700)).unwrap();

    // A link to a good one.
    let moved = cache.folder().join("elsewhere");
    std::fs::rename(cache.path(&KEY), &moved).unwrap();
    symlink(&moved, cache.path(&KEY)).unwrap();
    assert!(is_foreign(&cache).contains("link"));

    std::fs::remove_file(cache.path(&KEY)).unwrap();
    std::fs::create_dir(cache.path(&KEY)).unwrap();
    assert!(is_foreign(&cache).contains("plain file"));
}

#[test]
fn a_plan_of_another_user_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let stat = fs::stat(folder.path()).unwrap();
    assert!(is_own(&stat, FileType::Directory).is_ok());
    let mut foreign = stat;
    foreign.st_uid += 1;
    assert!(is_own(&foreign, FileType::Directory).unwrap_err().contains("belongs to user"));
    // For real, where this user may give files away.
    let (_folder, cache) = filled();
    if std::os::unix::fs::chown(cache.path(&KEY), Some(stat.st_uid + 1), None).is_ok() {
        assert!(matches!(cache.get(&KEY), Err(Unusable::Foreign(_))));
    }
}

#[test]
fn a_pipe_in_place_of_a_plan_is_not_waited_for() {
    let (_folder, cache) = filled();
    let path = cache.path(&KEY);
    std::fs::remove_file(&path).unwrap();
    fs::mknodat(fs::CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    assert!(matches!(cache.get(&KEY), Err(Unusable::Foreign(_))));
}
