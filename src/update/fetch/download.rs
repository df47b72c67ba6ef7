//! A download that survives broken connections and restarts: its part stays on the disk with what
//! tells whether the server still has the same file.

use super::Limits;
use super::client::{Answer, Ask, Client, Trouble};
use super::notes::{InstalledAs, Notes, Refused, Validator};
use crate::update::Store;
use crate::update::disk::{lock_file, make_folder};
use crate::update::install::{Report, is_whole};
use crate::update::owner::AsOwner;
use crate::{Error, Result};
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

/// Bytes that are read and written at once.
const CHUNK: usize = 1 << 16;

/// Digits of the hash that names a URL's folder.
const ID_DIGITS: usize = 16;

/// What is here of a URL.
pub(super) struct Download {
    notes_path: PathBuf,
    part: PathBuf,
    notes: Notes,
    shown: String,
    /// What is here was not received in one piece.
    pieced: bool,
    /// Held while it lasts.
    _lock: File,
}

pub(super) enum Fetched {
    /// The server has what was installed.
    Unchanged,
    /// The server has what was refused, and why that was.
    Refused(String),
    /// The whole file.
    New(PathBuf),
}

/// What ended an attempt early.
enum Cut {
    /// The connection, or the server.
    Passing(String),
    /// It can't go on.
    Lasting(Error),
}

impl Download {
    pub(super) fn open(store: &Store, client: &Client) -> Result<Self> {
        let _owner = AsOwner::of(store.root())?;
        let shown = client.shown().to_owned();
        let id = crate::bundle::builder::sha256(shown.as_bytes());
        let downloads = store.root().join(".fetch");
        let folder = downloads.join(id.get(..ID_DIGITS).unwrap_or(&id));
        for folder in [store.root(), &downloads, &folder] {
            make_folder(folder)?;
        }
        let lock = folder.join(".lock");
        let file = lock_file(&lock)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(Error::Input(format!("{shown} is being fetched already")));
            }
            Err(std::fs::TryLockError::Error(e)) => return Err(Error::io("lock", &lock)(e)),
        }
        let notes_path = folder.join("notes.toml");
        let notes = Notes::load(&notes_path, &shown);
        Ok(Self { part: folder.join("part.vlu"), notes_path, notes, shown, pieced: false, _lock: file })
    }

    /// Whether what was installed from here is the current bundle, and is damaged: the server's copy
    /// mends it.
    pub(super) fn has_rotted(&self, store: &Store) -> bool {
        self.notes.installed_as.as_ref().is_some_and(|InstalledAs { model, entry }| {
            let slot = store.slot(model);
            slot.is_ok_and(|slot| slot.current().as_ref() == Some(entry) && !is_whole(&slot, entry))
        })
    }

    /// Fetches what is missing; `again` also what was refused or installed before.
    pub(super) fn run(&mut self, client: &Client, limits: &Limits, again: bool) -> Result<Fetched> {
        let _owner = AsOwner::of(&self.part)?;
        let patience = &limits.patience;
        let mut fruitless = 0;
        loop {
            let before = self.bytes();
            let reason = match self.attempt(client, limits, again) {
                Ok(fetched) => return Ok(fetched),
                Err(Cut::Lasting(e)) => return Err(e),
                Err(Cut::Passing(reason)) => reason,
            };
            fruitless = if self.bytes() > before { 0 } else { fruitless + 1 };
            if fruitless >= patience.attempts.max(1) {
                let resumes = self.notes.part.as_ref().is_some_and(|part| part.strong().is_some());
                let here = match self.bytes() {
                    bytes @ 1.. if resumes => {
                        format!("; {bytes} bytes are here, and the next fetch goes on from there")
                    }
                    _ => String::new(),
                };
                return Err(self.fail(format!("{reason}, {fruitless} times in a row{here}")));
            }
            log::info!("{}: {reason}; trying again", self.shown);
            std::thread::sleep(patience.pause * 2_u32.saturating_pow(fruitless.min(8)));
        }
    }

    fn attempt(&mut self, client: &Client, limits: &Limits, again: bool) -> Result<Fetched, Cut> {
        let here = self.bytes();
        let known = if again { None } else { self.known() };
        let part = self.notes.part.clone().filter(|part| here > 0 && part.strong().is_some());
        let ask = match &part {
            Some(part) => Ask::Rest(here, part),
            None => Ask::Whole(known.as_ref()),
        };
        let answer = match client.ask(&ask) {
            Ok(answer) => answer,
            Err(Trouble::Passing(reason)) => return Err(Cut::Passing(reason)),
            Err(Trouble::Lasting(reason)) => return Err(Cut::Lasting(self.fail(reason))),
        };
        match answer {
            Answer::Unchanged => Ok(match &self.notes.refused {
                Some(refused) if known.as_ref() == Some(&refused.file) => {
                    Fetched::Refused(refused.reason.clone())
                }
                _ => Fetched::Unchanged,
            }),
            // The whole was here before, and nothing came of it yet.
            Answer::NoSuchPart(Some(total)) if total == here && part.is_some() => {
                self.pieced = true;
                Ok(Fetched::New(self.part.clone()))
            }
            Answer::NoSuchPart(_) => {
                // More is here than there is: it was another file.
                self.forget_part().map_err(Cut::Lasting)?;
                Err(Cut::Passing("the server has no such part: starting anew".into()))
            }
            Answer::Part { from, total, validator, body } => {
                if total.is_some_and(|total| total > limits.bytes) {
                    self.forget_part().map_err(Cut::Lasting)?;
                    return Err(Cut::Lasting(self.too_large(limits)));
                }
                let other = |part: &Validator| validator.as_ref().is_some_and(|found| found.differs(part));
                if from == 0 {
                    self.begin(validator).map_err(Cut::Lasting)?;
                } else if from != here || part.as_ref().is_none_or(other) {
                    self.forget_part().map_err(Cut::Lasting)?;
                    return Err(Cut::Passing("the server sends another part than was asked for".into()));
                } else {
                    self.pieced = true;
                }
                self.receive(body, total, limits)
            }
        }
    }

    /// Writes the body behind what is here, to its end.
    fn receive(
        &mut self,
        mut body: Box<dyn Read>,
        total: Option<u64>,
        limits: &Limits,
    ) -> Result<Fetched, Cut> {
        let file = File::options().create(true).append(true).open(&self.part);
        let mut file = file.map_err(|e| Cut::Lasting(Error::io("write", &self.part)(e)))?;
        let (mut buffer, mut bytes) = (vec![0; CHUNK], self.bytes());
        loop {
            let ended = |e: std::io::Error| {
                let reason = crate::error::one_line(&e.to_string());
                Cut::Passing(format!("the connection ended after {bytes} bytes ({reason})"))
            };
            let read = body.read(&mut buffer).map_err(ended)?;
            let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
            bytes += read as u64;
            if bytes > total.unwrap_or(limits.bytes).min(limits.bytes) {
                drop(file);
                self.forget_part().map_err(Cut::Lasting)?;
                return Err(Cut::Lasting(self.too_large(limits)));
            }
            if let Err(e) = file.write_all(chunk) {
                drop(file);
                // A full disk is not helped by a part that fills it.
                let _ = self.forget_part();
                return Err(Cut::Lasting(Error::io("write", &self.part)(e)));
            }
        }
        if total.is_some_and(|total| bytes < total) {
            return Err(Cut::Passing(format!("the connection ended after {bytes} bytes")));
        }
        file.sync_all().map_err(|e| Cut::Lasting(Error::io("write", &self.part)(e)))?;
        Ok(Fetched::New(self.part.clone()))
    }

    /// Notes what came of the file that was fetched, which is no longer needed then.
    pub(super) fn settle(&mut self, outcome: &Result<Report>) -> Result<()> {
        let _owner = AsOwner::of(&self.part)?;
        let file = self.notes.part.clone();
        match (outcome, file) {
            (Ok(report), file) => {
                let installed = InstalledAs { model: report.model.clone(), entry: report.entry.clone() };
                (self.notes.installed, self.notes.installed_as) = (file, Some(installed));
                self.notes.refused = None;
            }
            // Pieces may be of two files, or what a disk has kept that lost its power: it is fetched
            // once more.
            (Err(Error::Bundle { .. }), file) if self.pieced && self.notes.doubted != file => {
                self.notes.doubted = file;
            }
            // It is the bundle's fault, and will be again.
            (Err(e @ (Error::Bundle { .. } | Error::Model(_) | Error::Weights(_))), file) => {
                self.notes.refused = file.map(|file| Refused { file, reason: e.to_string() });
            }
            // A full disk is not helped by a file that fills it.
            (Err(Error::Io { source, .. }), _) if source.kind() == std::io::ErrorKind::StorageFull => {}
            // It may pass the next time, and is here then.
            (Err(_), _) => return Ok(()),
        }
        self.forget_part()
    }

    /// What need not be fetched again.
    fn known(&self) -> Option<Validator> {
        self.notes
            .refused
            .as_ref()
            .map(|refused| refused.file.clone())
            .or_else(|| self.notes.installed.clone())
    }

    fn begin(&mut self, validator: Option<Validator>) -> Result<()> {
        self.forget_part()?;
        self.notes.part = validator;
        self.pieced = false;
        self.save()
    }

    fn forget_part(&mut self) -> Result<()> {
        match std::fs::remove_file(&self.part) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &self.part)(e));
            }
            _ => {}
        }
        self.notes.part = None;
        self.save()
    }

    fn save(&self) -> Result<()> {
        self.notes.save(&self.notes_path)
    }

    fn bytes(&self) -> u64 {
        std::fs::metadata(&self.part).map_or(0, |metadata| metadata.len())
    }

    fn too_large(&self, limits: &Limits) -> Error {
        let limit = limits.bytes;
        self.fail(format!("it is larger than it says, or than the {limit} bytes that a bundle may have"))
    }

    fn fail(&self, reason: String) -> Error {
        Error::Input(format!("{}: {reason}", self.shown))
    }
}
