//! Clips, pictures and pipes as sources and sinks, with the real ffmpeg where it is installed.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vlunet::frame::{Frame, FramePool};
use vlunet::sink::{self, Output};
use vlunet::source::{self, Event, Source};
use vlunet::telemetry::Telemetry;

const PATIENCE: Duration = Duration::from_secs(60);

/// Whether ffmpeg is there; says so where it isn't, for the test to end.
fn ffmpeg_is_there() -> bool {
    let there = Command::new("ffmpeg").arg("-version").output().is_ok();
    if !there {
        eprintln!("skipped: ffmpeg is not installed");
    }
    there
}

/// A frame that is `shade` all over, but for a brighter square.
fn output(width: u32, height: u32, shade: u8) -> Output {
    let mut frame = Frame::black(width, height);
    for (i, pixel) in frame.rgb.chunks_exact_mut(3).enumerate() {
        let (x, y) = (i as u32 % width, i as u32 / width);
        let square = (width / 4..width / 2).contains(&x) && (height / 4..height / 2).contains(&y);
        pixel.copy_from_slice(&[shade, shade / 2, 255 - shade].map(|v| if square { v / 2 + 100 } else { v }));
    }
    let frame = Arc::new(frame);
    Output { input: Arc::clone(&frame), restored: frame }
}

fn record(uri: &str, outputs: &[Output]) -> vlunet::Result<()> {
    let mut sink = sink::open(uri, 25.0, &Arc::new(Telemetry::default()))?;
    outputs.iter().try_for_each(|output| sink.put(output))?;
    sink.finish()
}

fn frames(source: &mut dyn Source, most: usize) -> vlunet::Result<Vec<Arc<Frame>>> {
    let pool = FramePool::default();
    let mut frames = Vec::new();
    while frames.len() < most {
        match source.next(&pool, PATIENCE)? {
            Event::Frame(frame) => frames.push(frame),
            Event::Nothing => panic!("nothing came"),
            Event::End => break,
        }
    }
    Ok(frames)
}

fn uri(folder: &Path, file: &str) -> String {
    format!("file:{}/{file}", folder.display())
}

fn mean_difference(a: &Frame, b: &Frame) -> f64 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let sum: u64 = a.rgb.iter().zip(&b.rgb).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.rgb.len() as f64
}

#[test]
fn a_recorded_clip_plays_back() {
    if !ffmpeg_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shades: Vec<Output> = (0..12).map(|i| output(128, 96, 20 * i)).collect();
    record(&uri(folder.path(), "out.mp4?crf=4&preset=ultrafast"), &shades).unwrap();
    let mut clip = source::open(&uri(folder.path(), "out.mp4")).unwrap();
    assert_eq!((clip.fps(), clip.is_live()), (Some(25.0), false));
    assert!(clip.describe().contains("128x96"), "{}", clip.describe());
    let read = frames(clip.as_mut(), 99).unwrap();
    assert_eq!(read.len(), 12);
    for (index, (read, written)) in read.iter().zip(&shades).enumerate() {
        assert_eq!(read.sequence, index as u64);
        let difference = mean_difference(read, &written.restored);
        assert!(difference < 4.0, "frame {index} is off by {difference}");
    }
    // Endless, and at its own rate.
    let mut ring = source::open(&uri(folder.path(), "out.mp4?loop=1&realtime=1")).unwrap();
    assert!(ring.is_live());
    let begin = Instant::now();
    assert_eq!(frames(ring.as_mut(), 20).unwrap().len(), 20);
    assert!(begin.elapsed() >= Duration::from_millis(18 * 40), "{:?}", begin.elapsed());
}

#[test]
fn odd_sizes_and_a_change_of_size_are_recorded() {
    if !ffmpeg_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let outputs = [output(63, 47, 50), output(126, 94, 50), output(63, 47, 50)];
    record(&uri(folder.path(), "odd.mkv"), &outputs).unwrap();
    let read = frames(source::open(&uri(folder.path(), "odd.mkv")).unwrap().as_mut(), 99).unwrap();
    assert_eq!(read.len(), 3);
    assert_eq!((read[1].width, read[1].height), (64, 48));
    assert!(mean_difference(&read[0], &read[1]) < 6.0);
}

#[test]
fn what_ffmpeg_does_not_like_is_one_line_with_its_reason() {
    if !ffmpeg_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("text.mp4"), "no video").unwrap();
    record(&uri(folder.path(), "whole.mp4"), &[output(64, 48, 0)]).unwrap();
    let whole = std::fs::read(folder.path().join("whole.mp4")).unwrap();
    std::fs::write(folder.path().join("cut.mp4"), &whole[..whole.len() / 2]).unwrap();
    for (file, said) in [
        ("text.mp4", "Invalid data"),
        ("cut.mp4", "Invalid data"),
        ("none.mp4", "No such file"),
        (".", "dir:"),
        ("text.mp4?speed=2", "loop, realtime"),
        ("text.mp4?loop=maybe", "0 or 1"),
    ] {
        let Err(error) = source::open(&uri(folder.path(), file)) else { panic!("{file} was taken") };
        let message = error.to_string();
        assert!(message.contains(said) && message.lines().count() == 1, "{file}: {message}");
    }
    for (file, said) in [
        ("out.nonsense", "nonsense"),
        ("out.mp4?codec=nonsense", "nonsense"),
        ("none/out.mp4", "folder that is there"),
        ("out", "names no file"),
        ("out.mp4?crf=best", "0 (lossless)"),
    ] {
        let message = record(&uri(folder.path(), file), &[output(64, 48, 0)]).unwrap_err().to_string();
        assert!(message.contains(said) && message.lines().count() == 1, "{file}: {message}");
    }
}

#[test]
fn an_unknown_scheme_is_told_of_those_there_are() {
    let Err(error) = source::open("ftp:clip.mp4") else { panic!("ftp was taken") };
    assert!(error.to_string().contains("synthetic:, v4l2: (Linux), file:, dir:"), "{error}");
    let Err(error) = sink::open("ftp:clip.mp4", 30.0, &Arc::default()) else { panic!("ftp was taken") };
    assert!(error.to_string().contains("dir:, file:, -"), "{error}");
}

/// Run by the test below in a process whose standard streams it holds.
#[test]
#[ignore = "run by another test, with pipes"]
fn copies_standard_input_to_standard_output() {
    let mut sink = sink::open("-", 25.0, &Arc::default()).unwrap();
    // Opened anew, as the loop does behind a fault, it goes on where it was.
    for most in [1, usize::MAX] {
        let mut source = source::open("-").unwrap();
        assert!(source::open("-").is_err());
        for frame in frames(source.as_mut(), most).unwrap() {
            sink.put(&Output { input: Arc::clone(&frame), restored: frame }).unwrap();
        }
        assert_eq!((source.is_live(), source.fps()), (false, Some(25.0)));
    }
    sink.finish().unwrap();
}

#[test]
fn video_goes_through_the_standard_streams() {
    use std::io::{Read, Write};
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "copies_standard_input_to_standard_output"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut video = b"YUV4MPEG2 W16 H8 F25:1 C420jpeg\n".to_vec();
    for luma in [40, 80, 120] {
        video.extend_from_slice(b"FRAME\n");
        video.extend(std::iter::repeat_n(luma, 128));
        video.extend(std::iter::repeat_n(128, 64));
    }
    stdin.write_all(&video).unwrap();
    drop(stdin);
    let mut said = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
    assert!(child.wait().unwrap().success());
    // The test harness writes to the same stream, before and after.
    let begin = said.windows(9).position(|bytes| bytes == b"YUV4MPEG2").unwrap();
    let mut copied = source::y4m::Y4mReader::open(&said[begin..], 1 << 16).unwrap();
    assert_eq!((copied.size(), copied.fps()), ((16, 8), Some(25.0)));
    let mut frame = Frame::black(0, 0);
    for luma in [40, 80, 120] {
        assert!(copied.read(&mut frame).unwrap());
        let expected = ((luma - 16) * 255 + 109) / 219;
        assert!(frame.rgb.iter().all(|&value| i32::from(value).abs_diff(expected) <= 1), "{}", frame.rgb[0]);
    }
}
