//! Who may use a device, and what to type where somebody may not.

use super::Options;
use crate::board::sysfs;
use rustix::fs::{self, Access};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Who is to use the devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever runs the program.
    Me,
    /// Somebody else, judged by the permissions of the file alone.
    Other {
        /// The user.
        uid: u32,
        /// The groups that the user is in.
        gids: Vec<u32>,
    },
}

/// Whether a device can be read and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    Granted,
    /// With what to do.
    Denied(String),
    Missing,
}

impl Options {
    /// Whether the device at a path (`dev/video0`) can be read and written.
    pub(super) fn permission(&self, path: &Path) -> Permission {
        let Ok(metadata) = path.metadata() else { return Permission::Missing };
        let granted = match &self.who {
            Who::Me => fs::access(path, Access::READ_OK | Access::WRITE_OK).is_ok(),
            Who::Other { uid, gids } => {
                let shift = match () {
                    () if *uid == 0 => return Permission::Granted,
                    () if *uid == metadata.uid() => 6,
                    () if gids.contains(&metadata.gid()) => 3,
                    () => 0,
                };
                (metadata.mode() >> shift) & 0o6 == 0o6
            }
        };
        if granted {
            return Permission::Granted;
        }
        // A group that may use it, other than root's own.
        let shared = metadata.gid() != 0 && metadata.mode() & 0o060 == 0o060;
        Permission::Denied(match self.group(metadata.gid()).filter(|_| shared) {
            Some(group) => format!("sudo usermod -aG {group} $USER, then log in again"),
            None => "install board/udev/60-vlunet.rules (docs/boards.md), then log in again".into(),
        })
    }

    fn group(&self, gid: u32) -> Option<String> {
        let groups = sysfs::text(&self.at("etc/group"))?;
        let fields = |line: &str| -> Option<String> {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(gid)).then(|| name.to_owned())
        };
        groups.lines().find_map(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::machine;
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown};

    #[test]
    fn what_to_type_depends_on_whose_the_device_is() {
        let (_root, mut options) =
            machine(&[("dev/video0", ""), ("etc/group", "root:x:0:\nvideo:x:44:pi\ngpio:x:997:\n")]);
        let path = options.at("dev/video0");
        let set = |mode: u32| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        assert_eq!(options.permission(Path::new("/no/such")), Permission::Missing);
        set(0o666);
        assert_eq!(options.permission(&path), Permission::Granted);
        set(0o600);
        let Permission::Denied(advice) = options.permission(&path) else { panic!("it is root's alone") };
        assert!(advice.contains("udev"), "{advice}");
        // Only root can give a file to a group; without root this half isn't run.
        if chown(&path, None, Some(44)).is_ok() {
            set(0o660);
            let Permission::Denied(advice) = options.permission(&path) else { panic!("not in the group") };
            assert!(advice.starts_with("sudo usermod -aG video $USER"), "{advice}");
            options.who = Who::Other { uid: 1000, gids: vec![1000, 44] };
            assert_eq!(options.permission(&path), Permission::Granted);
            set(0o640);
            assert!(matches!(options.permission(&path), Permission::Denied(_)), "reading is not enough");
        } else {
            eprintln!("skipped: giving a file to a group takes root");
        }
        options.who = Who::Me;
        set(0o600);
        assert_eq!(options.permission(&path), Permission::Granted);
    }
}
