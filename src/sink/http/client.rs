//! Connections: how many there may be, and when one has had its time.

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::io::{self, IoSlice, Write};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// Connections at a time; a browser opens about six.
pub(super) const MAX_CONNECTIONS: usize = 64;

/// A connection over which nothing could be sent for so long is closed. That ends clients that
/// are gone, that take nothing, that never finish their request, and that have no further one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes that a client may send until it gets an answer.
const MAX_UNANSWERED: usize = 32 << 10;

/// How long to wait where the system has no more file descriptors.
const EXHAUSTED: Duration = Duration::from_millis(200);

const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\nretry-after: 5\r\n\
connection: close\r\ncontent-length: 21\r\n\r\ntoo many connections\n";

/// Accepts as many clients as may be.
pub(super) struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Door {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(MAX_CONNECTIONS)) }
    }
}

impl Listener for Door {
    type Io = Client;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Client, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => match Arc::clone(&self.places).try_acquire_owned() {
                    Ok(place) => return (Client::new(stream, place), address),
                    Err(_) => turn_away(stream),
                },
                // The client was gone before it was accepted.
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(e) => {
                    log::warn!("no HTTP connection can be accepted: {e}");
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Says why, as far as that works without waiting.
fn turn_away(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write(BUSY);
        let _ = stream.shutdown(Shutdown::Write);
    }
}

/// A client's connection.
pub(super) struct Client {
    stream: TcpStream,
    wire: Wire,
    last_sent: Instant,
    unanswered: usize,
    patience: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Client {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit) -> Self {
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            wire: Wire::default(),
            last_sent: Instant::now(),
            unanswered: 0,
            patience: Box::pin(tokio::time::sleep(PATIENCE)),
            _place: place,
        }
    }

    /// Ready with an error once the time is over.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.patience.as_mut().poll(context));
            let due = self.last_sent + PATIENCE;
            if due <= Instant::now() {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.patience.as_mut().reset(due);
        }
    }

    fn sent(
        &mut self,
        result: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(bytes)) => {
                (self.last_sent, self.unanswered) = (Instant::now(), 0);
                self.wire.add(bytes);
                Poll::Ready(Ok(bytes))
            }
            Poll::Pending => self.poll_patience(context).map(Err),
            failed => failed,
        }
    }
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // First: a client that keeps sending a little has its time too.
        if let Poll::Ready(error) = self.poll_patience(context) {
            return Poll::Ready(Err(error));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.unanswered += buffer.filled().len() - before;
        if self.unanswered > MAX_UNANSWERED {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.sent(result, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.sent(result, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What went out over a connection, so that a stream doesn't queue up frames before it.
#[derive(Clone, Debug, Default)]
pub(super) struct Wire(Arc<Sent>);

#[derive(Debug, Default)]
struct Sent {
    bytes: AtomicU64,
    more: Notify,
}

impl Wire {
    /// Bytes that the system took so far.
    pub(super) fn sent(&self) -> u64 {
        self.0.bytes.load(Ordering::Acquire)
    }

    /// Waits until it took so many. One task at a time may wait.
    pub(super) async fn reached(&self, bytes: u64) {
        while self.sent() < bytes {
            self.0.more.notified().await;
        }
    }

    fn add(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes as u64, Ordering::AcqRel);
        self.0.more.notify_one();
    }
}

impl Connected<IncomingStream<'_, Door>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().wire.clone()
    }
}
