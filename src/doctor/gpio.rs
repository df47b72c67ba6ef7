//! The pins that the board's profile names.

use super::access::Permission;
use super::{Check, Options, Verdict};
use crate::board::profile::Pins;
use crate::board::{Board, sysfs};
use crate::config::Config;
use std::path::PathBuf;

const NAME: &str = "gpio";

pub(super) fn check(options: &Options, config: &Config, board: &Board) -> Check {
    let check = examined(options, board);
    if check.verdict != Verdict::Warn || config.gpio == Some(true) {
        return check;
    }
    Check::skip(NAME, format!("{}; the configuration uses no pins", check.found))
}

fn examined(options: &Options, board: &Board) -> Check {
    let Some(pins) = &board.profile.gpio else {
        return Check::skip(NAME, format!("profile {} has no pins", board.profile.name));
    };
    // rppal maps the first of these that is there.
    let registers = ["dev/gpiomem0", "dev/gpiomem"].map(|path| options.at(path));
    let registers = registers.into_iter().find(|path| pins.rppal && cfg!(feature = "rppal") && path.exists());
    let chips: Vec<PathBuf> =
        registers.map_or_else(|| sysfs::entries(&options.at("dev"), "gpiochip"), |path| vec![path]);
    if chips.is_empty() {
        return Check::warn(
            NAME,
            "there is no /dev/gpiochip*",
            "give the profile that fits with --board, or leave gpio out of the configuration",
        );
    }
    let denied = chips.iter().find_map(|path| match options.permission(path) {
        Permission::Denied(advice) => Some((path, advice)),
        _ => None,
    });
    if let Some((path, advice)) = denied {
        return Check::warn(NAME, format!("{}: permission is denied", path.display()), advice);
    }
    let names: Vec<_> = chips
        .iter()
        .filter_map(|path| path.file_name()?.to_str().map(|name| format!("/dev/{name}")))
        .collect();
    let found = names.join(", ");
    if options.is_live() && found.contains("gpiochip") { labels(pins) } else { Check::ok(NAME, found) }
}

/// Whether a chip has a label that the profile knows. No line is taken: the service may hold them.
fn labels(pins: &Pins) -> Check {
    let chips = gpiocdev::chip::chips().unwrap_or_default();
    let label = |path: &PathBuf| Some(gpiocdev::chip::Chip::from_path(path).ok()?.info().ok()?.label);
    let labels: Vec<String> = chips.iter().filter_map(label).collect();
    match labels.iter().find(|label| pins.chip.contains(label)) {
        Some(label) => Check::ok(NAME, format!("the chip {label} is there")),
        None => Check::warn(
            NAME,
            format!("no chip is labelled {}; there are {}", pins.chip.join(" or "), labels.join(", ")),
            "give the profile that fits with --board, or one of your own with the label in gpio.chip",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::machine;
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn checked(board: &str, nodes: &[(&str, u32)]) -> Check {
        with_config("gpio = true", board, nodes)
    }

    fn with_config(config: &str, board: &str, nodes: &[(&str, u32)]) -> Check {
        let files: Vec<(&str, &str)> = nodes.iter().map(|(node, _)| (*node, "")).collect();
        let (_root, options) = machine(&files);
        for (node, mode) in nodes {
            std::fs::set_permissions(options.at(node), PermissionsExt::from_mode(*mode)).unwrap();
        }
        let config = Config::parse(config, "a.toml").unwrap();
        check(&options, &config, &Board::named(board, &options.root).unwrap())
    }

    #[test]
    fn pins_are_looked_for_only_where_the_profile_has_some() {
        assert_eq!(checked("generic-pc", &[("dev/gpiochip0", 0o600)]).verdict, Verdict::Skip);
        assert_eq!(checked("jetson-orin-nano", &[]).verdict, Verdict::Warn);
        let fine = checked("jetson-orin-nano", &[("dev/gpiochip0", 0o666), ("dev/gpiochip1", 0o666)]);
        assert_eq!(fine, Check::ok(NAME, "/dev/gpiochip0, /dev/gpiochip1"));
        let denied = checked("jetson-orin-nano", &[("dev/gpiochip0", 0o600)]);
        assert!(denied.verdict == Verdict::Warn && denied.found.contains("denied"), "{denied:?}");
        // Pins that nobody asked for are no trouble.
        let unused = with_config("", "jetson-orin-nano", &[("dev/gpiochip0", 0o600)]);
        assert!(unused.verdict == Verdict::Skip && unused.found.contains("uses no pins"), "{unused:?}");
    }

    #[cfg(feature = "rppal")]
    #[test]
    fn on_a_pi_the_registers_are_what_counts() {
        let nodes = [("dev/gpiochip0", 0o600), ("dev/gpiomem", 0o666)];
        assert_eq!(checked("raspberry-pi-4", &nodes), Check::ok(NAME, "/dev/gpiomem"));
        let nodes = [("dev/gpiochip0", 0o666), ("dev/gpiomem0", 0o600)];
        assert_eq!(checked("raspberry-pi-5", &nodes).verdict, Verdict::Warn);
    }
}
