//! A small HTTP server of one file, which behaves as badly as it is told to.
#![allow(dead_code)] // each test file uses a part

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What is served, and how.
#[derive(Clone)]
pub struct Served {
    pub bytes: Vec<u8>,
    /// None: the server names no version.
    pub etag: Option<String>,
    /// Bytes of a body after which the connection is cut.
    pub cut: Option<usize>,
    /// Whether parts are given.
    pub ranges: bool,
    /// Answered in place of the file.
    pub status: Option<&'static str>,
    /// Bytes that the header promises, if not those there are.
    pub claims: Option<u64>,
    /// Where it is now.
    pub moved: Option<String>,
}

/// The server, and the requests that it got: their first line and those of interest.
pub struct FileServer {
    pub address: SocketAddr,
    served: Arc<Mutex<Served>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl FileServer {
    pub fn new(bytes: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let served = Served {
            bytes,
            etag: Some("\"one\"".into()),
            cut: None,
            ranges: true,
            status: None,
            claims: None,
            moved: None,
        };
        let server = Self {
            address: listener.local_addr().unwrap(),
            served: Arc::new(Mutex::new(served)),
            requests: Arc::default(),
        };
        let (served, requests) = (Arc::clone(&server.served), Arc::clone(&server.requests));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let served = served.lock().unwrap().clone();
                // A client that goes away is no trouble of ours.
                let _ = answer(stream, &served, &requests);
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}/models/tiny.vlu", self.address)
    }

    pub fn change(&self, change: impl FnOnce(&mut Served)) {
        change(&mut self.served.lock().unwrap());
    }

    /// The requests since the last call.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn answer(mut stream: TcpStream, served: &Served, requests: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = Vec::new();
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let header = |name: &str| {
        let pairs = lines.iter().filter_map(|line| line.split_once(':'));
        pairs
            .into_iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    };
    let (range, same, known) = (header("range"), header("if-range"), header("if-none-match"));
    let noted = [("range", &range), ("if-range", &same), ("if-none-match", &known)];
    let noted =
        noted.iter().filter_map(|(name, value)| value.as_ref().map(|value| format!(" {name}={value}")));
    requests.lock().unwrap().push(lines.first().cloned().unwrap_or_default() + &noted.collect::<String>());

    let etag = served.etag.as_ref().map(|etag| format!("ETag: {etag}\r\n")).unwrap_or_default();
    let mut send = |status: &str, headers: &str, body: &[u8], claimed: u64| {
        let head =
            format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {claimed}\r\n{headers}\r\n");
        stream.write_all(head.as_bytes())?;
        let sent = served.cut.map_or(body.len(), |cut| cut.min(body.len()));
        stream.write_all(&body[..sent])?;
        stream.flush()
    };
    if let Some(to) = &served.moved {
        return send("302 Found", &format!("Location: {to}\r\n"), b"", 0);
    }
    if let Some(status) = served.status {
        return send(status, "", b"no", 2);
    }
    if known.is_some() && known == served.etag {
        return send("304 Not Modified", &etag, b"", 0);
    }
    let total = served.bytes.len();
    let from =
        range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let from: Option<usize> = from.filter(|_| served.ranges && (same.is_none() || same == served.etag));
    match from {
        Some(from) if from >= total => {
            send("416 Range Not Satisfiable", &format!("Content-Range: bytes */{total}\r\n{etag}"), b"", 0)
        }
        Some(from) => {
            let body = &served.bytes[from..];
            let range = format!("Content-Range: bytes {from}-{}/{total}\r\n{etag}", total - 1);
            send("206 Partial Content", &range, body, body.len() as u64)
        }
        None => send("200 OK", &etag, &served.bytes, served.claims.unwrap_or(total as u64)),
    }
}
