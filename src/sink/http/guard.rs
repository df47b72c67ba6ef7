//! Who may ask: the token, and browsers that other pages have sent here.

use super::server::Shared;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// Lets in who knows the token, where there is one; by `Authorization: Bearer`, or by `?token=`
/// for those who can set no header, such as an `<img>`.
pub(super) async fn token(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let Some(token) = &shared.token else { return next.run(request).await };
    let shown = bearer(request.headers()).or_else(|| in_query(request.uri()));
    if shown.is_some_and(|shown| token.is(shown)) {
        let mut response = next.run(request).await;
        // Whoever wrote the token into a page meant it to show the picture.
        response.headers_mut().insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
        return response;
    }
    let how = "give the token as \"Authorization: Bearer TOKEN\" or ?token=TOKEN\n";
    let mut response = (StatusCode::UNAUTHORIZED, how).into_response();
    let challenge = HeaderValue::from_static("Bearer realm=\"vlunet\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn in_query(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="))
}

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Turns away what a foreign page had a browser ask: a name that its owner lets point to this
/// machine (DNS rebinding) shows in `Host`. And closes every answer to caches and other origins.
pub(super) async fn origin(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = if shared.loopback && !host(request.headers()).is_some_and(is_loopback) {
        let why = "this server is for its own machine: ask for it as 127.0.0.1 or localhost\n";
        (StatusCode::MISDIRECTED_REQUEST, why).into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.entry(RESOURCE_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

/// Whether `NAME[:PORT]` is this machine by a name that nobody else gives out.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Whether a request that changes something comes from our own page or a program, not from a
/// form or script of another page: those can't send JSON without asking first, which is not
/// answered, and browsers name the page's origin.
pub(super) fn is_own_json(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let json = text(header::CONTENT_TYPE)
        .and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    let own_origin = text(header::ORIGIN).is_none_or(|origin| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.is_some() && authority == host(headers)
    });
    let own_site = text(HeaderName::from_static("sec-fetch-site"))
        .is_none_or(|site| site == "same-origin" || site == "none");
    json && own_origin && own_site
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in
            ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:8080", "127.1.2.3:1", "[::1]:80", "[::1]"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "evil.example",
            "127.0.0.1.evil.example:80",
            "localhost.evil.example",
            "10.0.0.1:80",
            "0.0.0.0",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn what_changes_something_is_json_from_our_own_page() {
        let ours = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs
                .iter()
                .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_own_json(&headers.collect())
        };
        let json = ("content-type", "application/json; charset=utf-8");
        let host = ("host", "127.0.0.1:80");
        assert!(ours(&[json, host]));
        assert!(ours(&[json, host, ("origin", "http://127.0.0.1:80"), ("sec-fetch-site", "same-origin")]));
        assert!(!ours(&[host]));
        assert!(!ours(&[host, ("content-type", "text/plain")]));
        assert!(!ours(&[json, host, ("origin", "http://evil.example")]));
        assert!(!ours(&[json, host, ("origin", "http://127.0.0.1:81")]));
        assert!(!ours(&[json, host, ("origin", "null")]));
        assert!(!ours(&[json, ("origin", "http://127.0.0.1:80")]));
        assert!(!ours(&[json, host, ("sec-fetch-site", "cross-site")]));
    }
}
