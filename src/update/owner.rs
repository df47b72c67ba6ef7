//! Root in a store that isn't root's.
//!
//! The service's user owns its store, and may lay a link there, or swap a folder for one, at any
//! moment. Root, who follows them, would write or give away files anywhere. So root does there
//! what it does with the rights of the store's owner, who gets nothing by it that he hasn't, and
//! whose files they are.

use crate::Result;
use std::marker::PhantomData;
use std::path::Path;

/// While it is held, this thread, and those that it starts, act as the owner of a folder, where
/// that is another than root; who isn't root goes on as himself.
#[must_use]
pub(super) struct AsOwner {
    #[cfg(target_os = "linux")]
    _rights: Option<rights::LaidDown>,
    /// Rights are a thread's: it stays there.
    _here: PhantomData<*const ()>,
}

impl AsOwner {
    /// Acts as the owner of a folder, which need not be there yet.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the owner can't be found, or root may not act as him.
    #[cfg(target_os = "linux")]
    pub(super) fn of(folder: &Path) -> Result<Self> {
        Ok(Self { _rights: rights::lay_down(folder)?, _here: PhantomData })
    }

    /// Changes nothing: rights are a process's here.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn of(_: &Path) -> Result<Self> {
        Ok(Self { _here: PhantomData })
    }
}

#[cfg(target_os = "linux")]
mod rights {
    use crate::{Error, Result};
    use rustix::process::{Gid, Uid, getegid, geteuid, getgroups};
    use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    use std::io::ErrorKind::NotFound;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    const SAME_USER: Option<Uid> = None;
    const SAME_GROUP: Option<Gid> = None;

    /// Root's groups, to be taken up again.
    pub(super) struct LaidDown {
        group: Gid,
        groups: Vec<Gid>,
    }

    pub(super) fn lay_down(folder: &Path) -> Result<Option<LaidDown>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let Some((user, group)) = owner(folder)? else { return Ok(None) };
        let fail = |e: rustix::io::Errno| Error::io("act as the owner of", folder)(e.into());
        // From here on an error takes them up again.
        let root = LaidDown { group: getegid(), groups: getgroups().map_err(fail)? };
        set_thread_groups(&[group]).map_err(fail)?;
        set_thread_res_gid(SAME_GROUP, group, SAME_GROUP).map_err(fail)?;
        set_thread_res_uid(SAME_USER, user, SAME_USER).map_err(fail)?;
        Ok(Some(root))
    }

    impl Drop for LaidDown {
        fn drop(&mut self) {
            let taken = set_thread_res_uid(SAME_USER, Uid::ROOT, SAME_USER)
                .and_then(|()| set_thread_res_gid(SAME_GROUP, self.group, SAME_GROUP))
                .and_then(|()| set_thread_groups(&self.groups));
            taken.unwrap_or_else(|e| log::warn!("root's rights can't be taken up again: {e}"));
        }
    }

    /// Who can put what he likes at a path: the first on the way to it who isn't root.
    fn owner(folder: &Path) -> Result<Option<(Uid, Gid)>> {
        let named = std::path::absolute(folder).map_err(Error::io("find", folder))?;
        // Root's own link may lead into another's folder.
        let real = named.canonicalize().unwrap_or_else(|_| named.clone());
        for path in [&named, &real] {
            let mut way: Vec<&Path> = path.ancestors().collect();
            way.reverse();
            for part in way {
                match part.symlink_metadata() {
                    Ok(metadata) if metadata.uid() != Uid::ROOT.as_raw() => {
                        return Ok(Some((Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid()))));
                    }
                    Ok(_) => {}
                    // It is made by whom what is above belongs to.
                    Err(e) if e.kind() == NotFound => break,
                    Err(e) => return Err(Error::io("look at", part)(e)),
                }
            }
        }
        Ok(None)
    }
}
