//! Free memory.

use super::{Check, Options};
use crate::board::sysfs;
use bytesize::ByteSize;

/// Below this no frame of any use is restored.
const LEAST: u64 = 64 << 20;

/// nano at 640x360 takes about this much, the program included.
const ENOUGH: u64 = 256 << 20;

pub(super) fn check(options: &Options) -> Check {
    const NAME: &str = "memory";
    let text = sysfs::text(&options.at("proc/meminfo")).unwrap_or_default();
    let bytes = |key: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    let (Some(total), Some(free)) = (bytes("MemTotal"), bytes("MemAvailable")) else {
        return Check::skip(NAME, "it can't be read");
    };
    let found = format!("{} of {} free", ByteSize(free), ByteSize(total));
    let advice = "end other programs, or use a smaller model or camera size";
    Check::of_amount(NAME, free, LEAST..ENOUGH, found, advice)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::machine;
    use super::*;

    #[test]
    fn what_is_available_counts_not_what_is_unused() {
        for (available, verdict) in
            [(30_000, Verdict::Fail), (200_000, Verdict::Warn), (300_000, Verdict::Ok)]
        {
            let text = format!("MemTotal:  500000 kB\nMemFree:  10 kB\nMemAvailable:   {available} kB\n");
            let (_root, options) = machine(&[("proc/meminfo", &text)]);
            assert_eq!(check(&options).verdict, verdict, "{available}");
        }
        let (_root, options) = machine(&[("proc/meminfo", "MemTotal: much\n")]);
        assert_eq!(check(&options).verdict, Verdict::Skip);
    }
}
