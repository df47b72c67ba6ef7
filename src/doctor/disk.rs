//! Room where the service keeps what it writes.

use super::{Check, Options};
use bytesize::ByteSize;
use rustix::fs::{StatVfsMountFlags, statvfs};
use std::path::Path;

const NAME: &str = "disk";

/// Below this even logs have no room.
const LEAST: u64 = 32 << 20;

/// Below this a `dir:` sink has no room.
const ENOUGH: u64 = 512 << 20;

pub(super) fn check(options: &Options) -> Check {
    let folder = options.at("var/lib/vlunet");
    // The nearest that is there: the service makes its folder when it starts.
    let there = folder.ancestors().find(|path| path.is_dir()).unwrap_or(&options.root);
    match statvfs(there) {
        Ok(disk) => {
            let read_only = disk.f_flag.contains(StatVfsMountFlags::RDONLY);
            judge(there, disk.f_bavail.saturating_mul(disk.f_frsize), read_only)
        }
        Err(e) => Check::skip(NAME, format!("{} can't be examined: {e}", there.display())),
    }
}

fn judge(folder: &Path, free: u64, read_only: bool) -> Check {
    let folder = folder.display();
    if read_only {
        return Check::warn(
            NAME,
            format!("{folder} is read-only"),
            "nothing, where that is on purpose; else sudo dmesg | grep -i error: a worn-out SD card turns read-only",
        );
    }
    let found = format!("{} free at {folder}", ByteSize(free));
    let advice = "free some room; journalctl --vacuum-size=50M is a start";
    Check::of_amount(NAME, free, LEAST..ENOUGH, found, advice)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::machine;
    use super::*;

    #[test]
    fn room_is_judged_where_the_service_writes() {
        let (root, options) = machine(&[("var/lib/other", "")]);
        let check = check(&options);
        assert!(check.found.contains(&format!("{}/var/lib", root.path().display())), "{check:?}");
        let at = Path::new("/var/lib/vlunet");
        for (free, read_only, verdict) in [
            (1 << 40, false, Verdict::Ok),
            (100 << 20, false, Verdict::Warn),
            (1 << 20, false, Verdict::Fail),
            (1 << 40, true, Verdict::Warn),
        ] {
            assert_eq!(judge(at, free, read_only).verdict, verdict, "{free} {read_only}");
        }
    }
}
