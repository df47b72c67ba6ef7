//! The pixel formats that cameras deliver, by the names that V4L2 gives them.

use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// How the pixels of a frame lie in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PixelFormat {
    /// 4:2:2, packed: Y0 U Y1 V for each two pixels.
    Yuyv,
    /// 4:2:2, packed: U Y0 V Y1 for each two pixels.
    Uyvy,
    /// 4:2:0: a plane of Y, then a plane of U V pairs, one for each 2×2 pixels.
    Nv12,
    /// One byte of luma for each pixel.
    Grey,
    /// R G B for each pixel.
    Rgb3,
    /// B G R for each pixel.
    Bgr3,
    /// A JPEG file for each frame.
    Mjpeg,
}

impl PixelFormat {
    /// All of them: exact pixels before 4:2:2, 4:2:0 and grey, JPEG last.
    pub const ALL: [Self; 7] =
        [Self::Rgb3, Self::Bgr3, Self::Yuyv, Self::Uyvy, Self::Nv12, Self::Grey, Self::Mjpeg];

    /// Its four-character code in V4L2.
    pub const fn fourcc(self) -> [u8; 4] {
        match self {
            Self::Yuyv => *b"YUYV",
            Self::Uyvy => *b"UYVY",
            Self::Nv12 => *b"NV12",
            Self::Grey => *b"GREY",
            Self::Rgb3 => *b"RGB3",
            Self::Bgr3 => *b"BGR3",
            Self::Mjpeg => *b"MJPG",
        }
    }

    /// The format of a four-character code; `JPEG` means the same as `MJPG`.
    pub fn from_fourcc(code: [u8; 4]) -> Option<Self> {
        match &code {
            b"JPEG" => Some(Self::Mjpeg),
            _ => Self::ALL.into_iter().find(|format| format.fourcc() == code),
        }
    }

    /// Bits for a pixel; what JPEG takes isn't known ahead.
    pub const fn bits_per_pixel(self) -> Option<u32> {
        match self {
            Self::Yuyv | Self::Uyvy => Some(16),
            Self::Nv12 => Some(12),
            Self::Grey => Some(8),
            Self::Rgb3 | Self::Bgr3 => Some(24),
            Self::Mjpeg => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Yuyv => "yuyv",
            Self::Uyvy => "uyvy",
            Self::Nv12 => "nv12",
            Self::Grey => "grey",
            Self::Rgb3 => "rgb3",
            Self::Bgr3 => "bgr3",
            Self::Mjpeg => "mjpeg",
        }
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for PixelFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "gray" | "y8" => Ok(Self::Grey),
            "mjpg" | "jpeg" => Ok(Self::Mjpeg),
            "rgb24" => Ok(Self::Rgb3),
            "bgr24" => Ok(Self::Bgr3),
            name => Self::ALL
                .into_iter()
                .find(|format| format.name() == name)
                .ok_or("one of yuyv, uyvy, nv12, grey, rgb3, bgr3, mjpeg"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_read_back() {
        for format in PixelFormat::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
            assert_eq!(PixelFormat::from_fourcc(format.fourcc()), Some(format));
        }
        assert_eq!("MJPG".parse(), Ok(PixelFormat::Mjpeg));
        assert_eq!(PixelFormat::from_fourcc(*b"JPEG"), Some(PixelFormat::Mjpeg));
        assert_eq!(PixelFormat::from_fourcc(*b"H264"), None);
        assert!("h264".parse::<PixelFormat>().is_err());
    }
}
