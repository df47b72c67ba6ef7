//! The page: one document, whole in itself.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

/// Stands in the document where the nonce of an answer comes.
const NONCE: &str = "{nonce}";

const SCRIPT: &str = concat!(
    include_str!("page/server.js"),
    include_str!("page/picture.js"),
    include_str!("page/panel.js"),
    include_str!("page/graph.js"),
);

/// The document, of its parts.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    include_str!("page/page.html")
        .replace("{style}", include_str!("page/page.css"))
        .replace("{script}", SCRIPT)
});

/// The page. It holds no picture, and asks for the token itself: so it needs none.
pub(super) async fn page() -> Response {
    let nonce = nonce();
    // Only the style and the script of this very answer run, and nothing else is loaded but
    // what this server gives.
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
         img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    let Ok(policy) = HeaderValue::try_from(policy) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(PAGE.replace(NONCE, &nonce))).into_response()
}

/// 128 bits that nobody can guess: each `RandomState` has keys from the system.
fn nonce() -> String {
    let word = || RandomState::new().hash_one(());
    format!("{:016x}{:016x}", word(), word())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_whole_and_loads_nothing_from_elsewhere() {
        for gap in ["{style}", "{script}"] {
            assert!(!PAGE.contains(gap), "{gap}");
        }
        assert_eq!(PAGE.matches(NONCE).count(), 2);
        let addresses: Vec<_> = PAGE.match_indices("http").map(|(at, _)| &PAGE[at..]).collect();
        // The name of SVG's vocabulary isn't loaded.
        assert!(addresses.iter().all(|rest| rest.starts_with("http://www.w3.org/2000/svg")), "{addresses:?}");
    }

    #[test]
    fn each_answer_has_a_nonce_of_its_own() {
        assert_ne!(nonce(), nonce());
        assert_eq!(nonce().len(), 32);
    }
}
