//! The wall clock, which logs and the names of files are dated by; the loop itself runs by the
//! monotonic one.

use super::programs::{find, output};
use super::{Check, Options};
use std::time::{SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;

const NAME: &str = "clock";

/// No program of this version ran before, and no board of today runs after.
const SANE_YEARS: std::ops::RangeInclusive<i32> = 2025..=2099;

pub(super) fn check(options: &Options) -> Check {
    // systemd-timesyncd leaves this file; other daemons are known to timedatectl.
    let told = options.at("run/systemd/timesync/synchronized").exists().then_some(true);
    let ask = || output(&find(options, "timedatectl")?, &["show", "-p", "NTPSynchronized", "--value"]);
    let asked = || match options.is_live().then(ask).flatten()?.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    };
    judge(options.now, told.or_else(asked))
}

fn judge(now: SystemTime, synchronised: Option<bool>) -> Check {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let date = OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).unwrap_or(i64::MAX));
    let Ok(date) = date else {
        return Check::warn(NAME, "it is beyond all years", "sudo timedatectl set-ntp true");
    };
    let found = format!("{} {:02}:{:02} UTC", date.date(), date.hour(), date.minute());
    if !SANE_YEARS.contains(&date.year()) {
        let advice = "sudo timedatectl set-ntp true, or give the board a real-time clock";
        return Check::warn(NAME, format!("{found} can't be"), advice);
    }
    match synchronised {
        Some(true) => Check::ok(NAME, format!("{found}, synchronised")),
        Some(false) => Check::warn(
            NAME,
            format!("{found}, not synchronised"),
            "sudo timedatectl set-ntp true, once the network is there",
        ),
        None => Check::ok(NAME, format!("{found}; whether it is synchronised can't be told here")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::machine;
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_clock_that_never_was_set_is_noticed() {
        for (seconds, synchronised, verdict, said) in [
            (0, Some(true), Verdict::Warn, "1970-01-01 00:00 UTC can't be"),
            (1_800_000_000, Some(true), Verdict::Ok, "2027-01-15 08:00 UTC, synchronised"),
            (1_800_000_000, Some(false), Verdict::Warn, "not synchronised"),
            (1_800_000_000, None, Verdict::Ok, "can't be told"),
            (u64::MAX >> 2, None, Verdict::Warn, "beyond all years"),
        ] {
            let now = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap();
            let check = judge(now, synchronised);
            assert!(check.verdict == verdict && check.found.contains(said), "{check:?}");
        }
    }

    #[test]
    fn the_file_of_timesyncd_is_believed() {
        let (_root, mut options) = machine(&[("run/systemd/timesync/synchronized", "")]);
        options.now = at(1_800_000_000);
        assert!(check(&options).found.ends_with("synchronised"));
    }
}
