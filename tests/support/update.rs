//! A device with a store of models, and a maker with a key.
#![allow(dead_code)] // each test file uses a part

use super::bundle;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use vlunet::bundle::{Builder, Bundle};
use vlunet::update::{KeyPair, Keys, Options, Report, SecretKey, Slot, Step, Store, install};

pub struct Device {
    pub folder: TempDir,
}

impl Device {
    /// A device that trusts the key `maker.pub`, whose secret half is `maker.key`.
    pub fn new() -> Self {
        let device = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(device.path("keys")).unwrap();
        device.make_key("maker");
        std::fs::copy(device.path("maker.pub"), device.path("keys/maker.pub")).unwrap();
        device
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn make_key(&self, name: &str) {
        let pair = KeyPair::generate(None).unwrap();
        std::fs::write(self.path(&format!("{name}.pub")), pair.public).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), pair.secret).unwrap();
    }

    pub fn key(&self, name: &str) -> SecretKey {
        SecretKey::load_bare(&self.path(&format!("{name}.key"))).unwrap().unwrap()
    }

    pub fn keys(&self) -> Keys {
        Keys::load(&self.path("keys")).unwrap()
    }

    pub fn store(&self) -> Store {
        Store::new(self.path("models"))
    }

    pub fn slot(&self) -> Slot {
        self.store().slot("tiny").unwrap()
    }

    /// A packed bundle, not signed.
    pub fn pack(&self, name: &str, change: impl FnOnce(&mut Builder)) -> PathBuf {
        let mut builder = bundle::builder(bundle::identity());
        change(&mut builder);
        let path = self.path(name);
        builder.write(&path).unwrap();
        path
    }

    /// A packed bundle of this version, signed by the maker.
    pub fn signed(&self, version: &str) -> PathBuf {
        let path = self.pack(&format!("{version}.vlu"), |builder| builder.version = version.parse().unwrap());
        self.sign(&path, "maker");
        path
    }

    pub fn sign(&self, path: &Path, key: &str) {
        let bundle = Bundle::open(path).unwrap();
        let signature = self.key(key).sign(&bundle, Some(1_790_000_000)).unwrap();
        std::fs::write(path, bundle.to_archive_with(Some(&signature)).unwrap()).unwrap();
    }

    /// Signs any bytes as a manifest, with any comment, as `minisign -S -t` does.
    pub fn sign_raw(&self, manifest: &[u8], comment: &str) -> Vec<u8> {
        let key = std::fs::read_to_string(self.path("maker.key")).unwrap();
        let key = minisign::SecretKeyBox::from_string(&key).unwrap().into_unencrypted_secret_key().unwrap();
        let signature = minisign::sign(None, &key, std::io::Cursor::new(manifest), Some(comment), None);
        signature.unwrap().into_string().into_bytes()
    }

    pub fn install(&self, path: &Path) -> vlunet::Result<Report> {
        install(path, &self.store(), &self.keys(), &options(), &mut |_: Step| {})
    }

    /// Installs a version, and confirms it.
    pub fn settle(&self, version: &str) -> String {
        let report = self.install(&self.signed(version)).unwrap();
        assert_eq!(self.slot().confirm().unwrap(), report.entry);
        report.entry
    }

    /// The version that the next start runs, which must be whole.
    pub fn version(&self) -> String {
        let path = self.slot().runnable().expect("something that runs");
        let bundle = Bundle::open(&path).unwrap();
        bundle.verify().unwrap();
        bundle.manifest().version.to_string()
    }

    /// The slot's files and links, with what they hold.
    pub fn listing(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.path("models")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                let link = std::fs::read_link(&path).map(|to| to.display().to_string()).unwrap_or_default();
                // Locks may be made and stay.
                if path.file_name().unwrap() != ".lock" {
                    found.push(format!("{} {link}", path.display()));
                }
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                }
            }
        }
        found.sort();
        found
    }

    /// A packed bundle is refused by one clear line that says all of `parts`, and nothing changes.
    pub fn refuse(&self, path: &Path, parts: &[&str]) {
        let (before, state) = (self.listing(), self.slot().state());
        let message = self.install(path).unwrap_err().to_string();
        assert!(message.lines().count() == 1 && !message.contains(char::is_control), "{message:?}");
        for part in parts {
            assert!(message.contains(part), "{message:?} does not say {part:?}");
        }
        assert_eq!(self.listing(), before, "{message}");
        assert_eq!(self.slot().state(), state, "{message}");
    }
}

/// A short probation, and small frames.
pub fn options() -> Options {
    Options { probation: Duration::from_secs(90), size: (16, 16), ..Options::default() }
}

/// The files of a tar, in their order.
pub fn untar(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(std::fs::File::open(path).unwrap());
    let read = |entry: std::io::Result<tar::Entry<'_, std::fs::File>>| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        (name, bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

/// A tar of files whose names nobody checks.
pub fn tar_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}
