//! A bundle that can't be trusted, is damaged, or doesn't work here is refused by one clear line,
//! and the model that runs is left as it is.
#![cfg(unix)]

#[path = "support/bundle.rs"]
mod bundle;
#[path = "support/update.rs"]
mod update;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tar::EntryType;
use update::{Device, options, tar_of, untar};
use vlunet::bundle::Bundle;
use vlunet::update::{Keys, Options, Watch, install};

/// A device on which 1.0.0 is confirmed.
fn device() -> Device {
    let device = Device::new();
    device.settle("1.0.0");
    device
}

/// A signed bundle whose files are changed afterwards.
fn altered(device: &Device, change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> PathBuf {
    let path = device.signed("2.0.0");
    let mut files = untar(&path);
    change(&mut files);
    std::fs::write(&path, tar_of(&files)).unwrap();
    path
}

fn file<'a>(files: &'a mut [(String, Vec<u8>)], name: &str) -> &'a mut Vec<u8> {
    &mut files.iter_mut().find(|(found, _)| found == name).unwrap().1
}

#[test]
fn who_signed_decides() {
    let device = device();
    let unsigned = device.pack("unsigned.vlu", |_| {});
    device.refuse(&unsigned, &["unsigned.vlu", "not signed", "vlunet bundle sign"]);
    device.make_key("stranger");
    device.sign(&unsigned, "stranger");
    device.refuse(&unsigned, &["a key that is not trusted here", "maker.pub"]);
    // A second key beside the first is how keys are changed.
    std::fs::copy(device.path("stranger.pub"), device.path("keys/new.pub")).unwrap();
    assert_eq!(device.install(&unsigned).unwrap().key, "new.pub");
    let sound = device.signed("3.0.0");
    std::fs::remove_file(device.path("keys/maker.pub")).unwrap();
    device.refuse(&sound, &["not trusted here", "new.pub"]);
    std::fs::remove_file(device.path("keys/new.pub")).unwrap();
    device.refuse(&sound, &["no key", "NAME.pub", "keys"]);
    std::fs::remove_dir_all(device.path("keys")).unwrap();
    device.refuse(&sound, &["no key"]);
}

#[test]
fn a_damaged_key_does_not_lock_the_others_out() {
    let device = device();
    std::fs::write(device.path("keys/broken.pub"), "untrusted comment: x\nnonsense\n").unwrap();
    std::fs::write(device.path("keys/README"), "not a key").unwrap();
    device.install(&device.signed("2.0.0")).unwrap();
    let message = Keys::of_files(&[device.path("keys/broken.pub")]).err().unwrap().to_string();
    assert!(message.contains("broken.pub") && message.contains("no public key"), "{message}");
}

#[test]
fn what_was_altered_after_signing_is_named() {
    let device = device();
    for name in ["restorer.f32.onnx", "prompts.safetensors", "golden.safetensors"] {
        let path = altered(&device, |files| file(files, name)[40] ^= 1);
        device.refuse(&path, &[name, "not the file that the manifest describes"]);
        let path = altered(&device, |files| file(files, name).push(0));
        device.refuse(&path, &[name, "larger"]);
        let path = altered(&device, |files| files.retain(|(found, _)| found != name));
        device.refuse(&path, &[name, "missing"]);
    }
    let path = altered(&device, |files| file(files, "manifest.toml").push(b'\n'));
    device.refuse(&path, &["maker.pub", "altered"]);
    let path = altered(&device, |files| files.retain(|(name, _)| name != "manifest.toml"));
    device.refuse(&path, &["manifest.toml"]);
    for bytes in [&b""[..], b"nonsense", &[b'A'; 5000], &[0; 100]] {
        let path = altered(&device, |files| *file(files, "manifest.toml.minisig") = bytes.to_vec());
        device.refuse(&path, &["2.0.0.vlu", "sig"]);
    }
}

#[test]
fn a_signature_is_good_for_its_own_bundle_alone() {
    let device = device();
    let old = untar(&device.signed("1.5.0"));
    let signature = old.iter().find(|(name, _)| name.ends_with("minisig")).unwrap().1.clone();
    let path = altered(&device, |files| *file(files, "manifest.toml.minisig") = signature);
    device.refuse(&path, &["altered"]);
    // The maker's key, and another bundle's name or version in what is signed with it.
    for comment in [
        "bundle:tiny\tversion:1.0.0",
        "bundle:huge\tversion:2.0.0",
        "timestamp:5",
        "bundle:tiny\tbundle:tiny",
    ] {
        let path = altered(&device, |files| {
            let text = file(files, "manifest.toml").clone();
            *file(files, "manifest.toml.minisig") = device.sign_raw(&text, comment);
        });
        device.refuse(&path, &["its signature"]);
    }
    // As `minisign -S -m manifest.toml -x manifest.toml.minisig -t …` signs.
    let path = altered(&device, |files| {
        let text = file(files, "manifest.toml").clone();
        *file(files, "manifest.toml.minisig") = device.sign_raw(&text, "bundle:tiny\tversion:2.0.0\thashed");
    });
    device.install(&path).unwrap();
}

#[test]
fn a_bundle_for_a_newer_program_says_so() {
    let device = device();
    for (from, to, said) in [
        ("minimum_vlunet = \"0.1.0\"", "minimum_vlunet = \"99.0.0\"", "99.0.0"),
        ("format = 1", "format = 2\nsurprise = 1", "format 2"),
        ("name = \"tiny\"", "name = \"../tiny\"", "can't be the name"),
    ] {
        let path = altered(&device, |files| {
            let text = String::from_utf8(file(files, "manifest.toml").clone()).unwrap().replace(from, to);
            let name = if to.contains("../") { "../tiny" } else { "tiny" };
            *file(files, "manifest.toml.minisig") =
                device.sign_raw(text.as_bytes(), &format!("bundle:{name}\tversion:2.0.0"));
            *file(files, "manifest.toml") = text.into_bytes();
        });
        device.refuse(&path, &[said]);
    }
}

#[test]
fn a_tar_that_reaches_out_or_blows_up_is_refused() {
    let device = device();
    for name in ["../evil", "/etc/evil", "a/../../evil", ".."] {
        let path = altered(&device, |files| files.push((name.into(), b"x".to_vec())));
        device.refuse(&path, &["no plain file"]);
        assert!(!device.path("evil").exists() && !device.path("models/evil").exists());
    }
    let path = altered(&device, |files| files.push(("extra".into(), b"x".to_vec())));
    device.refuse(&path, &["\"extra\"", "not in its manifest"]);
    let path = altered(&device, |files| files.push(("golden.safetensors".into(), b"x".to_vec())));
    device.refuse(&path, &["golden.safetensors", "twice"]);
    let path = altered(&device, |files| files.push(("manifest.toml".into(), b"format = 1".to_vec())));
    device.refuse(&path, &["manifest.toml", "twice"]);
    let many = |files: &mut Vec<(String, Vec<u8>)>| files.extend((0..100).map(|n| (format!("f{n}"), vec![])));
    device.refuse(&altered(&device, many), &["more than 64 files"]);
    // Links, devices, and sizes that are lies.
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Directory,
        EntryType::GNULongName,
        EntryType::XHeader,
    ] {
        let path = altered(&device, |_| {});
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(0);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("/etc/passwd").unwrap();
        }
        builder.append_data(&mut header, "restorer.f32.onnx", &b""[..]).unwrap();
        let bytes = [builder.into_inner().unwrap()[..512].to_vec(), std::fs::read(&path).unwrap()].concat();
        std::fs::write(&path, bytes).unwrap();
        device.refuse(&path, &["restorer.f32.onnx", "no plain file"]);
    }
    let path = altered(&device, |_| {});
    let mut bytes = std::fs::read(&path).unwrap();
    let mut bomb = tar::Header::new_ustar();
    bomb.set_path("golden.safetensors").unwrap();
    bomb.set_size(7 << 40);
    bomb.set_cksum();
    bytes.splice(0..0, bomb.as_bytes().iter().copied());
    std::fs::write(&path, bytes).unwrap();
    device.refuse(&path, &["golden.safetensors", "cut short"]);
}

#[test]
fn a_half_of_a_bundle_is_none() {
    let device = device();
    let path = device.signed("2.0.0");
    let whole = std::fs::read(&path).unwrap();
    for part in 0..16 {
        std::fs::write(&path, &whole[..part * whole.len() / 17]).unwrap();
        device.refuse(&path, &["2.0.0.vlu"]);
    }
    device.refuse(&device.path("gone.vlu"), &["gone.vlu"]);
    std::fs::write(&path, whole).unwrap();
    device.install(&path).unwrap();
}

#[test]
fn a_folder_with_links_or_pipes_is_refused() {
    let device = device();
    let folder = device.path("folder");
    std::fs::create_dir(&folder).unwrap();
    for (name, bytes) in untar(&device.signed("2.0.0")) {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    let golden = folder.join("golden.safetensors");
    std::fs::rename(&golden, device.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(device.path("elsewhere"), &golden).unwrap();
    device.refuse(&folder, &["golden.safetensors", "no plain file"]);
    std::fs::remove_file(&golden).unwrap();
    std::fs::rename(device.path("elsewhere"), &golden).unwrap();
    device.install(&folder).unwrap();
    assert_eq!(device.version(), "2.0.0");
}

#[test]
fn a_model_that_fails_its_test_is_not_switched_to() {
    let device = device();
    let pack = |name: &str, change: fn(&mut vlunet::bundle::Builder)| {
        let path = device.pack(name, |builder| {
            builder.version = "2.0.0".parse().unwrap();
            change(builder);
        });
        device.sign(&path, "maker");
        path
    };
    let wrong = pack("wrong.vlu", |builder| {
        if let Some(golden) = &mut builder.golden {
            golden.restored.mapv_inplace(|x| x + 0.1);
        }
    });
    device.refuse(&wrong, &["golden frame comes out wrong"]);
    device.refuse(&pack("none.vlu", |builder| builder.golden = None), &["no golden frame"]);
    device
        .refuse(&pack("onnx.vlu", |builder| builder.restorer = b"no model".to_vec()), &["restorer.f32.onnx"]);
    let slow = Options { max_time: Some(Duration::from_nanos(1)), ..options() };
    let path = device.signed("2.0.0");
    let before = device.listing();
    let message =
        install(&path, &device.store(), &device.keys(), &slow, &mut |_| {}).unwrap_err().to_string();
    assert!(message.contains("too slow here") && message.contains("16x16"), "{message}");
    assert_eq!(device.listing(), before);
    device.install(&path).unwrap();
}

#[test]
fn an_older_version_or_one_that_failed_takes_force() {
    let device = device();
    device.settle("2.0.0");
    let (older, newer) = (device.signed("1.9.0"), device.signed("2.1.0-rc.1"));
    device.refuse(&older, &["1.9.0 is older than 2.0.0", "--force"]);
    let forced = Options { force: true, ..options() };
    install(&older, &device.store(), &device.keys(), &forced, &mut |_| {}).unwrap();
    device.slot().confirm().unwrap();
    assert_eq!(device.version(), "1.9.0");
    // What was forced does not lower the bar.
    device.refuse(&device.signed("1.9.5"), &["older than 2.0.0"]);
    device.install(&newer).unwrap();
    let (from, to) = device.slot().roll_back().unwrap();
    assert!(from.starts_with("2.1.0-rc.1-") && to.unwrap().starts_with("1.9.0-"));
    device.refuse(&newer, &["2.1.0-rc.1 failed here before", "--force"]);
    install(&newer, &device.store(), &device.keys(), &forced, &mut |_| {}).unwrap();
    assert_eq!(device.version(), "2.1.0-rc.1");
}

#[test]
fn two_installations_do_not_meet() {
    let device = device();
    let lock = std::fs::File::options().write(true).open(device.path("models/.lock")).unwrap();
    lock.lock().unwrap();
    let path = device.signed("2.0.0");
    device.refuse(&path, &["another installation is under way", "models"]);
    drop(lock);
    device.install(&path).unwrap();
}

/// Signed in a future as far off as 2026 is from 1970, with files from 1970: nothing asks the clock.
#[test]
fn a_clock_in_1970_is_no_trouble() {
    let device = device();
    let path = device.pack("future.vlu", |builder| builder.version = "2.0.0".parse().unwrap());
    let bundle = Bundle::open(&path).unwrap();
    let signature = device.key("maker").sign(&bundle, Some(8_000_000_000)).unwrap();
    std::fs::write(&path, bundle.to_archive_with(Some(&signature)).unwrap()).unwrap();
    for name in ["future.vlu", "keys/maker.pub", "models/tiny/state.toml", "models"] {
        let file = std::fs::File::open(device.path(name)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    device.install(&path).unwrap();
    assert_eq!(device.version(), "2.0.0");
}

/// A file system of its own at a path; none, which is said, where that takes more rights.
struct Mount(PathBuf);

impl Mount {
    fn new(path: PathBuf, options: &str) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let run = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&path).output();
        if run.is_ok_and(|run| run.status.success()) {
            return Some(Self(path));
        }
        eprintln!("skipped: a file system can't be mounted here (that takes root)");
        None
    }

    fn remount(&self, options: &str) {
        let run = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status();
        assert!(run.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_leaves_the_old_model_running() {
    let device = Device::new();
    let Some(mount) = Mount::new(device.path("models"), "size=512k") else { return };
    device.settle("1.0.0");
    let path = device.pack("large.vlu", |builder| {
        builder.version = "2.0.0".parse().unwrap();
        builder.card = Some("words ".repeat(200_000));
    });
    device.sign(&path, "maker");
    device.refuse(&path, &["space", "the bundle takes 2 MiB"]);
    assert_eq!(device.version(), "1.0.0");
    mount.remount("size=8m");
    device.install(&path).unwrap();
    assert_eq!(device.version(), "2.0.0");
}

#[test]
fn a_read_only_disk_leaves_everything_as_it_is() {
    let device = Device::new();
    let Some(mount) = Mount::new(device.path("models"), "size=8m") else { return };
    device.settle("1.0.0");
    let path = device.signed("2.0.0");
    mount.remount("ro");
    device.refuse(&path, &["models", "ead-only"]);
    // A confirmed model needs no notes.
    Watch::begin(device.slot()).unwrap();
    assert!(device.slot().roll_back().unwrap_err().to_string().contains("ead-only"));
    mount.remount("rw");
    device.install(&path).unwrap();
    mount.remount("ro");
    // One on probation can't prove itself, and runs.
    assert!(Watch::begin(device.slot()).err().unwrap().to_string().contains("ead-only"));
    assert_eq!(device.version(), "2.0.0");
}
