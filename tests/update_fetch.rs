//! Bundles are fetched from a server that breaks off, changes its mind, or serves nonsense.
#![cfg(all(unix, feature = "fetch"))]

#[path = "support/bundle.rs"]
mod bundle;
#[path = "support/file_server.rs"]
mod file_server;
#[path = "support/update.rs"]
mod update;

use file_server::FileServer;
use std::time::Duration;
use update::{Device, options};
use vlunet::update::Options;
use vlunet::update::fetch::{Limits, Outcome, Patience, fetch};

fn limits() -> Limits {
    let patience = Patience {
        connect: Duration::from_secs(5),
        silence: Duration::from_secs(5),
        attempts: 3,
        pause: Duration::from_millis(1),
    };
    Limits { patience, ..Limits::default() }
}

fn fetch_with(device: &Device, url: &str, options: &Options, limits: &Limits) -> vlunet::Result<Outcome> {
    fetch(url, &device.store(), &device.keys(), options, limits, &mut |_| {})
}

fn installed(device: &Device, server: &FileServer) {
    let outcome = fetch_with(device, &server.url(), &options(), &limits()).unwrap();
    assert!(matches!(outcome, Outcome::Installed(_)), "{outcome:?}");
}

fn unchanged(device: &Device, server: &FileServer) {
    let outcome = fetch_with(device, &server.url(), &options(), &limits()).unwrap();
    assert!(matches!(outcome, Outcome::Unchanged), "{outcome:?}");
}

fn refused(device: &Device, server: &FileServer, parts: &[&str]) {
    let message = fetch_with(device, &server.url(), &options(), &limits()).unwrap_err().to_string();
    assert!(message.lines().count() == 1, "{message}");
    for part in parts {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

/// A device, and a server that has its version 1.0.0.
fn both() -> (Device, FileServer) {
    let device = Device::new();
    let server = FileServer::new(std::fs::read(device.signed("1.0.0")).unwrap());
    (device, server)
}

fn serve(device: &Device, server: &FileServer, version: &str) {
    let bytes = std::fs::read(device.signed(version)).unwrap();
    server.change(|served| (served.bytes, served.etag) = (bytes, Some(format!("\"{version}\""))));
}

#[test]
fn a_version_is_fetched_once() {
    let (device, server) = both();
    installed(&device, &server);
    assert_eq!(device.version(), "1.0.0");
    assert_eq!(server.requests(), ["GET /models/tiny.vlu HTTP/1.1"]);
    for _ in 0..2 {
        unchanged(&device, &server);
        assert_eq!(server.requests(), ["GET /models/tiny.vlu HTTP/1.1 if-none-match=\"one\""]);
    }
    serve(&device, &server, "2.0.0");
    installed(&device, &server);
    assert_eq!(device.version(), "2.0.0");
    // Nothing but notes stays of a download.
    let left = device.listing().into_iter().filter(|path| path.contains("part.vlu")).count();
    assert_eq!(left, 0);
}

#[test]
fn a_bundle_that_has_rotted_is_fetched_again() {
    let (device, server) = both();
    installed(&device, &server);
    let slot = device.slot();
    let entry = slot.confirm().unwrap();
    unchanged(&device, &server);
    server.requests();
    let file = slot.path_of(&entry).join("restorer.f32.onnx");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, bytes).unwrap();
    installed(&device, &server);
    assert_eq!(server.requests(), ["GET /models/tiny.vlu HTTP/1.1"]);
    assert_eq!((device.version(), slot.current()), ("1.0.0".into(), Some(entry)));
    unchanged(&device, &server);
}

#[test]
fn a_connection_that_breaks_off_is_gone_on_with() {
    let (device, server) = both();
    let size = server_size(&server);
    server.change(|served| served.cut = Some(size / 4));
    installed(&device, &server);
    let requests = server.requests();
    assert_eq!(requests.len(), size.div_ceil(size / 4), "{requests:?}");
    for (index, request) in requests.iter().enumerate().skip(1) {
        let from = index * (size / 4);
        assert!(request.contains(&format!("range=bytes={from}- if-range=\"one\"")), "{request}");
    }
}

fn server_size(server: &FileServer) -> usize {
    let mut size = 0;
    server.change(|served| size = served.bytes.len());
    size
}

#[test]
fn a_download_goes_on_at_the_next_call() {
    let (device, server) = both();
    let half = server_size(&server) / 2;
    // It brings half, and half again from the beginning.
    server.change(|served| (served.cut, served.ranges) = (Some(half), false));
    let left = format!("{half} bytes are here, and the next fetch goes on from there");
    refused(&device, &server, &["the connection ended", "3 times in a row", &left]);
    server.requests();
    server.change(|served| (served.cut, served.ranges) = (None, true));
    installed(&device, &server);
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].contains(&format!("range=bytes={half}- if-range=\"one\"")), "{requests:?}");
}

#[test]
fn another_file_under_the_same_name_is_begun_anew() {
    let (device, server) = both();
    let size = server_size(&server);
    // A part of the first is here when the server gets the second.
    server.change(|served| (served.cut, served.ranges) = (Some(size / 2), false));
    refused(&device, &server, &["the connection ended", "times in a row"]);
    server.change(|served| (served.cut, served.ranges) = (None, true));
    serve(&device, &server, "2.0.0");
    server.requests();
    installed(&device, &server);
    assert!(server.requests()[0].contains("if-range=\"one\""));
    assert_eq!(device.version(), "2.0.0");
}

#[test]
fn a_part_that_a_disk_has_lost_is_not_blamed_on_the_bundle() {
    let (device, server) = both();
    let half = server_size(&server) / 2;
    server.change(|served| (served.cut, served.ranges) = (Some(half), false));
    refused(&device, &server, &["the connection ended"]);
    server.change(|served| (served.cut, served.ranges) = (None, true));
    // What lost its power may keep a file's length, and zeros in it.
    let part = device.listing().into_iter().find(|path| path.contains("part.vlu")).unwrap();
    let mut bytes = std::fs::read(part.trim_end()).unwrap();
    bytes[half / 4..].fill(0);
    std::fs::write(part.trim_end(), bytes).unwrap();
    refused(&device, &server, &["bundle http", "/models/tiny.vlu"]);
    server.requests();
    installed(&device, &server);
    assert_eq!(server.requests(), ["GET /models/tiny.vlu HTTP/1.1"]);
}

#[test]
fn a_server_without_versions_or_with_weak_ones_is_fetched_whole() {
    for etag in [None, Some("W/\"weak\"".to_owned())] {
        let (device, server) = both();
        let size = server_size(&server);
        server.change(|served| (served.etag, served.cut) = (etag.clone(), Some(size / 2)));
        refused(&device, &server, &["the connection ended"]);
        assert!(server.requests().iter().all(|request| !request.contains(" range=")));
        server.change(|served| served.cut = None);
        installed(&device, &server);
        // Without a version it can't be told that nothing is new; the store can.
        let again = fetch_with(&device, &server.url(), &options(), &limits()).unwrap();
        match (again, etag) {
            (Outcome::Installed(report), None) => assert!(report.already),
            (Outcome::Unchanged, Some(_)) => {}
            (outcome, etag) => panic!("{etag:?}: {outcome:?}"),
        }
    }
}

#[test]
fn a_refused_bundle_is_not_fetched_again() {
    let (device, server) = both();
    installed(&device, &server);
    let mut bytes = std::fs::read(device.signed("2.0.0")).unwrap();
    let middle = bytes.len() - 3000;
    bytes[middle] ^= 1;
    server.change(|served| (served.bytes, served.etag) = (bytes, Some("\"bad\"".into())));
    refused(&device, &server, &["not the file that the manifest describes"]);
    server.requests();
    refused(&device, &server, &["the server still has the bundle that was refused", "not the file"]);
    assert_eq!(server.requests(), ["GET /models/tiny.vlu HTTP/1.1 if-none-match=\"bad\""]);
    assert_eq!(device.version(), "1.0.0");
    // Until it has another; or by force.
    serve(&device, &server, "2.0.1");
    installed(&device, &server);
    assert_eq!(device.version(), "2.0.1");
    let forced = Options { force: true, ..options() };
    let again = fetch_with(&device, &server.url(), &forced, &limits()).unwrap();
    assert!(matches!(again, Outcome::Installed(report) if report.already));
}

#[test]
fn what_is_no_bundle_or_too_much_of_one_is_refused() {
    let (device, server) = both();
    for status in ["404 Not Found", "403 Forbidden", "410 Gone"] {
        server.change(|served| served.status = Some(status));
        server.requests();
        refused(&device, &server, &[&status[..3], "tiny.vlu"]);
        assert_eq!(server.requests().len(), 1, "asking again is of no use");
    }
    server.change(|served| served.status = Some("500 Internal Server Error"));
    refused(&device, &server, &["500", "3 times in a row"]);
    server.change(|served| served.status = None);
    server.change(|served| served.bytes = b"<html>please log in</html>".to_vec());
    refused(&device, &server, &["/models/tiny.vlu", "no .vlu file"]);
    serve(&device, &server, "1.0.0");
    let small = Limits { bytes: 1000, ..limits() };
    let message = fetch_with(&device, &server.url(), &options(), &small).unwrap_err().to_string();
    assert!(message.contains("1000 bytes"), "{message}");
    server.change(|served| served.claims = Some(1 << 50));
    refused(&device, &server, &["larger"]);
    assert!(device.listing().iter().all(|path| !path.contains("part.vlu")));
    assert_eq!(device.slot().current(), None);
}

#[test]
fn what_may_pass_the_next_time_is_not_fetched_again() {
    let (device, server) = both();
    let strict = Options { max_time: Some(Duration::from_nanos(1)), ..options() };
    let message = fetch_with(&device, &server.url(), &strict, &limits()).unwrap_err().to_string();
    assert!(message.contains("too slow here"), "{message}");
    server.requests();
    installed(&device, &server);
    let requests = server.requests();
    assert!(requests.len() == 1 && requests[0].contains(" range=bytes="), "{requests:?}");
    assert_eq!(device.version(), "1.0.0");
}

#[test]
fn a_redirect_is_followed_and_a_circle_is_left() {
    let (device, server) = both();
    let door = FileServer::new(Vec::new());
    door.change(|served| served.moved = Some(server.url()));
    installed(&device, &door);
    door.change(|served| served.moved = Some("/models/tiny.vlu".into()));
    refused(&device, &door, &["tiny.vlu", "redirect"]);
}

#[test]
fn nobody_who_listens_and_no_key_are_said() {
    let (device, server) = both();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://me:secret@{closed}/tiny.vlu?token=secret");
    let message = fetch_with(&device, &url, &options(), &limits()).unwrap_err().to_string();
    assert!(message.contains(&closed.to_string()) && !message.contains("secret"), "{message}");
    std::fs::remove_dir_all(device.path("keys")).unwrap();
    refused(&device, &server, &["no key"]);
    assert!(server.requests().is_empty(), "nothing is fetched that nobody can check");
}

#[test]
fn https_to_a_stranger_is_refused_with_a_word_on_the_clock() {
    let (device, server) = both();
    // It speaks no TLS at all.
    let url = server.url().replace("http:", "https:");
    let message = fetch_with(&device, &url, &options(), &limits()).unwrap_err().to_string();
    assert!(message.starts_with("https://127.0.0.1") && message.lines().count() == 1, "{message}");
}
