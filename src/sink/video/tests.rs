//! The sink against scripts that behave as ffmpeg does on a bad day; `tests/files.rs` has the
//! real one.

use super::*;

fn output(width: u32, height: u32) -> Output {
    let frame = Arc::new(Frame::black(width, height));
    Output { input: Arc::clone(&frame), restored: frame }
}

/// A sink whose ffmpeg is that script, which has the file's path in `$out`.
fn sink(folder: &Path, script: &str) -> Video {
    let script = format!("for out; do :; done; out=${{out#file:}}; {script}");
    let program = ["sh", "-c", &script, "ffmpeg"].map(String::from).to_vec();
    let uri = Uri::parse(&format!("file:{}/out.mp4", folder.display())).unwrap();
    let mut sink = Video::new(uri, program, 30.0, Vec::new(), false);
    (sink.stalled, sink.ending) = (Duration::from_millis(300), Duration::from_millis(300));
    sink
}

#[test]
fn all_frames_have_reached_the_file_when_it_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink(folder.path(), "cat > $out");
    sink.ending = Duration::from_secs(30);
    (0..20).for_each(|_| sink.put(&output(64, 48)).unwrap());
    sink.put(&output(32, 24)).unwrap();
    sink.finish().unwrap();
    let bytes = std::fs::metadata(folder.path().join("out.mp4")).unwrap().len();
    assert_eq!(bytes, 21 * 64 * 48 * 3);
    // A second recording has a name of its own.
    sink.put(&output(64, 48)).unwrap();
    sink.finish().unwrap();
    assert!(folder.path().join("out-2.mp4").exists());
    sink.finish().unwrap();
}

#[test]
fn a_child_that_dies_is_an_error_with_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink(folder.path(), "head -c 9300 > $out; echo 'Unknown encoder: x265' >&2; exit 1");
    sink.ending = Duration::from_secs(30);
    let error = (0..1000).find_map(|_| sink.put(&output(64, 48)).err()).unwrap().to_string();
    assert!(error.contains("out.mp4") && error.ends_with("Unknown encoder: x265"), "{error}");
    // So is one that dies at the end of the file.
    let folder = tempfile::tempdir().unwrap();
    let mut sink = self::sink(folder.path(), "cat > /dev/null; echo 'No space left' >&2; exit 1");
    sink.ending = Duration::from_secs(30);
    sink.put(&output(64, 48)).unwrap();
    let error = sink.finish().unwrap_err().to_string();
    assert!(error.ends_with("ffmpeg: No space left"), "{error}");
}

#[test]
fn a_child_that_hangs_blocks_neither_put_nor_finish() {
    let folder = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let mut stalled = sink(folder.path(), "exec sleep 600");
    let error = (0..1000).find_map(|_| stalled.put(&output(640, 480)).err()).unwrap().to_string();
    assert!(error.contains("took no frame for 0.3 s"), "{error}");
    let mut endless = sink(folder.path(), "exec sleep 600");
    endless.put(&output(640, 480)).unwrap();
    let error = endless.finish().unwrap_err().to_string();
    assert!(error.contains("not whole"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(60));
}
