//! Root installs into a store that is another user's: what root makes there is that user's, and
//! what that user lays there leads root nowhere.
#![cfg(target_os = "linux")]

#[path = "support/bundle.rs"]
mod bundle;
#[path = "support/update.rs"]
mod update;

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use update::Device;

/// Somebody who isn't root.
const USER: u32 = 65534;

/// A device whose folder of models is another user's.
fn device() -> Option<Device> {
    let device = Device::new();
    if device.folder.path().metadata().unwrap().uid() != 0 {
        eprintln!("skipped: only root can act as another");
        return None;
    }
    // A temporary folder is for its owner alone; the way to a store is everybody's.
    std::fs::set_permissions(device.folder.path(), Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(device.path("models")).unwrap();
    chown(device.path("models"), Some(USER), Some(USER)).unwrap();
    Some(device)
}

/// Everything below a folder.
fn each(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        visit(&path);
        if path.is_dir() && !path.is_symlink() {
            each(&path, visit);
        }
    }
}

#[test]
fn what_root_makes_in_a_store_is_its_owners() {
    let Some(device) = device() else { return };
    device.settle("1.0.0");
    // One that root alone may read, as on a stick.
    let path = device.signed("2.0.0");
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    device.install(&path).unwrap();
    assert_eq!(device.version(), "2.0.0");
    device.slot().roll_back().unwrap();
    assert_eq!(device.version(), "1.0.0");
    let mut found = 0;
    each(&device.path("models"), &mut |path| {
        let metadata = path.symlink_metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (USER, USER), "{}", path.display());
        found += 1;
    });
    assert!(found > 10, "{found}");
    // Root is root again.
    std::fs::write(device.path("own"), "").unwrap();
    assert_eq!(device.path("own").metadata().unwrap().uid(), 0);
}

#[test]
fn what_the_owner_lays_leads_root_nowhere() {
    let lays: [fn(&Path, &Path); 4] = [
        |models, prize| symlink(prize.join("made"), models.join(".lock")).unwrap(),
        |models, prize| symlink(prize, models.join("tiny")).unwrap(),
        |models, prize| {
            std::fs::create_dir(models.join("tiny")).unwrap();
            symlink(prize.join("file"), models.join("tiny/.lock")).unwrap();
        },
        |models, prize| {
            std::fs::create_dir(models.join("tiny")).unwrap();
            std::fs::hard_link(prize.join("file"), models.join("tiny/.lock")).unwrap();
        },
    ];
    for (number, lay) in lays.iter().enumerate() {
        let Some(device) = device() else { return };
        let (models, prize) = (device.path("models"), device.path("prize"));
        std::fs::create_dir(&prize).unwrap();
        std::fs::write(prize.join("file"), "root's").unwrap();
        lay(&models, &prize);
        each(&models, &mut |path| {
            if path.symlink_metadata().unwrap().nlink() == 1 || path.is_dir() {
                lchown(path, Some(USER), Some(USER)).unwrap();
            }
        });
        let message = device.install(&device.signed("1.0.0")).unwrap_err().to_string();
        assert!(message.contains("ermission denied") && message.lines().count() == 1, "{number}: {message}");
        let mut left = Vec::new();
        each(&prize, &mut |path| left.push((path.to_owned(), path.metadata().unwrap().uid())));
        assert_eq!(left, [(prize.join("file"), 0)], "{number}");
        assert_eq!(std::fs::read(prize.join("file")).unwrap(), b"root's", "{number}");
        assert_eq!(prize.metadata().unwrap().uid(), 0, "{number}");
    }
}
