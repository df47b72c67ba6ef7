//! A client of HTTP that is as rude as a test needs it.
#![allow(dead_code)] // each test file uses a part

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let pairs = head.lines().filter_map(|line| line.split_once(':'));
    pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Opens a connection whose reads fail rather than wait for ever.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Sends bytes and reads all that comes back; `None` where that is no answer.
pub fn exchange(address: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = connect(address);
    // The server may have closed it before all was sent.
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head, body: bytes[end..].to_vec() })
}

/// Asks with further header lines, each ended by CRLF. (HTTP/1.0, so that bodies come as they
/// are.)
pub fn request(address: SocketAddr, line: &str, headers: &str, body: &str) -> Answer {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let host = if headers.contains("Host:") { String::new() } else { format!("Host: {address}\r\n") };
    let text = format!("{line} HTTP/1.0\r\n{host}{headers}{length}\r\n{body}");
    exchange(address, text.as_bytes()).unwrap_or_else(|| panic!("no answer to {line}"))
}

pub fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, &format!("GET {path}"), "", "")
}

/// A part of a multipart answer.
#[derive(Debug)]
pub struct Part {
    pub picture: String,
    pub frame: u64,
    pub jpeg: Vec<u8>,
}

/// A multipart answer, part by part.
pub struct Parts(BufReader<TcpStream>);

impl Parts {
    pub fn of(address: SocketAddr, path: &str) -> Self {
        let mut stream = connect(address);
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
        let mut parts = Self(BufReader::new(stream));
        let head = parts.head().expect("a head");
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
        let kind = header(&head, "content-type").unwrap();
        assert_eq!(kind, "multipart/x-mixed-replace; boundary=frame");
        assert_eq!(parts.line().as_deref(), Some("--frame\r\n"));
        parts
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.0.read_line(&mut line).ok()? > 0).then_some(line)
    }

    fn head(&mut self) -> Option<String> {
        let mut head = String::new();
        loop {
            let line = self.line()?;
            if line == "\r\n" {
                return Some(head);
            }
            head += &line;
        }
    }

    /// The next part, to the end of its boundary; `None` at the end of the answer.
    pub fn next(&mut self) -> Option<Part> {
        let head = self.head()?;
        assert_eq!(header(&head, "content-type"), Some("image/jpeg"));
        let mut jpeg = vec![0; header(&head, "content-length")?.parse().unwrap()];
        self.0.read_exact(&mut jpeg).ok()?;
        let mut boundary = [0; 11];
        self.0.read_exact(&mut boundary).ok()?;
        assert_eq!(&boundary, b"\r\n--frame\r\n");
        let picture = header(&head, "x-picture")?.into();
        Some(Part { picture, frame: header(&head, "x-frame")?.parse().unwrap(), jpeg })
    }
}
