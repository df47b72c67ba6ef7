//! Cameras: their nodes, and whether they may be used.

use super::access::Permission;
use super::{Check, Options};
use crate::board::{Board, sysfs};
use crate::config::Config;
use crate::source::v4l2::{DeviceInfo, SizeInfo};
use crate::uri::Uri;
use std::path::Path;

const NAME: &str = "camera";

/// One check for each node, and one for the source's where it isn't among them; `devices` is what
/// the nodes say of themselves, where they could be asked.
pub(super) fn check(options: &Options, config: &Config, board: &Board, devices: &[DeviceInfo]) -> Vec<Check> {
    let said = |node: &Path| devices.iter().find(|device| device.path == node);
    // Codecs, image processors and metadata are no cameras: a Raspberry Pi has a dozen.
    let is_other = |device: &DeviceInfo| !device.captures && !device.outputs && device.problem.is_none();
    let mut nodes = sysfs::entries(&options.at("dev"), "video");
    nodes.retain(|node| !said(node).is_some_and(is_other));
    let source = config.source.as_deref().unwrap_or(&board.profile.camera);
    let wanted = Uri::parse(source).ok().filter(|uri| uri.scheme() == "v4l2");
    let wanted = wanted.map(|uri| uri.rest().to_owned());
    let is_wanted = |node: &Path| wanted.as_ref().is_some_and(|path| options.at(path) == node);
    let mut checks: Vec<Check> =
        nodes.iter().map(|node| camera(options, node, said(node), is_wanted(node))).collect();
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
fn camera(options: &Options, node: &Path, said: Option<&DeviceInfo>, is_source: bool) -> Check {
    let node_name = node.file_name().unwrap_or_default().to_string_lossy();
    let name = sysfs::text(&options.at(&format!("sys/class/video4linux/{node_name}/name")));
    let name = name.map(|name| crate::error::one_line(&name)).unwrap_or_else(|| "no name".into());
    let found = format!("/dev/{node_name}: {name}");
    let trouble = |found: String, advice: &str| {
        if is_source { Check::fail(NAME, found, advice) } else { Check::warn(NAME, found, advice) }
    };
    match (options.permission(node), said) {
        (Permission::Denied(advice), _) => trouble(format!("{found}, but permission is denied"), &advice),
        (Permission::Missing, _) => {
            trouble(format!("/dev/{node_name} leads nowhere"), "unplug the camera and plug it in again")
        }
        (Permission::Granted, Some(DeviceInfo { problem: Some(problem), .. })) => trouble(
            format!("{found}: {}", crate::error::one_line(problem)),
            "take another node of this camera, or another source",
        ),
        (Permission::Granted, Some(device)) => Check::ok(NAME, format!("{found}{}", offers(device))),
        (Permission::Granted, None) => Check::ok(NAME, found),
    }
}

/// What a device captures or shows, of what we can read: `, captures YUYV 640x480 at 30`.
fn offers(device: &DeviceInfo) -> String {
    let size = |size: &SizeInfo| match size.fps.first() {
        Some(fps) => format!("{size} at {}", (fps * 100.0).round() / 100.0),
        None => size.to_string(),
    };
    let formats = device.formats.iter().filter(|format| format.format.is_some()).map(|format| {
        let sizes: Vec<String> = format.sizes.iter().map(size).collect();
        format!("{} {}", format.fourcc, sizes.join(", "))
    });
    let formats: Vec<String> = formats.collect();
    let verb = if device.captures { "captures" } else { "shows" };
    match formats.is_empty() {
        true => format!(", {verb} nothing that v4l2: reads"),
        false => format!(", {verb} {}", formats.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::machine;
    use super::*;
    use crate::source::v4l2::FormatInfo;
    use std::os::unix::fs::PermissionsExt;

    fn checks(options: &Options, config: &str) -> Vec<Check> {
        let config = Config::parse(config, "a.toml").unwrap();
        check(options, &config, &Board::detect(&options.root).unwrap(), &[])
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

    #[test]
    fn what_a_camera_offers_is_told_and_what_is_no_camera_is_not() {
        let (_root, options) = machine(&[("dev/video0", ""), ("dev/video1", ""), ("dev/video2", "")]);
        for node in ["dev/video0", "dev/video1", "dev/video2"] {
            std::fs::set_permissions(options.at(node), PermissionsExt::from_mode(0o666)).unwrap();
        }
        let size = |width, height, fps: &[f64]| SizeInfo {
            min: [width, height],
            max: [width, height],
            step: [1, 1],
            fps: fps.to_vec(),
            any_fps: false,
        };
        let format = |fourcc: &str, sizes: Vec<SizeInfo>| FormatInfo {
            fourcc: fourcc.into(),
            description: String::new(),
            format: crate::frame::PixelFormat::from_fourcc(*fourcc.as_bytes().first_chunk().unwrap()),
            sizes,
        };
        let device = |node: &str, captures: bool, problem: Option<&str>| DeviceInfo {
            path: options.at(node),
            links: Vec::new(),
            name: "USB Camera".into(),
            driver: "uvcvideo".into(),
            bus: String::new(),
            captures,
            outputs: false,
            formats: vec![
                format("YUYV", vec![size(640, 480, &[30.0, 15.0]), size(1280, 720, &[7.5])]),
                format("H264", vec![size(1920, 1080, &[])]),
                format("MJPG", vec![size(1920, 1080, &[29.97])]),
            ],
            controls: Vec::new(),
            problem: problem.map(str::to_owned),
        };
        // A camera, its node of metadata, and one that is held by another program.
        let devices = [
            device("dev/video0", true, None),
            device("dev/video1", false, None),
            device("dev/video2", true, Some("device is busy")),
        ];
        let board = Board::detect(&options.root).unwrap();
        let checks = check(&options, &Config::default(), &board, &devices);
        let found: Vec<&str> = checks.iter().map(|check| &*check.found).collect();
        let offers = "captures YUYV 640x480 at 30, 1280x720 at 7.5; MJPG 1920x1080 at 29.97";
        assert_eq!(found[0], format!("/dev/video0: no name, {offers}"));
        assert_eq!(found[1..], ["/dev/video2: no name: device is busy"]);
        assert_eq!((checks[0].verdict, checks[1].verdict), (Verdict::Ok, Verdict::Warn));
    }
}
