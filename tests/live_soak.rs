//! The live loop under load for a while: memory, threads and files stay as they are.
//!
//! 45 seconds in a plain test run; `VLUNET_SOAK=1800 cargo test --test live_soak -- --nocapture`
//! is the half hour of the README.
#![cfg(target_os = "linux")]

use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Plans are made and pools are filled by then.
const WARM_UP: Duration = Duration::from_secs(20);

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    kib: u64,
    threads: usize,
    files: usize,
}

impl Held {
    fn by(process: &Path) -> Self {
        let status = std::fs::read_to_string(process.join("status")).unwrap();
        let number = |key: &str| {
            let line = status.lines().find(|line| line.starts_with(key)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        let files = std::fs::read_dir(process.join("fd")).unwrap().count();
        Self { kib: number("VmRSS:"), threads: number("Threads:") as usize, files }
    }
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_long_run_takes_no_more_than_a_short_one() {
    let seconds = std::env::var("VLUNET_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(45);
    let duration = Duration::from_secs(seconds);
    // A free port, as good as sure: nobody else takes ports from this range by number.
    let port = 20_000 + std::process::id() % 10_000;
    let program = Command::new(env!("CARGO_BIN_EXE_vlunet"))
        .args(["run", "--source", "synthetic:road?weather=noise&size=320x180&fps=30", "--task", "denoise"])
        // One size all along: a plan for another, as a busier machine asks for, is memory well spent.
        .args(["--max-scale", "0.25"])
        .args(["--sink", &format!("http://127.0.0.1:{port}"), "--sink", "null:", "--threads", "2", "--json"])
        .args(["--duration", &format!("{}s", (WARM_UP + duration).as_secs() + 5)])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process = format!("/proc/{}", program.id());
    let process = Path::new(&process);
    let mut program = Ended(program);
    std::thread::sleep(WARM_UP);
    // A watcher, so that pictures are encoded and sent.
    let mut stream = TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap())).unwrap();
    let request = format!("GET /both.mjpg HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut buffer = [0; 1 << 16];
    let mut read_for = |time: Duration| {
        let start = Instant::now();
        let mut bytes = 0;
        while start.elapsed() < time {
            bytes += stream.read(&mut buffer).unwrap();
        }
        bytes
    };
    read_for(Duration::from_secs(2));
    let (mut samples, mut ages) = (Vec::new(), Vec::new());
    let start = Instant::now();
    while start.elapsed() < duration {
        assert!(read_for(duration / 20) > 10_000, "the stream stands still");
        samples.push((start.elapsed().as_secs_f64(), Held::by(process)));
        ages.push(age_p99(port));
    }
    drop(stream);
    let mut output = String::new();
    program.0.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(program.0.wait().unwrap().success());

    let slope = slope_kib_per_second(&samples) * 3600.0 / 1024.0;
    let (first, last) = (samples[0].1, samples[samples.len() - 1].1);
    println!("{first:?} -> {last:?}, {slope:.2} MiB per hour; {output}");
    let threads = |held: &Held| (held.threads, held.files);
    assert!(samples.iter().all(|(_, held)| threads(held) == threads(&first)), "{samples:?}");
    // Over less than minutes a page here or there makes a large slope: what counts then is growth.
    let grown = last.kib.saturating_sub(first.kib);
    assert!(if seconds >= 600 { slope < 1.0 } else { grown < 4096 }, "{slope:.2} MiB per hour, {samples:?}");
    // Each is of half a minute; what one of them met by chance says nothing about a drift.
    let (early, late) = (median(&ages[..5]), median(&ages[ages.len() - 5..]));
    println!("age p99: {early:.1} ms at first, {late:.1} ms at last: {:+.1} %", 100.0 * (late / early - 1.0));
    if seconds >= 600 {
        assert!(late < 1.05 * early, "{ages:?}");
    }
    let summary: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(summary["faults"], serde_json::json!({}), "{summary}");
    assert!(summary["frames_out"].as_u64().unwrap() > seconds, "{summary}");
}

/// Least squares.
fn slope_kib_per_second(samples: &[(f64, Held)]) -> f64 {
    let count = samples.len() as f64;
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / count;
    let (x, y) = (mean(&mut samples.iter().map(|s| s.0)), mean(&mut samples.iter().map(|s| s.1.kib as f64)));
    let covariance: f64 = samples.iter().map(|s| (s.0 - x) * (s.1.kib as f64 - y)).sum();
    covariance / samples.iter().map(|s| (s.0 - x).powi(2)).sum::<f64>()
}

/// Of the last half minute, in milliseconds.
fn age_p99(port: u32) -> f64 {
    let mut stream = TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap())).unwrap();
    let request = format!("GET /api/status HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    status["age_ms"]["p99"].as_f64().unwrap()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
