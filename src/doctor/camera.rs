//! Cameras: their nodes, and whether they may be used.

use super::access::Permission;
use super::{Check, Options};
use crate::board::{Board, sysfs};
use crate::config::Config;
use crate::uri::Uri;
use std::path::Path;

const NAME: &str = "camera";

/// One check for each camera, and one for the source's where it isn't among them.
pub(super) fn check(options: &Options, config: &Config, board: &Board) -> Vec<Check> {
    let nodes = sysfs::entries(&options.at("dev"), "video");
    let source = config.source.as_deref().unwrap_or(&board.profile.camera);
    let wanted = Uri::parse(source).ok().filter(|uri| uri.scheme() == "v4l2");
    let wanted = wanted.map(|uri| uri.rest().to_owned());
    let is_wanted = |node: &Path| wanted.as_ref().is_some_and(|path| options.at(path) == node);
    let mut checks: Vec<Check> = nodes.iter().map(|node| camera(options, node, is_wanted(node))).collect();
    match wanted.filter(|path| !options.at(path).exists()) {
        Some(path) if config.source.is_some() => checks.push(Check::fail(
            NAME,
            format!("the configured source {path} isn't there"),
            "plug the camera in, or give another source; sudo dmesg | tail shows what the kernel says of it",
        )),
        _ if nodes.is_empty() => checks.push(Check::warn(
            NAME,
            "there is no /dev/video*",
            "plug a camera in (a CSI camera needs its driver's overlay), or give another source",
        )),
        _ => {}
    }
    checks
}

/// The loop fails for want of its own source alone.
fn camera(options: &Options, node: &Path, is_source: bool) -> Check {
    let node_name = node.file_name().unwrap_or_default().to_string_lossy();
    let told = sysfs::text(&options.at(&format!("sys/class/video4linux/{node_name}/name")));
    let told = told.map(|name| crate::error::one_line(&name)).unwrap_or_else(|| "no name".into());
    let found = format!("/dev/{node_name}: {told}");
    match options.permission(node) {
        Permission::Granted => Check::ok(NAME, found),
        Permission::Denied(advice) => {
            let found = format!("{found}, but permission is denied");
            if is_source { Check::fail(NAME, found, advice) } else { Check::warn(NAME, found, advice) }
        }
        Permission::Missing => Check::warn(
            NAME,
            format!("/dev/{node_name} leads nowhere"),
            "unplug the camera and plug it in again",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::machine;
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn checks(options: &Options, config: &str) -> Vec<Check> {
        let config = Config::parse(config, "a.toml").unwrap();
        check(options, &config, &Board::detect(&options.root).unwrap())
    }

    #[test]
    fn each_camera_is_named_and_its_permission_told() {
        let (_root, options) = machine(&[
            ("dev/video0", ""),
            ("sys/class/video4linux/video0/name", "USB Camera: UVC\n"),
            ("dev/video1", ""),
        ]);
        let set = |node: &str, mode| {
            std::fs::set_permissions(options.at(node), PermissionsExt::from_mode(mode)).unwrap();
        };
        set("dev/video0", 0o666);
        set("dev/video1", 0o600);
        let found = checks(&options, "");
        assert_eq!(found[0], Check::ok(NAME, "/dev/video0: USB Camera: UVC"));
        assert_eq!((found.len(), found[1].verdict), (2, Verdict::Warn));
        assert!(found[1].found.contains("permission is denied"), "{found:?}");
        // It is a failure where that one is the source.
        let found = checks(&options, "source = 'v4l2:///dev/video1'");
        assert_eq!(found[1].verdict, Verdict::Fail);
    }

    #[test]
    fn a_camera_that_is_configured_must_be_there() {
        let (_root, options) = machine(&[]);
        assert_eq!(checks(&options, "")[0].verdict, Verdict::Warn);
        assert_eq!(checks(&options, "source = 'v4l2:///dev/video7?fps=30'")[0].verdict, Verdict::Fail);
        assert_eq!(checks(&options, "source = 'synthetic:road'")[0].verdict, Verdict::Warn);
        std::fs::create_dir_all(options.at("dev")).unwrap();
        std::fs::write(options.at("dev/video7"), "").unwrap();
        std::fs::set_permissions(options.at("dev/video7"), PermissionsExt::from_mode(0o666)).unwrap();
        let checks = checks(&options, "source = 'v4l2:///dev/video7?fps=30'");
        assert_eq!((checks.len(), checks[0].verdict), (1, Verdict::Ok));
    }
}
