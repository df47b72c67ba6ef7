//! Which of the formats, sizes and rates that a camera offers is taken.

use super::formats::FormatInfo;
use crate::frame::{Colour, Layout, PixelFormat};

/// The size that is looked for where none is asked for.
const SIZE: [u32; 2] = [640, 480];
/// Frames per second that are looked for where none are asked for.
const FPS: f64 = 30.0;
/// A rate counts as reached from this share on: 29.97 is as good as 30.
const REACHED: f64 = 0.99;

/// The best first: exact colours, then less and less chroma; JPEG before grey, which has none.
const PREFERENCE: [PixelFormat; 7] = [
    PixelFormat::Rgb3,
    PixelFormat::Bgr3,
    PixelFormat::Yuyv,
    PixelFormat::Uyvy,
    PixelFormat::Nv12,
    PixelFormat::Mjpeg,
    PixelFormat::Grey,
];

/// What a user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    pub format: Option<PixelFormat>,
    pub size: Option<(u32, u32)>,
    pub fps: Option<f64>,
}

/// What is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Choice {
    pub format: PixelFormat,
    pub size: [u32; 2],
    /// `None` where the device lists no rates.
    pub fps: Option<f64>,
}

/// Takes the format and size asked for, or the nearest to 640x480; then an uncompressed format
/// that reaches the rate, or JPEG, or whatever is fastest.
///
/// # Errors
/// One line that lists what there is, where what was asked for isn't among it.
pub(crate) fn choose(offers: &[FormatInfo], wanted: &Wanted) -> Result<Choice, String> {
    let size = wanted.size.map_or(SIZE, |(width, height)| [width, height]);
    let fps = wanted.fps.unwrap_or(FPS);
    if offers.is_empty() {
        // The driver lists nothing; setting the format shows what it can.
        return Ok(Choice { format: wanted.format.unwrap_or(PixelFormat::Yuyv), size, fps: wanted.fps });
    }
    let mut choices = Vec::new();
    for offer in offers {
        let Some(format) = offer.format.filter(|format| wanted.format.is_none_or(|w| w == *format)) else {
            continue;
        };
        if offer.sizes.is_empty() {
            choices.push(Choice { format, size, fps: wanted.fps });
        }
        choices.extend(offer.sizes.iter().map(|sizes| Choice {
            format,
            size: sizes.nearest(size),
            fps: sizes.nearest_fps(fps),
        }));
    }
    choices.retain(|choice| {
        let [width, height] = choice.size;
        let sound = Layout::new(choice.format, width, height, 0, Colour::WEBCAM).is_ok();
        sound && (wanted.size.is_none() || choice.size == size)
    });
    let distance = |c: &Choice| {
        (f64::from(c.size[0]) / f64::from(size[0])).ln().abs()
            + (f64::from(c.size[1]) / f64::from(size[1])).ln().abs()
    };
    // What falls short by least comes first; 0 for what doesn't.
    let shortfall = |c: &Choice| c.fps.filter(|f| *f < REACHED * fps).map_or(0.0, |f| fps - f);
    let rank = |c: &Choice| PREFERENCE.iter().position(|format| *format == c.format);
    choices
        .into_iter()
        .min_by(|a, b| {
            let size = distance(a).total_cmp(&distance(b));
            size.then(shortfall(a).total_cmp(&shortfall(b))).then(rank(a).cmp(&rank(b)))
        })
        .ok_or_else(|| unavailable(offers, wanted))
}

fn unavailable(offers: &[FormatInfo], wanted: &Wanted) -> String {
    let asked = [wanted.size.map(|(w, h)| format!("{w}x{h}")), wanted.format.map(|f| f.to_string())];
    let asked: Vec<_> = asked.into_iter().flatten().collect();
    let listed: Vec<_> = offers
        .iter()
        .map(|offer| match (&offer.format, offer.sizes.is_empty()) {
            (None, _) => format!("{} (not read by vlunet)", offer.fourcc),
            (Some(format), true) => format.to_string(),
            (Some(format), false) => {
                let sizes: Vec<_> = offer.sizes.iter().map(ToString::to_string).collect();
                format!("{format} {}", sizes.join(", "))
            }
        })
        .collect();
    let asked =
        if asked.is_empty() { "no format that is read".into() } else { format!("no {}", asked.join(" ")) };
    format!("{asked}; there is {}", listed.join("; "))
}

#[cfg(test)]
mod tests {
    use super::super::formats::SizeInfo;
    use super::super::formats::tests::format;
    use super::*;

    const VGA: [u32; 2] = [640, 480];
    const HD: [u32; 2] = [1280, 720];

    /// A common webcam: YUYV, slow at HD for want of USB bandwidth; JPEG at full rate.
    fn webcam() -> Vec<FormatInfo> {
        vec![
            format(PixelFormat::Mjpeg, &[(HD, &[30.0]), (VGA, &[30.0]), ([640, 360], &[30.0])]),
            format(PixelFormat::Yuyv, &[(VGA, &[30.0, 15.0]), (HD, &[10.0, 5.0])]),
        ]
    }

    fn chosen(offers: &[FormatInfo], wanted: Wanted) -> (PixelFormat, [u32; 2], Option<f64>) {
        let Choice { format, size, fps } = choose(offers, &wanted).unwrap();
        (format, size, fps)
    }

    #[test]
    fn uncompressed_is_taken_where_it_reaches_the_rate_and_jpeg_elsewhere() {
        let wanted = Wanted::default();
        assert_eq!(chosen(&webcam(), wanted), (PixelFormat::Yuyv, VGA, Some(30.0)));
        let hd = Wanted { size: Some((1280, 720)), ..wanted };
        assert_eq!(chosen(&webcam(), hd), (PixelFormat::Mjpeg, HD, Some(30.0)));
        let slow = Wanted { fps: Some(10.0), ..hd };
        assert_eq!(chosen(&webcam(), slow), (PixelFormat::Yuyv, HD, Some(10.0)));
        let only = Wanted { size: Some((640, 360)), ..wanted };
        assert_eq!(chosen(&webcam(), only), (PixelFormat::Mjpeg, [640, 360], Some(30.0)));
        // Neither reaches it: the faster one.
        let fast = Wanted { fps: Some(120.0), ..hd };
        assert_eq!(chosen(&webcam(), fast), (PixelFormat::Mjpeg, HD, Some(30.0)));
        let forced = Wanted { format: Some(PixelFormat::Yuyv), ..hd };
        assert_eq!(chosen(&webcam(), forced), (PixelFormat::Yuyv, HD, Some(10.0)));
    }

    #[test]
    fn colour_is_worth_more_than_being_uncompressed() {
        let offers =
            [format(PixelFormat::Grey, &[(VGA, &[30.0])]), format(PixelFormat::Mjpeg, &[(VGA, &[29.97])])];
        assert_eq!(chosen(&offers, Wanted::default()).0, PixelFormat::Mjpeg);
        assert_eq!(chosen(&offers[..1], Wanted::default()).0, PixelFormat::Grey);
    }

    #[test]
    fn ranges_give_the_size_and_rate_asked_for() {
        let mut offer = format(PixelFormat::Nv12, &[]);
        offer.sizes = vec![SizeInfo {
            min: [64, 64],
            max: [3280, 2464],
            step: [2, 2],
            fps: vec![120.0, 1.0],
            any_fps: true,
        }];
        let wanted = Wanted { size: Some((640, 360)), fps: Some(25.0), format: None };
        assert_eq!(chosen(&[offer.clone()], wanted), (PixelFormat::Nv12, [640, 360], Some(25.0)));
        // Odd sizes have no 4:2:0.
        offer.sizes[0].step = [1, 1];
        let odd = Wanted { size: Some((641, 360)), ..wanted };
        assert!(
            choose(&[offer], &odd).unwrap_err().starts_with("no 641x360; there is nv12 64x64 to 3280x2464")
        );
    }

    #[test]
    fn what_a_driver_does_not_list_is_tried() {
        let wanted = Wanted { size: Some((640, 360)), fps: Some(25.0), format: None };
        assert_eq!(chosen(&[], wanted), (PixelFormat::Yuyv, [640, 360], Some(25.0)));
        let bare = [format(PixelFormat::Rgb3, &[])];
        assert_eq!(chosen(&bare, wanted), (PixelFormat::Rgb3, [640, 360], Some(25.0)));
    }

    #[test]
    fn what_there_is_is_listed_where_the_wish_is_not_among_it() {
        let mut offers = webcam();
        offers.push(FormatInfo { fourcc: "H264".into(), format: None, ..offers[0].clone() });
        let wanted = Wanted { size: Some((800, 600)), ..Wanted::default() };
        let said = choose(&offers, &wanted).unwrap_err();
        assert_eq!(
            said,
            "no 800x600; there is mjpeg 1280x720, 640x480, 640x360; yuyv 640x480, 1280x720; \
             H264 (not read by vlunet)"
        );
        let said = choose(&offers[2..], &Wanted::default()).unwrap_err();
        assert_eq!(said, "no format that is read; there is H264 (not read by vlunet)");
    }
}
