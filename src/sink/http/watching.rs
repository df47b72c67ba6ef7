//! Answers that show the picture.

use super::client::Wire;
use super::pictures::Which;
use super::server::Shared;
use super::stream;
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a snapshot waits for the next frame.
const PATIENCE: Duration = Duration::from_secs(3);

type Watcher = (State<Arc<Shared>>, ConnectInfo<Wire>);

pub(super) async fn restored(watcher: Watcher) -> Response {
    watch(watcher, Which::Restored)
}

pub(super) async fn input(watcher: Watcher) -> Response {
    watch(watcher, Which::Input)
}

/// Each frame as two parts, before and after, so that a page shows both of the same frame.
pub(super) async fn both(watcher: Watcher) -> Response {
    watch(watcher, Which::Both)
}

fn watch((State(shared), ConnectInfo(wire)): Watcher, which: Which) -> Response {
    let Ok(place) = Arc::clone(&shared.streams).try_acquire_owned() else {
        return unavailable("too many watch already\n");
    };
    let body = stream::motion_jpeg(shared.gallery.watch(which), wire, place);
    ([(header::CONTENT_TYPE, stream::CONTENT_TYPE)], body).into_response()
}

/// The next frame, restored; with `?input`, as the camera saw it.
pub(super) async fn snapshot(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let input = query.split('&').any(|key| key.split('=').next() == Some("input"));
    let mut view = shared.gallery.watch(if input { Which::Input } else { Which::Restored });
    let next = timeout(PATIENCE, view.next()).await.ok().flatten();
    let Some((sequence, jpeg)) =
        next.and_then(|(sequence, mut pictures)| Some((sequence, pictures.pop()?.1)))
    else {
        return unavailable("no frame comes\n");
    };
    let name = format!("inline; filename=\"frame-{sequence}.jpg\"");
    ([(header::CONTENT_TYPE, "image/jpeg".into()), (header::CONTENT_DISPOSITION, name)], jpeg).into_response()
}

fn unavailable(why: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "2")], why).into_response()
}
