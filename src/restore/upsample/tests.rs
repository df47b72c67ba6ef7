use super::*;
use crate::bundle::Bundle;
use crate::eval::metrics::psnr;
use crate::frame::{Planes, Shrinker, from_rgb8, resize_bicubic};
use crate::restore::{Options, Restorer};
use crate::source::synthetic::{SyntheticConfig, SyntheticSource, Weather};
use crate::vlm::Degradation;
use image::RgbImage;

fn frame_of(rgb: &RgbImage) -> Frame {
    let mut frame = Frame::black(rgb.width(), rgb.height());
    frame.rgb.copy_from_slice(rgb.as_raw());
    frame
}

fn planes_of(frame: &Frame) -> Planes {
    from_rgb8(&RgbImage::from_raw(frame.width, frame.height, frame.rgb.clone()).unwrap())
}

fn road(weather: Weather) -> (Frame, Planes) {
    let config = SyntheticConfig { weather, width: 320, height: 192, ..SyntheticConfig::default() };
    let made = SyntheticSource::new(config).unwrap().next_frame();
    (frame_of(&made.degraded), made.clean)
}

fn half(frame: &Frame) -> Planes {
    let mut low = Planes::zeros((0, 0, 0));
    let (width, height) = (frame.width as usize / 2, frame.height as usize / 2);
    Shrinker::new().shrink(frame, width, height, &mut low).unwrap();
    low
}

fn upsampled(input: &Frame, low: &Planes, restored: &Planes) -> Planes {
    let mut out = Frame::black(0, 0);
    GuidedUpsampler::new().upsample(input, low.view(), restored.view(), &mut out).unwrap();
    planes_of(&out)
}

#[test]
fn what_is_not_restored_comes_out_as_it_went_in() {
    for weather in [Weather::Clear, Weather::Rain, Weather::Noise] {
        let (frame, _) = road(weather);
        let low = half(&frame);
        let gain = psnr(upsampled(&frame, &low, &low).view(), planes_of(&frame).view());
        assert!(gain > 55.0, "{weather}: {gain:.1} dB");
    }
}

#[test]
fn a_gain_and_an_offset_are_carried_to_full_size() {
    let (mut frame, _) = road(Weather::Clear);
    frame.rgb.iter_mut().for_each(|value| *value = 20 + *value / 3);
    let low = half(&frame);
    let brighten = |planes: &Planes| planes.mapv(|value| 2.5 * value - 0.15);
    let expected = brighten(&planes_of(&frame)).mapv(|value| value.clamp(0.0, 1.0));
    let gain = psnr(upsampled(&frame, &low, &brighten(&low)).view(), expected.view());
    assert!(gain > 48.0, "{gain:.1} dB");
}

/// Pixels of a line that rises from 0.2 to 0.8 that are between 10 % and 90 % of the way.
fn rise(line: impl Iterator<Item = f32>) -> usize {
    line.filter(|value| (0.26..0.74).contains(value)).count()
}

#[test]
fn an_edge_stays_sharp_where_bilinear_upsampling_blurs_it() {
    // Between small pixels, so that the small picture holds a grey one.
    let mut frame = Frame::black(64, 32);
    for (i, value) in frame.rgb.iter_mut().enumerate() {
        *value = if (i / 3) % 64 < 31 { 51 } else { 204 };
    }
    let low = half(&frame);
    let sharp = upsampled(&frame, &low, &low);
    let middle = |planes: &Planes| rise((0..64).map(|x| planes[[1, 16, x]]));
    let blurred = Planes::from_shape_fn((3, 32, 64), |(c, y, x)| {
        let ((y, _, _), (left, right, share)) = (neighbours(y, 32, 16), neighbours(x, 64, 32));
        low[[c, y, left]] * (1.0 - share) + low[[c, y, right]] * share
    });
    assert_eq!(middle(&planes_of(&frame)), 0);
    assert_eq!(middle(&sharp), 0);
    assert!(middle(&blurred) >= 2, "{}", middle(&blurred));
}

#[test]
fn weather_that_was_restored_at_half_the_size_is_better_than_its_bicubic_upsampling() {
    let bundle = Bundle::find("nano").unwrap();
    let mut restorer = Restorer::open(&bundle, &Options::default()).unwrap();
    for (weather, task) in [
        (Weather::Rain, "derain"),
        (Weather::Fog, "dehaze"),
        (Weather::Night, "low-light"),
        (Weather::Noise, "denoise"),
    ] {
        let (frame, clean) = road(weather);
        let low = half(&frame);
        let degradation = Degradation::for_task(&bundle, task).unwrap();
        let restored = restorer.restore(low.view(), &degradation).unwrap();
        let bicubic = resize_bicubic(restored.view(), 192, 320).unwrap().mapv(|value| value.clamp(0.0, 1.0));
        let guided = psnr(upsampled(&frame, &low, &restored).view(), clean.view());
        let bicubic = psnr(bicubic.view(), clean.view());
        assert!(guided > bicubic + 0.1, "{weather}: {guided:.2} dB for {bicubic:.2} dB");
    }
}

#[test]
fn sizes_change_from_frame_to_frame_and_memory_stays() {
    let mut upsampler = GuidedUpsampler::new();
    let mut out = Frame::black(0, 0);
    for (width, height, low_width, low_height) in
        [(33, 21, 16, 16), (64, 48, 32, 24), (5, 3, 1, 1), (64, 48, 32, 24), (16, 8, 16, 8)]
    {
        let mut input = Frame::black(width, height);
        input.rgb.fill(100);
        input.sequence = 9;
        let low = Planes::from_elem((3, low_height, low_width), 100.0 / 255.0);
        let restored = Planes::from_elem((3, low_height, low_width), 0.8);
        upsampler.upsample(&input, low.view(), restored.view(), &mut out).unwrap();
        assert_eq!((out.width, out.height, out.sequence), (width, height, 9));
        assert!(out.rgb.iter().all(|&value| value == 204), "{width}x{height}");
    }
    let before = (upsampler.pairs.as_ptr(), upsampler.models.as_ptr(), out.rgb.as_ptr());
    let (input, low) = (Frame::black(64, 48), Planes::zeros((3, 24, 32)));
    upsampler.upsample(&input, low.view(), low.view(), &mut out).unwrap();
    assert_eq!(before, (upsampler.pairs.as_ptr(), upsampler.models.as_ptr(), out.rgb.as_ptr()));
}

#[test]
fn pictures_that_do_not_fit_are_refused() {
    let mut out = Frame::black(0, 0);
    let (frame, low) = (Frame::black(8, 8), Planes::zeros((3, 4, 4)));
    let mut upsample = |frame: &Frame, low: &Planes, restored: &Planes| {
        GuidedUpsampler::new().upsample(frame, low.view(), restored.view(), &mut out)
    };
    assert!(upsample(&frame, &low, &Planes::zeros((3, 4, 5))).is_err());
    assert!(upsample(&frame, &Planes::zeros((3, 0, 4)), &Planes::zeros((3, 0, 4))).is_err());
    assert!(upsample(&Frame::black(0, 0), &low, &low).is_err());
    assert!(upsample(&frame, &Planes::zeros((1, 4, 4)), &Planes::zeros((1, 4, 4))).is_err());
}

#[test]
fn a_correction_carried_over_brightens_the_next_frame_as_its_own_would() {
    let (mut frame, _) = road(Weather::Clear);
    frame.rgb.iter_mut().for_each(|value| *value /= 3);
    let low = half(&frame);
    let mut upsampler = GuidedUpsampler::new();
    let (mut own, mut carried) = (Frame::black(0, 0), Frame::black(0, 0));
    assert!(upsampler.carry_over(&frame, &mut carried).is_err());
    upsampler.upsample(&frame, low.view(), low.mapv(|value| 2.0 * value).view(), &mut own).unwrap();
    upsampler.carry_over(&frame, &mut carried).unwrap();
    assert_eq!(carried.rgb, own.rgb);
    // A lamp that comes into the next frame is brightened by the gain of its place.
    let mut next = frame.clone();
    next.rgb[3 * (40 * 320 + 100)] = 60;
    upsampler.carry_over(&next, &mut carried).unwrap();
    assert!(carried.rgb[3 * (40 * 320 + 100)] > 100);
    assert!(upsampler.carry_over(&Frame::black(64, 48), &mut carried).is_err());
}
