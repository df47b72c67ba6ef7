//! Temperature, throttling and supply.

use super::programs::{find, output};
use super::{Check, Options};
use crate::board::Board;
use crate::board::thermal::{Heat, Level, PiFlags};
use std::time::Instant;

pub(super) fn check(options: &Options, board: &Board) -> Check {
    // A Pi 5 tells its flags through this program alone.
    let asked = || output(&find(options, "vcgencmd")?, &["get_throttled"]);
    let flags = PiFlags::read(&options.root)
        .or_else(|| options.is_live().then(asked).flatten().as_deref().and_then(PiFlags::parse))
        .unwrap_or_default();
    judge(board, flags)
}

fn judge(board: &Board, flags: PiFlags) -> Check {
    const NAME: &str = "heat and power";
    let mut thermal = board.thermal();
    let mut state = thermal.read();
    state.throttled |= flags.throttled_now();
    state.undervoltage |= flags.undervoltage_now();
    let found = match thermal.hottest() {
        Some(zone) => format!("{:.0} °C ({})", zone.celsius, zone.name),
        None if flags == PiFlags::default() && !state.throttled && !state.undervoltage => {
            return Check::skip(NAME, "this machine tells no temperature");
        }
        None => "no temperature".into(),
    };
    let supply = "use the board's own power supply and a short, thick cable";
    let cooling = "cool it: a heat sink, a fan, air around the case";
    let level = Heat::new(&board.profile.thermal).update(&state, Instant::now());
    if state.undervoltage {
        Check::warn(NAME, format!("{found}; the supply is too weak"), supply)
    } else if flags.undervoltage_since_start() {
        Check::warn(NAME, format!("{found}; the supply has been too weak since the start"), supply)
    } else if state.throttled {
        Check::warn(NAME, format!("{found}; the board slows itself down"), cooling)
    } else if flags.throttled_since_start() {
        Check::warn(NAME, format!("{found}; the board has slowed itself down since the start"), cooling)
    } else if level > Level::Cool {
        Check::warn(NAME, format!("{found}, at which the governor saves"), cooling)
    } else {
        Check::ok(NAME, found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::machine;
    use super::*;

    fn checked(temperature: &str, flags: Option<&str>) -> Check {
        let (root, options) = machine(&[
            ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
            ("sys/class/thermal/thermal_zone0/temp", temperature),
        ]);
        let flags_file = "sys/devices/platform/soc/soc:firmware/get_throttled";
        if let Some(flags) = flags {
            crate::board::tests::lay_out(root.path(), &[(flags_file, flags)]);
        }
        check(&options, &Board::named("raspberry-pi-4", &options.root).unwrap())
    }

    #[test]
    fn the_cause_is_told_and_with_it_the_remedy() {
        for (temperature, flags, verdict, said) in [
            ("48000", Some("0"), Verdict::Ok, "48 °C (cpu-thermal)"),
            ("48000", None, Verdict::Ok, "48 °C"),
            ("72000", None, Verdict::Warn, "the governor saves"),
            ("48000", Some("1"), Verdict::Warn, "supply is too weak"),
            ("48000", Some("50000"), Verdict::Warn, "has been too weak"),
            ("81000", Some("4"), Verdict::Warn, "slows itself down"),
            ("48000", Some("80000"), Verdict::Warn, "has slowed itself down"),
            ("", None, Verdict::Skip, "no temperature"),
            ("", Some("1"), Verdict::Warn, "too weak"),
        ] {
            let check = checked(temperature, flags);
            assert!(check.verdict == verdict && check.found.contains(said), "{check:?}");
        }
        assert!(checked("48000", Some("1")).advice.unwrap().contains("power supply"));
        assert!(checked("81000", Some("4")).advice.unwrap().contains("heat sink"));
    }
}
