//! The throttling flags of a Raspberry Pi's firmware.

use super::sysfs;
use std::path::Path;

/// What the firmware says, as `vcgencmd get_throttled` does: bits 0 to 3 are now, 16 to 19 since
/// the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PiFlags(u32);

const UNDERVOLTAGE: u32 = 1;
const FREQUENCY_CAPPED: u32 = 1 << 1;
const THROTTLED: u32 = 1 << 2;
const SOFT_TEMPERATURE_LIMIT: u32 = 1 << 3;
const SLOWED: u32 = FREQUENCY_CAPPED | THROTTLED | SOFT_TEMPERATURE_LIMIT;
const SINCE_START: u32 = 16;

impl PiFlags {
    /// Reads them; `None` where there are none, as on a Pi 5, whose kernel has no such file.
    pub fn read(root: &Path) -> Option<Self> {
        // soc/soc:firmware, or with an address behind each `soc`.
        let platforms = sysfs::entries(&root.join("sys/devices/platform"), "soc");
        let mut folders = platforms.iter().flat_map(|folder| sysfs::entries(folder, "soc"));
        folders.find_map(|folder| Self::parse(&sysfs::text(&folder.join("get_throttled"))?))
    }

    /// Reads the digits of sysfs, or a line of `vcgencmd` (`throttled=0x50005`).
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim();
        let digits = digits.strip_prefix("throttled=").unwrap_or(digits);
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        u32::from_str_radix(digits, 16).ok().map(Self)
    }

    /// Whether the supply is too weak.
    pub fn undervoltage_now(self) -> bool {
        self.0 & UNDERVOLTAGE != 0
    }

    /// Whether the board slows itself down.
    pub fn throttled_now(self) -> bool {
        self.0 & SLOWED != 0
    }

    /// Whether the supply was too weak at any time since the start.
    pub fn undervoltage_since_start(self) -> bool {
        (self.0 >> SINCE_START) & UNDERVOLTAGE != 0
    }

    /// Whether the board slowed itself down at any time since the start.
    pub fn throttled_since_start(self) -> bool {
        (self.0 >> SINCE_START) & SLOWED != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::tests::lay_out;

    #[test]
    fn every_bit_is_read_for_what_it_means() {
        for (text, now, since) in [
            ("0\n", [false, false], [false, false]),
            ("1\n", [true, false], [false, false]),
            ("2", [false, true], [false, false]),
            ("4", [false, true], [false, false]),
            ("8", [false, true], [false, false]),
            ("10000", [false, false], [true, false]),
            ("throttled=0x80000\n", [false, false], [false, true]),
            ("0x50005", [true, true], [true, true]),
        ] {
            let flags = PiFlags::parse(text).unwrap();
            assert_eq!([flags.undervoltage_now(), flags.throttled_now()], now, "{text}");
            let seen = [flags.undervoltage_since_start(), flags.throttled_since_start()];
            assert_eq!(seen, since, "{text}");
        }
        for text in ["", "VCHI initialization failed", "0x", "123456789"] {
            assert_eq!(PiFlags::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_file_is_found_under_either_name() {
        for path in ["soc/soc:firmware", "soc@107c000000/soc@107c000000:firmware"] {
            let root = tempfile::tempdir().unwrap();
            assert_eq!(PiFlags::read(root.path()), None);
            lay_out(root.path(), &[(&format!("sys/devices/platform/{path}/get_throttled"), "1\n")]);
            assert_eq!(PiFlags::read(root.path()), Some(PiFlags(1)));
        }
    }
}
