use super::*;
use std::sync::Arc;

fn open(folder: &Path, query: &str) -> Result<Box<dyn Sink>> {
    Pictures::open(Uri::parse(&format!("dir:{}{query}", folder.display()))?)
}

fn output(value: u8) -> Output {
    let mut frame = Frame::black(64, 48);
    frame.rgb.iter_mut().enumerate().for_each(|(i, v)| *v = value.wrapping_add((i * 31 % 97) as u8));
    let frame = Arc::new(frame);
    Output { input: Arc::clone(&frame), restored: frame }
}

/// The pictures there are, and whether anything else is.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != LOCK);
    names.sort();
    names
}

#[test]
fn pictures_are_numbered_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("new/folder");
    let mut sink = open(&folder, "?format=png").unwrap();
    (0..3).for_each(|value| sink.put(&output(value)).unwrap());
    assert_eq!(names(&folder), ["0000000001.png", "0000000002.png", "0000000003.png"]);
    let read = image::open(folder.join("0000000002.png")).unwrap().to_rgb8();
    assert_eq!(read.into_raw(), output(1).restored.rgb);
}

#[test]
fn the_oldest_go_where_the_ring_is_full_and_numbers_go_on_in_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), vec![0; 100_000]).unwrap();
    let mut sink = open(folder.path(), "?format=png").unwrap();
    sink.put(&output(0)).unwrap();
    let one = fs::metadata(folder.path().join("0000000001.png")).unwrap().len();
    drop(sink);
    // Room for three and a half.
    let query = format!("?max={}&format=png", 7 * one / 2);
    let mut sink = open(folder.path(), &query).unwrap();
    (0..5).for_each(|_| sink.put(&output(0)).unwrap());
    let left = ["0000000004.png", "0000000005.png", "0000000006.png", "notes.txt"];
    assert_eq!(names(folder.path()), left);
    drop(sink);
    fs::write(folder.path().join(".vlunet-frame-killed"), b"half").unwrap();
    let mut sink = open(folder.path(), &query).unwrap();
    sink.put(&output(0)).unwrap();
    let left = ["0000000005.png", "0000000006.png", "0000000007.png", "notes.txt"];
    assert_eq!(names(folder.path()), left);
}

#[test]
fn a_picture_that_cannot_be_written_leaves_no_part_and_the_next_one_can() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(folder.path(), "").unwrap();
    sink.put(&output(0)).unwrap();
    let mut huge = Frame::black(0, 0);
    huge.resize(70_000, 1);
    let huge = Arc::new(huge);
    let error = sink.put(&Output { input: Arc::clone(&huge), restored: huge }).unwrap_err().to_string();
    assert!(error.contains("70000"), "{error}");
    sink.put(&output(0)).unwrap();
    assert_eq!(names(folder.path()), ["0000000001.jpg", "0000000002.jpg"]);
    fs::remove_file(folder.path().join("0000000001.jpg")).unwrap();
    drop(sink);
    let error = open(folder.path(), "?max=100B").unwrap().put(&output(0)).unwrap_err().to_string();
    assert!(error.contains("max="), "{error}");
}

#[test]
fn mistakes_are_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path(), "").unwrap();
    for (query, said) in [
        ("", "another program"),
        ("?max=lots", "512MiB"),
        ("?format=gif", "jpg or png"),
        ("?quality=0", "1 to 100"),
        ("?format=png&quality=3", "png has no quality"),
        ("?size=3", "max, format, quality"),
    ] {
        let Err(error) = open(folder.path(), query) else { panic!("{query} was taken") };
        let message = error.to_string();
        assert!(message.contains(said) && message.lines().count() == 1, "{query}: {message}");
    }
    let Err(error) = Pictures::open(Uri::parse("dir:").unwrap()) else { panic!("no folder") };
    assert!(error.to_string().contains("names no folder"), "{error}");
}

/// Runs the ignored test below in a process that may write no file over 8 blocks: what a full
/// disk does to a write, without a disk to fill.
#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_that_leaves_no_part() {
    let folder = tempfile::tempdir().unwrap();
    let status = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "sink::pictures::tests::writes_until_the_disk_is_full"])
        .env("VLUNET_TEST_FOLDER", folder.path())
        .stdout(std::process::Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&status.stdout);
    assert!(status.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(names(folder.path()), ["0000000001.png", "0000000002.png"]);
}

#[cfg(unix)]
#[test]
#[ignore = "run by the test above, under a limit"]
fn writes_until_the_disk_is_full() {
    let folder = PathBuf::from(std::env::var_os("VLUNET_TEST_FOLDER").unwrap());
    let mut sink = open(&folder, "?format=png").unwrap();
    let small = Arc::new(Frame::black(8, 8));
    let small = Output { input: Arc::clone(&small), restored: small };
    sink.put(&small).unwrap();
    // Noise doesn't compress: far over the limit.
    let mut noise = Frame::black(200, 200);
    noise.rgb.iter_mut().enumerate().for_each(|(i, v)| *v = (i.wrapping_mul(2_654_435_761) >> 11) as u8);
    let noise = Arc::new(noise);
    let error = sink.put(&Output { input: Arc::clone(&noise), restored: noise }).unwrap_err().to_string();
    assert!(error.starts_with("cannot write") && error.contains("0000000002.png"), "{error}");
    sink.put(&small).unwrap();
}
