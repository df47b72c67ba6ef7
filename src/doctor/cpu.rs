//! What the processor can do that makes restoring fast.

use super::{Check, Options};
use crate::board::sysfs;

/// As `/proc/cpuinfo` calls it, and as people do; x86 and ARM.
const FEATURES: [(&str, &str); 9] = [
    ("asimd", "NEON"),
    ("asimdhp", "fp16"),
    ("asimddp", "dotprod"),
    ("i8mm", "i8mm"),
    ("avx2", "AVX2"),
    ("fma", "FMA"),
    ("avx512f", "AVX-512"),
    ("avx512_vnni", "AVX-512 VNNI"),
    ("avx_vnni", "AVX VNNI"),
];

pub(super) fn check(options: &Options) -> Check {
    const NAME: &str = "cpu";
    let text = sysfs::text(&options.at("proc/cpuinfo")).unwrap_or_default();
    let is_flags = |line: &&str| line.starts_with("flags") || line.starts_with("Features");
    let flags: Vec<&str> = match text.lines().find(is_flags).and_then(|line| line.split_once(':')) {
        Some((_, flags)) => flags.split_whitespace().collect(),
        None => return Check::skip(NAME, "it doesn't say what it can do"),
    };
    let cores = text.lines().filter(|line| line.starts_with("processor")).count();
    let has: Vec<&str> =
        FEATURES.iter().filter(|(flag, _)| flags.contains(flag)).map(|(_, name)| *name).collect();
    let cores = format!("{cores} core{}", if cores == 1 { "" } else { "s" });
    if !has.contains(&"NEON") && !has.contains(&"AVX2") {
        return Check::warn(
            NAME,
            format!("{cores}, without NEON or AVX2"),
            "expect a frame to take several times as long; a newer processor, or a virtual machine that passes them on, has them",
        );
    }
    Check::ok(NAME, format!("{cores} with {}", has.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::machine;
    use super::*;

    #[test]
    fn features_are_told_by_the_names_that_people_use() {
        let pi_5 = "processor\t: 0\nFeatures\t: fp asimd aes asimdhp asimddp\n\nprocessor\t: 1\nFeatures\t: fp asimd\n";
        let pc = "processor\t: 0\nflags\t\t: fpu sse2 avx2 fma avx512f avx512_vnni\n";
        let old = "processor\t: 0\nflags\t\t: fpu sse2\n";
        for (text, verdict, found) in [
            (pi_5, Verdict::Ok, "2 cores with NEON, fp16, dotprod"),
            (pc, Verdict::Ok, "1 core with AVX2, FMA, AVX-512, AVX-512 VNNI"),
            (old, Verdict::Warn, "1 core, without NEON or AVX2"),
            ("", Verdict::Skip, "it doesn't say what it can do"),
        ] {
            let (_root, options) = machine(&[("proc/cpuinfo", text)]);
            let check = check(&options);
            assert_eq!((check.verdict, &*check.found), (verdict, found));
        }
    }
}
