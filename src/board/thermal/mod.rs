//! The board's heat and power, read from sysfs.

mod firmware;
mod heat;
mod slowdown;

pub use firmware::PiFlags;
pub use heat::{Heat, Level};

use super::{Board, sysfs};
use crate::telemetry::BoardState;
use slowdown::Slowdown;
use std::path::PathBuf;

/// What a sensor can say and be believed, in °C; switched-off ones say -256, or 0 K.
const PLAUSIBLE: std::ops::RangeInclusive<f64> = -40.0..=150.0;

/// A thermal zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// Its type: `cpu-thermal`, `tj-thermal`.
    pub name: String,
    /// In °C.
    pub celsius: f64,
}

/// Reads a board's heat and power, again and again: whether the board slows itself down is seen
/// by comparison with the readings before.
#[derive(Debug)]
pub struct Thermal {
    root: PathBuf,
    profile: String,
    wanted: Vec<String>,
    slowdown: Slowdown,
}

impl Thermal {
    pub(super) fn new(board: &Board) -> Self {
        Self {
            root: board.root().to_owned(),
            profile: board.profile.name.clone(),
            wanted: board.profile.thermal.zones.clone(),
            slowdown: Slowdown::default(),
        }
    }

    /// Reads everything: some dozen small files, each in microseconds, though a slow sensor's may
    /// take milliseconds. Once every second or two is enough.
    pub fn read(&mut self) -> BoardState {
        let flags = PiFlags::read(&self.root).unwrap_or_default();
        let slowed = self.slowdown.read(&self.root);
        BoardState {
            profile: self.profile.clone(),
            temperature_c: self.hottest().map(|zone| zone.celsius),
            throttled: flags.throttled_now() || slowed.throttled,
            undervoltage: flags.undervoltage_now() || slowed.undervoltage,
        }
    }

    /// The hottest zone of those that the profile names, or of all where it names none, or none
    /// of those is there.
    pub fn hottest(&self) -> Option<Zone> {
        let zones = self.zones();
        let wanted = |zone: &&Zone| self.wanted.contains(&zone.name);
        let hottest = |zones: &mut dyn Iterator<Item = &Zone>| {
            zones.max_by(|a, b| a.celsius.total_cmp(&b.celsius)).cloned()
        };
        hottest(&mut zones.iter().filter(wanted)).or_else(|| hottest(&mut zones.iter()))
    }

    /// All zones that can be read and say something plausible.
    pub fn zones(&self) -> Vec<Zone> {
        let folders = sysfs::entries(&self.root.join("sys/class/thermal"), "thermal_zone");
        let zone = |folder: &PathBuf| {
            let celsius = sysfs::number(&folder.join("temp"))? as f64 / 1e3;
            let name = sysfs::text(&folder.join("type")).unwrap_or_default();
            PLAUSIBLE.contains(&celsius).then(|| Zone { name: name.trim().to_owned(), celsius })
        };
        folders.iter().filter_map(zone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::tests::lay_out;
    use std::path::Path;

    fn thermal(board: &str, root: &Path) -> Thermal {
        Board::named(board, root).unwrap().thermal()
    }

    #[test]
    fn the_hottest_zone_counts_and_broken_ones_do_not() {
        let root = tempfile::tempdir().unwrap();
        let pc = thermal("generic-pc", root.path());
        assert_eq!((pc.hottest(), pc.zones().len()), (None, 0));
        lay_out(
            root.path(),
            &[
                ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
                ("sys/class/thermal/thermal_zone0/temp", "48312\n"),
                ("sys/class/thermal/thermal_zone1/type", "gpu-thermal\n"),
                ("sys/class/thermal/thermal_zone1/temp", "51000\n"),
                // A zone that is powered off, one that can't be read, and one without a type.
                ("sys/class/thermal/thermal_zone2/temp", "-256000\n"),
                ("sys/class/thermal/thermal_zone3/temp", "\n"),
                ("sys/class/thermal/thermal_zone4/temp", "30000\n"),
                ("sys/class/thermal/cooling_device0/type", "Fan\n"),
            ],
        );
        assert_eq!(pc.zones().len(), 3);
        assert_eq!(pc.hottest(), Some(Zone { name: "gpu-thermal".into(), celsius: 51.0 }));
    }

    #[test]
    fn a_jetsons_junction_zone_is_the_one_that_counts() {
        let root = tempfile::tempdir().unwrap();
        lay_out(
            root.path(),
            &[
                ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
                ("sys/class/thermal/thermal_zone0/temp", "70000\n"),
                ("sys/class/thermal/thermal_zone8/type", "tj-thermal\n"),
                ("sys/class/thermal/thermal_zone8/temp", "63500\n"),
            ],
        );
        let jetson = thermal("jetson-orin-nano", root.path());
        assert_eq!(jetson.hottest().map(|zone| zone.celsius), Some(63.5));
        std::fs::remove_dir_all(root.path().join("sys/class/thermal/thermal_zone8")).unwrap();
        assert_eq!(jetson.hottest().map(|zone| zone.celsius), Some(70.0));
    }

    #[test]
    fn everything_comes_together_in_the_state() {
        let root = tempfile::tempdir().unwrap();
        lay_out(
            root.path(),
            &[
                ("sys/class/thermal/thermal_zone0/temp", "82000\n"),
                ("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n"),
            ],
        );
        let state = thermal("raspberry-pi-4", root.path()).read();
        let expected = BoardState {
            profile: "raspberry-pi-4".into(),
            temperature_c: Some(82.0),
            throttled: true,
            undervoltage: true,
        };
        assert_eq!(state, expected);
        lay_out(root.path(), &[("sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n")]);
        let state = thermal("raspberry-pi-4", root.path()).read();
        assert!(!state.throttled && !state.undervoltage, "{state:?}");
    }
}
