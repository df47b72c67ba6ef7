//! What a Jetson is set to: JetPack, power mode, the GPU's clock, the DLAs.

use super::{Check, Options};
use crate::board::sysfs;
use std::path::Path;

/// L4T's release file, which every Jetson has.
const RELEASE: &str = "etc/nv_tegra_release";

/// Nothing on a machine that is no Jetson.
pub(super) fn check(options: &Options) -> Vec<Check> {
    let Some(release) = sysfs::text(&options.at(RELEASE)) else { return Vec::new() };
    vec![jetpack(&release), power_mode(options), clock(options), dla(options)]
}

/// The JetPack of an L4T release, as `# R36 (release), REVISION: 4.3, …` names it.
fn jetpack(release: &str) -> Check {
    const NAME: &str = "jetpack";
    let first = release.lines().next().unwrap_or_default();
    let major: Option<u32> = first
        .strip_prefix("# R")
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next())
        .and_then(|digits| digits.parse().ok());
    let minor = first.split("REVISION: ").nth(1).and_then(|rest| rest.split(',').next());
    let l4t = format!("L4T {}.{}", major.unwrap_or(0), minor.unwrap_or("?"));
    match major {
        Some(36) => Check::ok(NAME, format!("JetPack 6 ({l4t})")),
        Some(38..) => Check::ok(NAME, format!("JetPack 7 ({l4t})")),
        Some(older) => Check::warn(
            NAME,
            format!("{l4t}{}", if older == 35 { ", of JetPack 5" } else { "" }),
            "install JetPack 6 or newer: its TensorRT is the oldest that is used (docs/jetson.md)",
        ),
        None => Check::skip(NAME, format!("/{RELEASE} is in no form that is known")),
    }
}

/// The mode that `nvpmodel` has set, by its name.
fn power_mode(options: &Options) -> Check {
    const NAME: &str = "power mode";
    let status = sysfs::text(&options.at("var/lib/nvpmodel/status")).unwrap_or_default();
    let number: Option<u32> = status.split("pmode:").nth(1).and_then(|digits| digits.trim().parse().ok());
    let Some(number) = number else { return Check::skip(NAME, "nvpmodel has set none that can be read") };
    let known = sysfs::text(&options.at("etc/nvpmodel.conf")).unwrap_or_default();
    let modes: Vec<(u32, &str)> = known.lines().filter_map(mode).collect();
    let name = |wanted: u32| modes.iter().find(|(id, _)| *id == wanted).map(|(_, name)| *name);
    let found =
        name(number).map_or_else(|| format!("mode {number}"), |name| format!("{name} (mode {number})"));
    let largest = modes.iter().find(|(_, name)| name.starts_with("MAXN"));
    match largest {
        Some((id, name)) if *id != number => Check::ok(
            NAME,
            format!(
                "{found}; sudo nvpmodel -m {id} sets {name}, which is faster where power and cooling allow it"
            ),
        ),
        _ => Check::ok(NAME, found),
    }
}

/// Number and name of the mode that a line of `nvpmodel.conf` begins: `< POWER_MODEL ID=0 NAME=MAXN >`.
fn mode(line: &str) -> Option<(u32, &str)> {
    let words = line.strip_prefix("< POWER_MODEL ")?.strip_suffix('>')?.split_whitespace();
    let value = |key: &str| words.clone().find_map(|word| word.strip_prefix(key));
    Some((value("ID=")?.parse().ok()?, value("NAME=")?))
}

/// The GPU's own clock, where the kernel scales it.
fn clock(options: &Options) -> Check {
    const NAME: &str = "gpu clock";
    // 17000000.gpu on an Orin, gpu-gpc-0 on a Thor, 17000000.ga10b before JetPack 6.
    let is_gpu = |name: &str| ["gpu", "ga10b", "gv11b"].iter().any(|part| name.contains(part));
    let Some(folder) =
        sysfs::entries(&options.at("sys/class/devfreq"), "").into_iter().find(|path| is_named(path, is_gpu))
    else {
        return Check::skip(NAME, "the kernel doesn't tell");
    };
    let mhz = |file: &str| {
        let hertz: u64 = sysfs::text(&folder.join(file))?.trim().parse().ok()?;
        Some(hertz / 1_000_000)
    };
    let (Some(now), Some(least), Some(most)) = (mhz("cur_freq"), mhz("min_freq"), mhz("max_freq")) else {
        return Check::skip(NAME, "the kernel doesn't tell");
    };
    if least == most {
        return Check::ok(NAME, format!("{now} MHz, fixed"));
    }
    Check::ok(
        NAME,
        format!(
            "{now} MHz of {least} to {most}; sudo jetson_clocks keeps it at {most}, for times that don't vary"
        ),
    )
}

/// The deep learning accelerators beside the GPU.
fn dla(options: &Options) -> Check {
    let count = sysfs::entries(&options.at("sys/bus/platform/devices"), "")
        .iter()
        .filter(|path| is_named(path, |name| name.contains("nvdla")))
        .count();
    match count {
        0 => Check::skip("dla", "this module has none"),
        count => Check::ok("dla", format!("{count}: vlunet engine build --dla N uses one")),
    }
}

fn is_named(path: &Path, wanted: impl Fn(&str) -> bool) -> bool {
    path.file_name().is_some_and(|name| wanted(&name.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::machine;
    use super::*;

    const CONF: &str = "# comment\n< PARAM TYPE=FILE NAME=CPU_ONLINE >\nCORE_0 /sys/x\n\
                        < POWER_MODEL ID=0 NAME=15W >\nCPU_ONLINE CORE_0 1\n\
                        < POWER_MODEL ID=1 NAME=25W >\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n< PM_CONFIG DEFAULT=1 >\n";

    fn found(files: &[(&str, &str)]) -> Vec<(&'static str, Verdict, String)> {
        let (_root, options) = machine(files);
        check(&options).into_iter().map(|check| (check.name, check.verdict, check.found)).collect()
    }

    #[test]
    fn an_orin_is_told_as_it_is_set() {
        let orin = [
            (RELEASE, "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n"),
            ("var/lib/nvpmodel/status", "pmode:0001"),
            ("etc/nvpmodel.conf", CONF),
            ("sys/class/devfreq/17000000.gpu/cur_freq", "306000000\n"),
            ("sys/class/devfreq/17000000.gpu/min_freq", "306000000\n"),
            ("sys/class/devfreq/17000000.gpu/max_freq", "918000000\n"),
            ("sys/bus/platform/devices/15880000.nvdla0/uevent", ""),
            ("sys/bus/platform/devices/158c0000.nvdla1/uevent", ""),
        ];
        let checks = found(&orin);
        assert!(checks.iter().all(|(_, verdict, _)| *verdict == Verdict::Ok), "{checks:?}");
        for (at, said) in [
            (0, "JetPack 6 (L4T 36.4.3)"),
            (1, "25W (mode 1); sudo nvpmodel -m 2 sets MAXN_SUPER"),
            (2, "306 MHz of 306 to 918; sudo jetson_clocks keeps it at 918"),
            (3, "2: vlunet engine build --dla N"),
        ] {
            assert!(checks[at].2.contains(said), "{checks:?}");
        }
    }

    #[test]
    fn other_releases_and_what_is_not_told() {
        for (release, verdict, said) in [
            ("# R38 (release), REVISION: 2.0, GCID: 1\n", Verdict::Ok, "JetPack 7 (L4T 38.2.0)"),
            ("# R35 (release), REVISION: 6.0, GCID: 1\n", Verdict::Warn, "L4T 35.6.0, of JetPack 5"),
            ("# R32 (release), REVISION: 7.1, GCID: 1\n", Verdict::Warn, "L4T 32.7.1"),
            ("something else\n", Verdict::Skip, "no form that is known"),
        ] {
            let checks = found(&[(RELEASE, release)]);
            assert!(checks[0].1 == verdict && checks[0].2.contains(said), "{checks:?}");
            assert!(checks[1..].iter().all(|(_, verdict, _)| *verdict == Verdict::Skip), "{checks:?}");
        }
        let fixed = [
            (RELEASE, "# R36 (release), REVISION: 4.3\n"),
            ("var/lib/nvpmodel/status", "pmode:0002\n"),
            ("etc/nvpmodel.conf", CONF),
            ("sys/class/devfreq/gpu-gpc-0/cur_freq", "918000000"),
            ("sys/class/devfreq/gpu-gpc-0/min_freq", "918000000"),
            ("sys/class/devfreq/gpu-gpc-0/max_freq", "918000000"),
        ];
        let checks = found(&fixed);
        assert_eq!((&*checks[1].2, &*checks[2].2), ("MAXN_SUPER (mode 2)", "918 MHz, fixed"));
        assert!(found(&[]).is_empty());
    }
}
