//! The video devices of this machine.

use super::controls::{ControlInfo, controls};
use super::device::Device;
use super::formats::{FormatInfo, formats};
use super::raw::Direction;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// A video device, and all that it says about itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceInfo {
    /// Its node: `/dev/video0`.
    pub path: PathBuf,
    /// Names that stay the same when it is plugged in anew: the links in `/dev/v4l/by-id` and
    /// `/dev/v4l/by-path`.
    pub links: Vec<PathBuf>,
    /// Its name: `HD Pro Webcam C920`.
    pub name: String,
    /// The kernel's driver: `uvcvideo`.
    pub driver: String,
    /// Where it is attached: `usb-0000:00:14.0-1`.
    pub bus: String,
    /// Whether `v4l2:` can capture from it.
    pub captures: bool,
    /// Whether `v4l2:` can show on it.
    pub outputs: bool,
    /// What it captures or shows.
    pub formats: Vec<FormatInfo>,
    /// Its controls.
    pub controls: Vec<ControlInfo>,
    /// Why it can't be used, where it can't.
    pub problem: Option<String>,
}

/// All video devices, in the order of their numbers; metadata nodes and codecs are among them,
/// and neither capture nor show.
pub fn devices() -> Vec<DeviceInfo> {
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix("video")?.parse::<u32>().ok();
    let mut nodes: Vec<_> =
        folder(Path::new("/dev")).filter_map(|path| Some((number(&path)?, path))).collect();
    nodes.sort();
    let links: Vec<_> = ["/dev/v4l/by-id", "/dev/v4l/by-path"]
        .into_iter()
        .flat_map(|links| folder(Path::new(links)))
        .filter_map(|link| Some((fs::canonicalize(&link).ok()?, link)))
        .collect();
    nodes
        .into_iter()
        .map(|(_, path)| {
            let mut links: Vec<_> =
                links.iter().filter(|(node, _)| *node == path).map(|(_, link)| link.clone()).collect();
            links.sort();
            describe(path, links)
        })
        .collect()
}

fn folder(path: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

fn describe(path: PathBuf, links: Vec<PathBuf>) -> DeviceInfo {
    let nothing = DeviceInfo {
        path,
        links,
        name: String::new(),
        driver: String::new(),
        bus: String::new(),
        captures: false,
        outputs: false,
        formats: Vec::new(),
        controls: Vec::new(),
        problem: None,
    };
    let device = match Device::open(&nothing.path) {
        Ok(device) => device,
        Err(error) => return DeviceInfo { problem: Some(error.to_string()), ..nothing },
    };
    let (captures, outputs) = (device.captures(), device.outputs());
    let direction = if outputs && !captures { Direction::Output } else { Direction::Capture };
    let problem = (device.is_multi_planar() && !captures && !outputs)
        .then(|| "multi-planar, which v4l2: doesn't take; use gst:v4l2src".to_owned());
    DeviceInfo {
        captures: captures && device.streams(),
        outputs,
        formats: if captures || outputs { formats(&device, direction) } else { Vec::new() },
        controls: controls(&device),
        problem,
        name: device.name,
        driver: device.driver,
        bus: device.bus,
        ..nothing
    }
}
