//! The formats, sizes and frame rates that a device offers.

use super::device::{Device, text};
use super::raw::{self, Direction};
use crate::frame::PixelFormat;
use serde::Serialize;
use std::io;

/// The most entries of a list that are read, should a driver never end it.
const MOST: u32 = 256;

/// A pixel format that a device offers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FormatInfo {
    /// Its four-character code.
    pub fourcc: String,
    /// The driver's name for it.
    pub description: String,
    /// Which of the formats that we read it is, if any.
    pub format: Option<PixelFormat>,
    /// Its sizes; empty where the driver doesn't list them.
    pub sizes: Vec<SizeInfo>,
}

/// A size, or a range of sizes, that a device offers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SizeInfo {
    /// Smallest width and height.
    pub min: [u32; 2],
    /// Largest width and height; `min` where it is one size.
    pub max: [u32; 2],
    /// Steps between them, at least 1.
    pub step: [u32; 2],
    /// Frames per second, highest first; empty where the driver doesn't list them.
    pub fps: Vec<f64>,
    /// Whether `fps` are the ends of a range, and all between can be had, too.
    pub any_fps: bool,
}

impl SizeInfo {
    /// One size, without rates.
    pub(super) fn discrete(width: u32, height: u32) -> Self {
        Self { min: [width, height], max: [width, height], step: [1, 1], fps: Vec::new(), any_fps: false }
    }

    /// The size nearest to that one.
    pub(super) fn nearest(&self, wanted: [u32; 2]) -> [u32; 2] {
        [0, 1].map(|side| {
            let (min, max, step) = (self.min[side], self.max[side].max(self.min[side]), self.step[side]);
            let over = wanted[side].clamp(min, max) - min;
            let snapped = min + (over + step / 2) / step * step;
            if snapped > max { snapped - step } else { snapped }
        })
    }

    /// The rate nearest to that one, if rates are listed.
    pub(super) fn nearest_fps(&self, wanted: f64) -> Option<f64> {
        if let (true, [high, .., low]) = (self.any_fps, &self.fps[..]) {
            return Some(wanted.clamp(low.min(*high), high.max(*low)));
        }
        let distance = |fps: &f64| (fps - wanted).abs();
        self.fps.iter().copied().min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }
}

impl std::fmt::Display for SizeInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [[width, height], [most, tallest]] = [self.min, self.max];
        write!(f, "{width}x{height}")?;
        if self.min != self.max { write!(f, " to {most}x{tallest}") } else { Ok(()) }
    }
}

/// Everything that a device offers in a direction.
pub(crate) fn formats(device: &Device, direction: Direction) -> Vec<FormatInfo> {
    list(|index| raw::format_at(device.fd(), direction, index))
        .map(|(fourcc, description)| FormatInfo {
            fourcc: String::from_utf8_lossy(&fourcc).trim_end().into(),
            description: text(&description),
            format: PixelFormat::from_fourcc(fourcc),
            sizes: sizes(device, fourcc),
        })
        .collect()
}

fn sizes(device: &Device, fourcc: [u8; 4]) -> Vec<SizeInfo> {
    list(|index| raw::size_at(device.fd(), fourcc, index))
        .map(|size| {
            let intervals: Vec<_> =
                list(|index| raw::interval_at(device.fd(), fourcc, size.max, index)).collect();
            with_rates(size, &intervals)
        })
        .collect()
}

/// A size with the rates that the intervals are: pairs of ends, in seconds as fractions.
fn with_rates(size: SizeInfo, intervals: &[([u32; 2], [u32; 2])]) -> SizeInfo {
    let fps = |[numerator, denominator]: [u32; 2]| {
        (numerator > 0 && denominator > 0).then(|| f64::from(denominator) / f64::from(numerator))
    };
    let any_fps = intervals.iter().any(|(from, to)| from != to);
    let ends = intervals.iter().flat_map(|&(from, to)| [fps(from), fps(to)]);
    let mut fps: Vec<f64> = ends.flatten().collect();
    fps.sort_by(|a, b| b.total_cmp(a));
    fps.dedup();
    SizeInfo { any_fps: any_fps && fps.len() > 1, fps, ..size }
}

/// What a request gives for 0, 1, 2, … until it refuses.
fn list<T>(request: impl Fn(u32) -> io::Result<T>) -> impl Iterator<Item = T> {
    (0..MOST).map_while(move |index| request(index).ok())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A format with sizes and their rates.
    pub(crate) fn format(format: PixelFormat, sizes: &[([u32; 2], &[f64])]) -> FormatInfo {
        FormatInfo {
            fourcc: String::from_utf8_lossy(&format.fourcc()).into(),
            description: format.to_string(),
            format: Some(format),
            sizes: sizes
                .iter()
                .map(|(size, fps)| SizeInfo { fps: fps.to_vec(), ..SizeInfo::discrete(size[0], size[1]) })
                .collect(),
        }
    }

    #[test]
    fn intervals_become_rates_highest_first() {
        let size = SizeInfo::discrete(640, 480);
        let same = |interval| (interval, interval);
        let listed = with_rates(size.clone(), &[same([1, 15]), same([1, 30]), same([1, 30]), same([0, 1])]);
        assert_eq!((&listed.fps[..], listed.any_fps), (&[30.0, 15.0][..], false));
        assert_eq!(listed.nearest_fps(25.0), Some(30.0));
        let range = with_rates(size.clone(), &[([1, 120], [1, 1])]);
        assert_eq!((&range.fps[..], range.any_fps), (&[120.0, 1.0][..], true));
        assert_eq!((range.nearest_fps(29.97), range.nearest_fps(500.0)), (Some(29.97), Some(120.0)));
        assert_eq!(with_rates(size, &[]).nearest_fps(30.0), None);
    }

    #[test]
    fn sizes_snap_to_the_steps_of_a_range() {
        let range = SizeInfo { min: [32, 16], max: [1920, 1080], step: [16, 8], ..SizeInfo::discrete(0, 0) };
        assert_eq!(range.nearest([640, 360]), [640, 360]);
        assert_eq!(range.nearest([645, 361]), [640, 360]);
        assert_eq!(range.nearest([9999, 1]), [1920, 16]);
        let coarse = SizeInfo { min: [100, 100], max: [250, 250], step: [100, 100], ..range };
        assert_eq!(coarse.nearest([250, 249]), [200, 200]);
        assert_eq!(SizeInfo::discrete(320, 240).nearest([640, 480]), [320, 240]);
    }
}
