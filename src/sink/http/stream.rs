//! Motion JPEG: an answer that never ends, of parts of which each is a picture.

use super::client::Wire;
use super::pictures::View;
use axum::BoxError;
use axum::body::{Body, Bytes};
use std::fmt::Write;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;
use tokio_stream::Stream;

/// Media type of the answer.
pub(super) const CONTENT_TYPE: &str = "multipart/x-mixed-replace; boundary=frame";

/// Stands behind each picture rather than before the next: browsers show a part when they see
/// its end.
const BOUNDARY: &[u8] = b"\r\n--frame\r\n";

/// Where no new frame comes, the last one is sent again: that keeps the connection, and finds
/// out whether the client is still there.
const REPEAT: Duration = Duration::from_secs(2);

/// Sends what `view` sees as it comes, a frame at a time: the next is taken when the
/// connection has taken the last, so a slow client sees fewer frames, not older ones.
///
/// The parts are numbered (`X-Frame`) and named (`X-Picture`).
pub(super) fn motion_jpeg(view: View, wire: Wire, place: OwnedSemaphorePermit) -> Body {
    let (chunks, received) = mpsc::channel(1);
    Body::from_stream(Parts { feed: Some(Box::pin(feed(view, wire, chunks))), received, _place: place })
}

async fn feed(mut view: View, wire: Wire, chunks: mpsc::Sender<Bytes>) {
    let mut shown = None;
    if chunks.send(Bytes::from_static(&BOUNDARY[2..])).await.is_err() {
        return;
    }
    loop {
        match timeout(REPEAT, view.next()).await {
            Ok(Some(next)) => shown = Some(next),
            Ok(None) => return,
            Err(_) => {}
        }
        let Some((sequence, pictures)) = &shown else { continue };
        let mut end = wire.sent();
        for (name, jpeg) in pictures {
            let head = head(name, *sequence, jpeg.len());
            end += (head.len() + jpeg.len() + BOUNDARY.len()) as u64;
            for chunk in [head, jpeg.clone(), Bytes::from_static(BOUNDARY)] {
                if chunks.send(chunk).await.is_err() {
                    return;
                }
            }
        }
        wire.reached(end).await;
    }
}

fn head(name: &str, sequence: u64, length: usize) -> Bytes {
    let mut head = String::with_capacity(128);
    // Writing to a string never fails.
    let _ = write!(
        head,
        "Content-Type: image/jpeg\r\nContent-Length: {length}\r\nX-Frame: {sequence}\r\nX-Picture: {name}\r\n\r\n"
    );
    head.into()
}

/// Runs the feed as the body is asked for more, so that it ends with its connection.
struct Parts<F> {
    feed: Option<Pin<Box<F>>>,
    received: mpsc::Receiver<Bytes>,
    _place: OwnedSemaphorePermit,
}

impl<F: Future<Output = ()>> Stream for Parts<F> {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(feed) = &mut self.feed
            && feed.as_mut().poll(context).is_ready()
        {
            self.feed = None;
        }
        self.received.poll_recv(context).map(|chunk| chunk.map(Ok))
    }
}
