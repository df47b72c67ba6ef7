//! Answers for programs, and the page's buttons.

use super::guard::is_own_json;
use super::server::Shared;
use crate::control::Controls;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

/// 200 while frames flow, else 503 and the reason.
pub(super) async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let flow = shared.flow.lock().unwrap_or_else(PoisonError::into_inner);
    match flow.health(Instant::now()) {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

/// [`crate::telemetry::Status`].
pub(super) async fn status(State(shared): State<Arc<Shared>>) -> Response {
    json(&shared.telemetry.status())
}

/// The last minute's ages.
pub(super) async fn history(State(shared): State<Arc<Shared>>) -> Response {
    let mut flow = shared.flow.lock().unwrap_or_else(PoisonError::into_inner);
    json(&flow.history(Instant::now()))
}

/// For Prometheus.
pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    match shared.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, super::metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What is asked of the loop.
#[derive(Serialize)]
struct Asked {
    bypass: bool,
    /// `auto`, or the words of a task.
    task: String,
}

impl Asked {
    fn of(controls: &Controls) -> Self {
        let task = controls.task().map_or_else(|| AUTO.into(), |words| words.to_string());
        Self { bypass: controls.bypass(), task }
    }
}

/// Stands for what is detected.
const AUTO: &str = "auto";

/// What shall change; what is left out stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    bypass: Option<bool>,
    task: Option<String>,
}

/// What is asked of the loop now.
pub(super) async fn controls(State(shared): State<Arc<Shared>>) -> Response {
    json(&Asked::of(shared.telemetry.controls()))
}

/// Changes what is asked of the loop: `{"bypass": true}`, `{"task": "dehaze"}`,
/// `{"task": "auto"}`.
pub(super) async fn control(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let refuse = |status: StatusCode, why: String| (status, why + "\n").into_response();
    if !is_own_json(&headers) {
        let why = "send JSON (Content-Type: application/json), and from no other site's page";
        return refuse(StatusCode::FORBIDDEN, why.into());
    }
    let change: Change = match serde_json::from_slice(&body) {
        Ok(change) => change,
        Err(e) => return refuse(StatusCode::BAD_REQUEST, e.to_string()),
    };
    let controls = shared.telemetry.controls();
    if let Some(task) = &change.task
        && let Err(e) = controls.set_task(Some(task.as_str()).filter(|task| *task != AUTO))
    {
        return refuse(StatusCode::BAD_REQUEST, e.to_string());
    }
    if let Some(bypass) = change.bypass {
        controls.set_bypass(bypass);
    }
    json(&Asked::of(controls))
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
