//! One URL, asked for with what is already here.

use super::notes::Validator;
use crate::{Error, Result};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::{Response, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body};

/// How long a silent server is waited for, and how often it is asked again.
#[derive(Clone, Debug)]
pub struct Patience {
    /// To connect.
    pub connect: Duration,
    /// For the answer to begin, and for each part of it.
    pub silence: Duration,
    /// Attempts in a row that bring nothing before it is given up.
    pub attempts: u32,
    /// Before the second attempt; twice as long before each one after.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            silence: Duration::from_secs(60),
            attempts: 5,
            pause: Duration::from_secs(1),
        }
    }
}

/// What is asked for.
pub(super) enum Ask<'a> {
    /// The whole, unless it is still this one.
    Whole(Option<&'a Validator>),
    /// The rest from a byte on, if it is still this one; else the whole.
    Rest(u64, &'a Validator),
}

/// What the server answers.
pub(super) enum Answer {
    /// It is still the one that was named.
    Unchanged,
    /// A part from a byte on, to the end; the size of the whole, where it is known.
    Part { from: u64, total: Option<u64>, validator: Option<Validator>, body: Box<dyn Read> },
    /// There is nothing from that byte on; the size of the whole, where it is known.
    NoSuchPart(Option<u64>),
}

/// Why there is no answer.
pub(super) enum Trouble {
    /// It may be over the next time.
    Passing(String),
    /// It will be the same.
    Lasting(String),
}

/// Asks for one URL.
pub(super) struct Client {
    agent: Agent,
    url: String,
    shown: String,
}

impl Client {
    pub(super) fn new(url: &str, patience: &Patience) -> Result<Self> {
        let shown = shown(url);
        let fail = |reason: &str| Error::Input(format!("{shown}: {reason}"));
        let parsed = url.parse::<ureq::http::Uri>().map_err(|e| fail(&format!("this is no URL: {e}")))?;
        if !matches!(parsed.scheme_str(), Some("http" | "https")) || parsed.host().is_none_or(str::is_empty) {
            return Err(fail("a bundle is fetched from an https: or http: URL"));
        }
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            // Those of the system, which may be a company's own.
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .user_agent(concat!("vlunet/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.silence))
            .timeout_per_read(Some(patience.silence))
            .timeout_per_write(Some(patience.silence));
        Ok(Self { agent: config.build().new_agent(), url: url.into(), shown })
    }

    /// The URL without what may be a secret in it.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    pub(super) fn ask(&self, ask: &Ask<'_>) -> Result<Answer, Trouble> {
        let mut request = self.agent.get(&self.url);
        match ask {
            Ask::Whole(Some(Validator { etag: Some(etag), .. })) => {
                request = request.header(header::IF_NONE_MATCH, etag);
            }
            Ask::Whole(Some(Validator { last_modified: Some(date), .. })) => {
                request = request.header(header::IF_MODIFIED_SINCE, date);
            }
            Ask::Whole(_) => {}
            Ask::Rest(from, validator) => {
                let Some(same) = validator.strong() else { return self.ask(&Ask::Whole(None)) };
                request =
                    request.header(header::RANGE, format!("bytes={from}-")).header(header::IF_RANGE, same);
            }
        }
        let response = request.call().map_err(|e| trouble(&e))?;
        self.read(response)
    }

    fn read(&self, response: Response<Body>) -> Result<Answer, Trouble> {
        let text =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let validator = Validator::new(text(header::ETAG), text(header::LAST_MODIFIED));
        let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        let range = text(header::CONTENT_RANGE);
        let status = response.status();
        let body = |response: Response<Body>| Box::new(response.into_body().into_reader()) as Box<dyn Read>;
        match status {
            StatusCode::NOT_MODIFIED => Ok(Answer::Unchanged),
            StatusCode::OK => Ok(Answer::Part { from: 0, total: length, validator, body: body(response) }),
            StatusCode::PARTIAL_CONTENT => {
                // A part of which it isn't said where it belongs is of no use.
                let Some((from, total)) = range.as_deref().and_then(content_range) else {
                    return Ok(Answer::NoSuchPart(None));
                };
                Ok(Answer::Part { from, total, validator, body: body(response) })
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                let total = range.as_deref().and_then(|range| range.strip_prefix("bytes */"));
                Ok(Answer::NoSuchPart(total.and_then(|total| total.trim().parse().ok())))
            }
            _ => {
                let reason = format!("the server answers {}", status.as_u16());
                let reason =
                    status.canonical_reason().map_or(reason.clone(), |words| format!("{reason} ({words})"));
                let passes = status.is_server_error()
                    || status == StatusCode::TOO_MANY_REQUESTS
                    || status == StatusCode::REQUEST_TIMEOUT;
                Err(if passes { Trouble::Passing(reason) } else { Trouble::Lasting(reason) })
            }
        }
    }
}

/// `bytes 100-199/200` as (100, Some(200)): only parts that go to the end are asked for.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (from, _) = range.split_once('-')?;
    Some((from.trim().parse().ok()?, total.trim().parse().ok()))
}

fn trouble(error: &ureq::Error) -> Trouble {
    let text = crate::error::one_line(&error.to_string());
    match error {
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Pem(_) => Trouble::Lasting(format!(
            "{text} (certificates hang on the clock: is the date right? and are ca-certificates installed?)"
        )),
        ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::InvalidData => Trouble::Lasting(format!(
            "{text} (certificates hang on the clock: is the date right? and are ca-certificates installed?)"
        )),
        ureq::Error::BadUri(_) | ureq::Error::TooManyRedirects | ureq::Error::RedirectFailed => {
            Trouble::Lasting(text)
        }
        _ => Trouble::Passing(text),
    }
}

/// A URL without its query, which may be a signature of an object store, and without a password.
fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default().replace(char::is_control, " ");
    let Some((scheme, rest)) = url.split_once("://") else { return url };
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_url_are_not_shown() {
        for (url, said) in [
            ("https://h/a/nano.vlu", "https://h/a/nano.vlu"),
            ("https://me:secret@h:8443/nano.vlu?X-Amz-Signature=secret#x", "https://h:8443/nano.vlu"),
            ("http://h", "http://h"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(shown(url), said);
        }
    }

    #[test]
    fn only_web_addresses_are_asked() {
        for url in
            ["", "nano.vlu", "file:///etc/passwd", "ftp://h/x", "https://", "http:///x", "https://h h/"]
        {
            let error = Client::new(url, &Patience::default()).err().unwrap().to_string();
            assert!(error.contains("URL") && error.lines().count() == 1, "{error}");
        }
    }

    #[test]
    fn a_range_says_where_it_begins_and_how_long_the_whole_is() {
        assert_eq!(content_range("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        for text in ["", "bytes", "bytes */200", "bytes -5/7", "items 1-2/3", "bytes 1/2"] {
            assert_eq!(content_range(text), None, "{text}");
        }
    }
}
