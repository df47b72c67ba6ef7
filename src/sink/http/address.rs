//! Where the server listens, and what a client must know to be let in.

use super::token::Token;
use crate::uri::Uri;
use crate::{Error, Result};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Holds a token where the URI has none: unlike an argument, no other user of the machine
/// sees it.
const TOKEN_VARIABLE: &str = "VLUNET_HTTP_TOKEN";

/// JPEG quality where none is given.
const QUALITY: u8 = 80;

/// What a URI says about the server.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) address: SocketAddr,
    pub(super) token: Option<Token>,
    /// Of the JPEGs, 1..=100.
    pub(super) quality: u8,
}

impl Settings {
    /// Reads `http://127.0.0.1:8080?token=...&quality=80`, and takes the secret out of the URI.
    pub(super) fn read(uri: &mut Uri) -> Result<Self> {
        Self::with(uri, std::env::var(TOKEN_VARIABLE).ok())
    }

    fn with(uri: &mut Uri, variable: Option<String>) -> Result<Self> {
        // First, so that no message shows it.
        let given = uri.take_secret("token").or_else(|| variable.filter(|token| !token.is_empty()));
        let token = match given {
            Some(text) => Some(Token::new(&text).ok_or_else(|| uri.fault(Token::RULE))?),
            None => None,
        };
        let address = address(uri)?;
        if !address.ip().is_loopback() && token.is_none() {
            return Err(uri.fault(format!(
                "others could watch the camera at this address: give a token, as in \
                 ?token=SECRET or in the environment as {TOKEN_VARIABLE}, or listen on 127.0.0.1"
            )));
        }
        let quality = uri.take::<u8>("quality", "a number of 1 to 100")?.unwrap_or(QUALITY);
        if !(1..=100).contains(&quality) {
            return Err(uri.fault(format!("quality={quality} is not a number of 1 to 100")));
        }
        uri.done(&["token", "quality"])?;
        Ok(Self { address, token, quality })
    }
}

fn address(uri: &Uri) -> Result<SocketAddr> {
    let text = uri.rest().strip_suffix('/').unwrap_or(uri.rest());
    let local = |port: &str| Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse().ok()?));
    let address = match text.strip_prefix("localhost:") {
        Some(port) => local(port),
        None => text.parse().ok(),
    };
    address.ok_or_else(|| uri.fault("it is not http://ADDRESS:PORT, as in http://127.0.0.1:8080"))
}

/// Why an address can't be listened on, and what to do.
pub(super) fn refused(uri: &Uri, error: &std::io::Error) -> Error {
    use std::io::ErrorKind;
    uri.fault(match error.kind() {
        ErrorKind::AddrInUse => {
            "another program has this port: give another one, or 0 for any that is free".into()
        }
        ErrorKind::AddrNotAvailable => {
            "this machine has no such address: give one of its own, 127.0.0.1, or 0.0.0.0 for all".into()
        }
        ErrorKind::PermissionDenied => "the system doesn't allow this port: give one of 1024 to 65535".into(),
        _ => format!("can't listen there: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, variable: Option<&str>) -> Result<Settings> {
        Settings::with(&mut Uri::parse(text)?, variable.map(String::from))
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, address) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
            ("http://localhost:0", "127.0.0.1:0"),
            ("http://[::1]:81?quality=55", "[::1]:81"),
            ("http://0.0.0.0:8080?token=long-enough", "0.0.0.0:8080"),
        ] {
            assert_eq!(read(text, None).unwrap().address.to_string(), address);
        }
        assert_eq!(read("http://127.0.0.1:1?quality=55", None).unwrap().quality, 55);
    }

    #[test]
    fn other_machines_need_a_token_from_the_uri_or_the_environment() {
        for address in ["0.0.0.0", "[::]", "192.168.1.5"] {
            let message = read(&format!("http://{address}:80"), None).unwrap_err().to_string();
            assert!(message.contains("?token=") && message.contains(TOKEN_VARIABLE), "{message}");
            assert_eq!(message.lines().count(), 1);
            assert!(read(&format!("http://{address}:80"), Some("long-enough")).is_ok());
            assert!(read(&format!("http://{address}:80"), Some("")).is_err());
        }
        let both = read("http://0.0.0.0:80?token=from-the-uri", Some("from-outside")).unwrap();
        assert!(both.token.unwrap().is("from-the-uri"));
    }

    #[test]
    fn mistakes_are_one_line_without_the_secret() {
        for (text, said) in [
            ("http://", "http://ADDRESS:PORT"),
            ("http://127.0.0.1", "http://ADDRESS:PORT"),
            ("http://127.0.0.1:99999", "http://ADDRESS:PORT"),
            ("http://camera.example:80", "http://ADDRESS:PORT"),
            ("http://127.0.0.1:80?quality=0", "1 to 100"),
            ("http://127.0.0.1:80?quality=300", "1 to 100"),
            ("http://127.0.0.1:80?token=tell", "8 to 128"),
            ("http://127.0.0.1:80?token=tell%20nobody", "8 to 128"),
            ("http://127.0.0.1:80?token=tell-nobody&fps=3", "token, quality"),
        ] {
            let message = read(text, None).unwrap_err().to_string();
            assert!(message.contains(said) && message.lines().count() == 1, "{message}");
            assert!(!message.contains("=tell"), "{message}");
        }
    }
}
