//! Signs in sysfs that a board slows itself down or has too little power, on any board.

use super::sysfs;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Remembers what was normal: a frequency that somebody chose to cap (a power mode of a Jetson)
/// is no throttling, and counters of events tell by rising.
#[derive(Debug, Default)]
pub(super) struct Slowdown {
    /// The highest cap seen of each frequency policy, in kHz.
    uncapped: HashMap<PathBuf, i64>,
    /// The events of each over-current counter at the last reading.
    events: HashMap<PathBuf, i64>,
}

/// What the signs say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signs {
    pub(super) throttled: bool,
    pub(super) undervoltage: bool,
}

impl Slowdown {
    pub(super) fn read(&mut self, root: &Path) -> Signs {
        let mut signs = Signs { throttled: cooling(root), undervoltage: false };
        for policy in sysfs::entries(&root.join("sys/devices/system/cpu/cpufreq"), "policy") {
            signs.throttled |= self.is_capped(policy);
        }
        for monitor in sysfs::entries(&root.join("sys/class/hwmon"), "hwmon") {
            match sysfs::text(&monitor.join("name")).unwrap_or_default().trim() {
                // A Pi's supply: mainline kernels, and the Pi 5, which has no other sign of it.
                "rpi_volt" => {
                    signs.undervoltage |= sysfs::number(&monitor.join("in0_lcrit_alarm")) == Some(1)
                }
                // A Jetson's: the first counts under-voltage, the others over-current; each event
                // throttles CPU and GPU for a moment.
                "soctherm_oc" => {
                    for counter in ["oc1_event_cnt", "oc2_event_cnt", "oc3_event_cnt"] {
                        let rose = self.rose(monitor.join(counter));
                        signs.throttled |= rose;
                        signs.undervoltage |= rose && counter == "oc1_event_cnt";
                    }
                }
                _ => {}
            }
        }
        signs
    }

    fn is_capped(&mut self, policy: PathBuf) -> bool {
        let Some(cap) = sysfs::number(&policy.join("scaling_max_freq")) else { return false };
        let uncapped = self.uncapped.entry(policy).or_insert(cap);
        *uncapped = cap.max(*uncapped);
        cap < *uncapped
    }

    fn rose(&mut self, counter: PathBuf) -> bool {
        let Some(count) = sysfs::number(&counter) else { return false };
        self.events.insert(counter, count).is_some_and(|before| count > before)
    }
}

/// Whether the kernel holds a processor back to cool it; fans don't count.
fn cooling(root: &Path) -> bool {
    let devices = sysfs::entries(&root.join("sys/class/thermal"), "cooling_device");
    devices.iter().any(|device| {
        let kind = sysfs::text(&device.join("type")).unwrap_or_default();
        let of_processor = ["cpufreq", "thermal-cpufreq", "devfreq", "thermal-devfreq", "Processor"]
            .iter()
            .any(|start| kind.starts_with(start));
        of_processor && sysfs::number(&device.join("cur_state")).is_some_and(|state| state > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::tests::lay_out;

    #[test]
    fn a_cap_that_comes_later_is_throttling_and_a_chosen_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        let mut slowdown = Slowdown::default();
        let mut with_cap = |cap: &str| {
            lay_out(
                root.path(),
                &[
                    ("sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "2201600\n"),
                    ("sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", cap),
                ],
            );
            slowdown.read(root.path()).throttled
        };
        assert!(!with_cap("1510400\n"));
        assert!(with_cap("1190400\n"));
        assert!(!with_cap("1510400\n"));
        assert!(!with_cap("2201600\n"));
        assert!(with_cap("1510400\n"));
    }

    #[test]
    fn a_processor_held_back_counts_and_a_fan_does_not() {
        let root = tempfile::tempdir().unwrap();
        let state = |kind: &str, state: &str| {
            lay_out(
                root.path(),
                &[
                    ("sys/class/thermal/cooling_device0/type", kind),
                    ("sys/class/thermal/cooling_device0/cur_state", state),
                ],
            );
            Slowdown::default().read(root.path()).throttled
        };
        assert!(state("cpufreq-cpu0\n", "3\n"));
        assert!(state("Processor\n", "1\n"));
        assert!(!state("cpufreq-cpu0\n", "0\n"));
        assert!(!state("pwm-fan\n", "2\n"));
    }

    #[test]
    fn counters_of_over_current_tell_by_rising() {
        let root = tempfile::tempdir().unwrap();
        let mut slowdown = Slowdown::default();
        let mut with_counts = |first: &str, third: &str| {
            lay_out(
                root.path(),
                &[
                    ("sys/class/hwmon/hwmon3/name", "soctherm_oc\n"),
                    ("sys/class/hwmon/hwmon3/oc1_event_cnt", first),
                    ("sys/class/hwmon/hwmon3/oc3_event_cnt", third),
                ],
            );
            let Signs { throttled, undervoltage } = slowdown.read(root.path());
            (throttled, undervoltage)
        };
        // What happened before the program began is no news.
        assert_eq!(with_counts("2\n", "37\n"), (false, false));
        assert_eq!(with_counts("2\n", "38\n"), (true, false));
        assert_eq!(with_counts("2\n", "38\n"), (false, false));
        assert_eq!(with_counts("3\n", "38\n"), (true, true));
    }

    #[test]
    fn a_pis_supply_monitor_is_heard() {
        let root = tempfile::tempdir().unwrap();
        for (alarm, expected) in [("0\n", false), ("1\n", true)] {
            lay_out(
                root.path(),
                &[
                    ("sys/class/hwmon/hwmon1/name", "rpi_volt\n"),
                    ("sys/class/hwmon/hwmon1/in0_lcrit_alarm", alarm),
                ],
            );
            assert_eq!(Slowdown::default().read(root.path()).undervoltage, expected);
        }
    }
}
