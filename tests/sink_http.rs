//! The HTTP sink as browsers, scripts and strangers meet it.

mod support {
    pub mod http;
}

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};
use support::http::{Parts, connect, exchange, get, request};
use vlunet::frame::{Frame, FramePool};
use vlunet::sink::{self, Output, Sink};
use vlunet::source::synthetic::{SyntheticConfig, SyntheticSource};
use vlunet::telemetry::{State, Telemetry};

const TOKEN: &str = "a-token.of_this~test";

/// Held for writing by tests that count the process's threads and files.
static ALONE: RwLock<()> = RwLock::new(());

/// A sink, and the road that is shown in it.
struct Show {
    sink: Box<dyn Sink>,
    telemetry: Arc<Telemetry>,
    address: SocketAddr,
    drive: SyntheticSource,
    pool: FramePool,
}

impl Show {
    fn open() -> Self {
        Self::at("http://127.0.0.1:0")
    }

    fn at(uri: &str) -> Self {
        Self::of(uri, "road?weather=fog&size=160x90")
    }

    fn of(uri: &str, road: &str) -> Self {
        let telemetry = Arc::new(Telemetry::default());
        let sink = sink::open(uri, 30.0, &telemetry).unwrap();
        let described = sink.describe();
        let port = described.rsplit_once(':').unwrap().1.parse().unwrap();
        let drive = SyntheticSource::new(SyntheticConfig::from_uri(road).unwrap()).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self { sink, telemetry, address, drive, pool: FramePool::default() }
    }

    /// The next frame; "restored" is the clean picture, so that the two differ.
    fn next(&mut self) -> Output {
        let made = self.drive.next_frame();
        let (width, height) = made.degraded.dimensions();
        let make = |rgb: &[u8]| {
            let frame = self.pool.make(width, height, |frame| {
                frame.rgb.copy_from_slice(rgb);
                (frame.sequence, frame.captured) = (made.index, Instant::now());
                Ok(())
            });
            frame.unwrap()
        };
        let clean = vlunet::frame::to_rgb8(made.clean.view());
        Output { input: make(made.degraded.as_raw()), restored: make(clean.as_raw()) }
    }

    fn put(&mut self) -> Output {
        let output = self.next();
        self.sink.put(&output).unwrap();
        output
    }

    /// Puts frames until `work`, on another thread, is done; gives what it gave and the frames.
    fn during<T: Send>(&mut self, work: impl FnOnce(SocketAddr) -> T + Send) -> (T, Vec<Output>) {
        let address = self.address;
        std::thread::scope(|scope| {
            let working = scope.spawn(move || work(address));
            let mut shown = Vec::new();
            while !working.is_finished() {
                shown.push(self.put());
                std::thread::sleep(Duration::from_millis(10));
            }
            (working.join().unwrap(), shown)
        })
    }
}

/// Mean difference of a JPEG and the frame that it should show, in 8-bit steps.
fn difference(jpeg: &[u8], frame: &Frame) -> f64 {
    let picture = image::load_from_memory(jpeg).unwrap().to_rgb8();
    assert_eq!(picture.dimensions(), (frame.width, frame.height));
    let sum: f64 = picture.iter().zip(&frame.rgb).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    sum / frame.rgb.len() as f64
}

/// What JPEG of quality 80 may change of so small a picture; fog changes several times as much.
const JPEG_LOSS: f64 = 6.0;

fn of_number(shown: &[Output], number: u64) -> &Output {
    shown.iter().find(|output| output.input.sequence == number).expect("a frame that was shown")
}

#[test]
fn streams_show_each_their_picture_of_the_frame_that_they_name() {
    let _shared = ALONE.read();
    let mut show = Show::open();
    for (path, expected) in [
        ("/input.mjpg", &["input"][..]),
        ("/restored.mjpg", &["restored"]),
        ("/both.mjpg", &["input", "restored"]),
    ] {
        let (parts, shown) = show.during(|address| {
            let mut parts = Parts::of(address, path);
            (0..6).map(|_| parts.next().unwrap()).collect::<Vec<_>>()
        });
        for (part, name) in parts.iter().zip(expected.iter().cycle()) {
            assert_eq!(part.picture, *name, "{path}");
            let output = of_number(&shown, part.frame);
            let (right, wrong) = match part.picture.as_str() {
                "input" => (&output.input, &output.restored),
                _ => (&output.restored, &output.input),
            };
            let (right, wrong) = (difference(&part.jpeg, right), difference(&part.jpeg, wrong));
            assert!(right < JPEG_LOSS && wrong > 3.0 * right, "{path}: {right:.1}, {wrong:.1}");
        }
        let numbers: Vec<u64> = parts.iter().map(|part| part.frame).collect();
        assert!(numbers.is_sorted() && numbers[0] < numbers[5], "{path}: {numbers:?}");
    }
}

#[test]
fn a_snapshot_is_the_next_frame() {
    let _shared = ALONE.read();
    let mut show = Show::open();
    let ((restored, input), shown) =
        show.during(|address| (get(address, "/snapshot.jpg"), get(address, "/snapshot.jpg?input")));
    for (answer, picture) in [(restored, "restored"), (input, "input")] {
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/jpeg")));
        let name = answer.header("content-disposition").unwrap();
        let number = name.trim_start_matches("inline; filename=\"frame-").trim_end_matches(".jpg\"");
        let output = of_number(&shown, number.parse().unwrap());
        let frame = if picture == "input" { &output.input } else { &output.restored };
        let difference = difference(&answer.body, frame);
        assert!(difference < JPEG_LOSS, "{picture}: {difference:.1}");
    }
    assert_eq!(get(show.address, "/snapshot.jpg").status, 503, "no frame comes any more");
}

#[test]
fn programs_read_the_state() {
    let _shared = ALONE.read();
    let mut show = Show::open();
    show.telemetry.update(|status| {
        (status.state, status.frames_in, status.frames_out) = (State::Restoring, 12, 11);
        status.detected.label = "image with rain".into();
    });
    show.put();
    let status = get(show.address, "/api/status");
    assert_eq!(status.header("content-type"), Some("application/json"));
    let status = status.json();
    assert_eq!((&status["state"], &status["frames_out"]), (&"restoring".into(), &11.into()));
    assert_eq!(status["detected"]["label"], "image with rain");

    let metrics = get(show.address, "/metrics");
    assert!(metrics.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(metrics.text().contains("\nvlunet_frames_in_total 12\n"), "{}", metrics.text());

    let history = get(show.address, "/api/history").json();
    assert_eq!(history["step_ms"], 500);
    assert!(history["mean_ms"].as_array().unwrap().iter().any(|age| age.as_f64().is_some()));

    let page = get(show.address, "/");
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    let policy = page.header("content-security-policy").unwrap();
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.text().matches(&format!("nonce=\"{nonce}\"")).count(), 2);
}

#[test]
fn buttons_reach_the_loop_and_only_from_our_own_page() {
    let _shared = ALONE.read();
    let show = Show::open();
    let json = "Content-Type: application/json\r\n";
    let post = |headers: &str, body: &str| request(show.address, "POST /api/control", headers, body);
    assert_eq!(get(show.address, "/api/control").text(), r#"{"bypass":false,"task":"auto"}"#);
    let answer = post(json, r#"{"bypass": true, "task": "dehaze"}"#);
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"bypass":true,"task":"dehaze"}"#));
    let controls = show.telemetry.controls();
    assert!(controls.bypass() && controls.task().as_deref() == Some("dehaze"));

    let own = format!("{json}Origin: http://{}\r\n", show.address);
    assert_eq!(post(&own, r#"{"task": "auto"}"#).status, 200);
    assert!(controls.bypass() && controls.task().is_none(), "what is left out stays");

    for (headers, body, status) in [
        ("", r#"{"bypass": false}"#, 403),
        ("Content-Type: text/plain\r\n", r#"{"bypass": false}"#, 403),
        ("Content-Type: application/json\r\nOrigin: http://evil.example\r\n", r#"{"bypass": false}"#, 403),
        (json, r#"{"bypass": "no"}"#, 400),
        (json, r#"{"bypas": false}"#, 400),
        (json, r#"{"task": ""}"#, 400),
        (json, "{", 400),
        (json, &format!("{{\"task\": \"{}\"}}", "x".repeat(5000)), 413),
    ] {
        let answer = post(headers, body);
        assert_eq!(answer.status, status, "{headers} {body}");
        assert!(answer.text().trim_end().lines().count() <= 1, "{}", answer.text());
    }
    assert!(controls.bypass() && controls.task().is_none(), "nothing of it did anything");
}

#[test]
fn health_is_that_frames_flow() {
    let _shared = ALONE.read();
    let mut show = Show::open();
    let before = get(show.address, "/healthz");
    assert!(before.status == 503 && before.text().contains("no frame yet"), "{before:?}");
    show.put();
    assert_eq!(get(show.address, "/healthz").status, 200);
    std::thread::sleep(Duration::from_millis(3300));
    let after = get(show.address, "/healthz");
    assert!(after.status == 503 && after.text().contains("no frame since 3."), "{after:?}");
    show.put();
    assert_eq!(get(show.address, "/healthz").status, 200);
}

#[test]
fn the_token_opens_everything_but_the_page_and_health() {
    let _shared = ALONE.read();
    for listen in ["127.0.0.1", "0.0.0.0"] {
        let mut show = Show::at(&format!("http://{listen}:0?token={TOKEN}"));
        assert!(!show.sink.describe().contains(TOKEN));
        show.put();
        let right = format!("Authorization: Bearer {TOKEN}\r\n");
        let wrong = "Authorization: Bearer some-other-token\r\n";
        for path in ["/api/status", "/api/history", "/api/control", "/metrics"] {
            let ask = |path: &str, headers: &str| request(show.address, &format!("GET {path}"), headers, "");
            let refused = ask(path, "");
            assert_eq!((refused.status, refused.header("www-authenticate").is_some()), (401, true), "{path}");
            assert!(!refused.text().contains(TOKEN));
            assert_eq!(ask(path, wrong).status, 401, "{path}");
            assert_eq!(ask(&format!("{path}?token=some-other-token"), "").status, 401, "{path}");
            assert_eq!(ask(path, &right).status, 200, "{path}");
            assert_eq!(ask(&format!("{path}?token={TOKEN}"), "").status, 200, "{path}");
        }
        for path in ["/restored.mjpg", "/input.mjpg", "/both.mjpg", "/snapshot.jpg", "/snapshot.jpg?input"] {
            assert_eq!(get(show.address, path).status, 401, "{path}");
        }
        let post = request(show.address, "POST /api/control", "Content-Type: application/json\r\n", "{}");
        assert_eq!(post.status, 401);
        for path in ["/", "/healthz"] {
            let open = get(show.address, path);
            assert_eq!(open.status, 200, "{path}");
            assert!(!open.text().contains(TOKEN));
        }
    }
}

#[test]
fn a_name_that_points_here_from_outside_is_turned_away() {
    let _shared = ALONE.read();
    let show = Show::open();
    let ask = |host: &str| request(show.address, "GET /api/status", &format!("Host: {host}\r\n"), "").status;
    assert_eq!((ask("localhost:1"), ask("127.0.0.1")), (200, 200));
    assert_eq!((ask("evil.example"), ask("127.0.0.1.evil.example:8080")), (421, 421));
    let public = Show::at(&format!("http://0.0.0.0:0?token={TOKEN}"));
    let headers = format!("Host: camera.local\r\nAuthorization: Bearer {TOKEN}\r\n");
    assert_eq!(request(public.address, "GET /api/status", &headers, "").status, 200);
}

#[test]
fn what_is_no_proper_request_gets_an_error_and_hurts_nobody() {
    let _shared = ALONE.read();
    let mut show = Show::open();
    assert_eq!(get(show.address, "/nothing").status, 404);
    assert_eq!(get(show.address, "/api/../../etc/passwd").status, 404);
    for line in ["POST /", "DELETE /api/control", "PUT /snapshot.jpg", "POST /restored.mjpg"] {
        let answer = request(show.address, line, "", "");
        assert_eq!((answer.status, answer.header("allow").is_some()), (405, true), "{line}");
    }
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nBroken header\r\n\r\n",
        b"POST /api/control HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\nConnection: close\r\n\r\n",
    ] {
        let status = exchange(show.address, bytes).map(|answer| answer.status);
        assert!(status.is_none_or(|status| (400..500).contains(&status)), "{status:?}");
    }
    let endless = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: {}\r\n", "x".repeat(1 << 20));
    let status = exchange(show.address, endless.as_bytes()).map(|answer| answer.status);
    assert!(status.is_none_or(|status| status >= 400), "{status:?}");

    show.put();
    assert_eq!(get(show.address, "/healthz").status, 200);
}

#[test]
fn a_client_that_takes_nothing_delays_nobody_and_is_cut_off() {
    let _shared = ALONE.read();
    // Noise hardly compresses: the buffers between us are soon full.
    let mut show = Show::of("http://127.0.0.1:0?quality=95", "road?weather=noise&size=320x180");
    let mut stuck = connect(show.address);
    write!(stuck, "GET /both.mjpg HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let (newest, shown) = show.during(|address| {
        let mut parts = Parts::of(address, "/restored.mjpg");
        let until = Instant::now() + Duration::from_secs(14);
        let mut newest = 0;
        while Instant::now() < until {
            newest = parts.next().unwrap().frame;
        }
        newest
    });
    let last = shown.last().unwrap().input.sequence;
    assert!(shown.len() > 100 && last - newest < 50, "{newest} of {last}");

    // What had come to our side of the connection is there, then it ends; were it still open,
    // the last frame would come again and again.
    let (mut taken, mut buffer) = (0, vec![0; 1 << 16]);
    let until = Instant::now() + Duration::from_secs(20);
    while let Ok(bytes @ 1..) = stuck.read(&mut buffer) {
        taken += bytes;
        assert!(Instant::now() < until, "it was never cut off");
    }
    assert!(taken > 0);
}

#[test]
fn only_so_many_clients_are_served() {
    let _shared = ALONE.read();
    let mut show = Show::open();
    let (statuses, _) = show.during(|address| {
        let watching: Vec<Parts> = (0..16).map(|_| Parts::of(address, "/restored.mjpg")).collect();
        let seventeenth = get(address, "/restored.mjpg");
        drop(watching);
        let idle: Vec<TcpStream> = (0..64).map(|_| connect(address)).collect();
        let until = Instant::now() + Duration::from_secs(10);
        // Those that watched may hold their places for a moment.
        let busy = loop {
            let answer = exchange(address, b"");
            if answer.is_some() || Instant::now() > until {
                break answer;
            }
        };
        drop(idle);
        let free = loop {
            let answer = get(address, "/healthz");
            if answer.status == 200 || Instant::now() > until {
                break answer;
            }
        };
        (seventeenth.status, busy.map(|answer| answer.status), free.status)
    });
    assert_eq!(statuses, (503, Some(503), 200));
}

#[test]
fn an_address_that_cannot_be_had_is_one_clear_line() {
    let _shared = ALONE.read();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (uri, said) in [
        (format!("http://{address}?token={TOKEN}"), "another program has this port"),
        ("http://0.0.0.0:8080".into(), "?token="),
        (format!("http://203.0.113.7:0?token={TOKEN}"), "no such address"),
    ] {
        let error = sink::open(&uri, 30.0, &Arc::default()).err().expect(&uri).to_string();
        assert!(error.contains(said) && error.lines().count() == 1, "{error}");
        assert!(!error.contains(TOKEN), "{error}");
    }
}

/// Threads of HTTP servers, and open files, of this process.
#[cfg(target_os = "linux")]
fn held() -> (usize, usize) {
    let names = std::fs::read_dir("/proc/self/task").unwrap();
    let names = names.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    (names.filter(|name| name == "http\n").count(), std::fs::read_dir("/proc/self/fd").unwrap().count())
}

#[test]
#[cfg(target_os = "linux")]
fn clients_come_and_go_and_leave_nothing_behind() {
    let _alone = ALONE.write();
    let outside = held();
    let mut show = Show::open();
    // The thread names itself.
    while held().0 == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    // No client has been there yet, that it might still be closing.
    let at_rest = held();
    let ((), _) = show.during(|address| {
        for i in 0..200 {
            let mut stream = connect(address);
            let request: &[u8] = match i % 4 {
                0 => b"",
                1 => b"GET / HTTP/1.1\r\nHost: 127",
                2 => b"GET /both.mjpg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                _ => b"GET /api/status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            };
            let _ = stream.write_all(request);
            if i % 8 == 2 {
                let _ = stream.read(&mut [0; 100]);
            }
        }
        let until = Instant::now() + Duration::from_secs(20);
        while held() != at_rest && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    assert_eq!(held(), at_rest);
    show.sink.finish().unwrap();
    drop(show);
    assert_eq!(held(), outside);
}

#[test]
fn the_end_does_not_wait_for_clients() {
    let _shared = ALONE.read();
    let mut show = Show::open();
    let (mut streams, _) = show.during(|address| {
        let mut watching = Parts::of(address, "/both.mjpg");
        watching.next().unwrap();
        let mut half = connect(address);
        half.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        (watching, half, connect(address))
    });
    let began = Instant::now();
    show.sink.finish().unwrap();
    // Far below what clients are given otherwise.
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    while streams.0.next().is_some() {}
    for stream in [&mut streams.1, &mut streams.2] {
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert!(TcpStream::connect(show.address).is_err());
    let output = show.next();
    assert!(show.sink.put(&output).is_err(), "it says that it has ended");
}
