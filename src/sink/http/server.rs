//! The server: one thread of its own, an answer for each path.

use super::address::{Settings, refused};
use super::client::{Door, Wire};
use super::flow::Flow;
use super::metrics::Metrics;
use super::pictures::Gallery;
use super::token::Token;
use super::{api, guard, page, watching};
use crate::telemetry::Telemetry;
use crate::uri::Uri;
use crate::{Error, Result};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, oneshot};

/// Streams at a time; each takes its share of the uplink.
const MAX_STREAMS: usize = 16;

/// What the system keeps of a stream that a client hasn't taken: about two frames, so that a
/// slow client sees new ones. (Linux doubles it.)
const SEND_BUFFER: u32 = 128 << 10;

/// The largest body that is read.
const MAX_BODY: usize = 4 << 10;

/// How long open answers may take to their end.
const GRACE: Duration = Duration::from_millis(500);

/// What every answer is made from.
pub(super) struct Shared {
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) gallery: Gallery,
    pub(super) flow: Mutex<Flow>,
    pub(super) metrics: Metrics,
    pub(super) token: Option<Token>,
    /// Whether only this machine can connect.
    pub(super) loopback: bool,
    /// Places for streams.
    pub(super) streams: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new(telemetry: &Arc<Telemetry>, gallery: Gallery, settings: &Settings) -> Self {
        Self {
            telemetry: Arc::clone(telemetry),
            gallery,
            flow: Mutex::new(Flow::new(std::time::Instant::now())),
            metrics: Metrics::of(telemetry),
            token: settings.token.clone(),
            loopback: settings.address.ip().is_loopback(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
        }
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let behind_token = Router::new()
        .route("/restored.mjpg", get(watching::restored))
        .route("/input.mjpg", get(watching::input))
        .route("/both.mjpg", get(watching::both))
        .route("/snapshot.jpg", get(watching::snapshot))
        .route("/metrics", get(api::metrics))
        .route("/api/status", get(api::status))
        .route("/api/history", get(api::history))
        .route("/api/control", get(api::controls).post(api::control))
        .route_layer(from_fn_with_state(Arc::clone(&shared), guard::token));
    Router::new()
        .route("/", get(page::page))
        .route("/healthz", get(api::health))
        .merge(behind_token)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Arc::clone(&shared), guard::origin))
        .with_state(shared)
}

/// The running server.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens, and answers on a thread of its own from then on.
    pub(super) fn start(uri: &Uri, address: SocketAddr, shared: Arc<Shared>) -> Result<Self> {
        let fault = |e: std::io::Error| uri.fault(format!("the server can't start: {e}"));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(fault)?;
        let listener = {
            let _entered = runtime.enter();
            listen(address).map_err(|e| refused(uri, &e))?
        };
        let address = listener.local_addr().map_err(fault)?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("http".into())
            .spawn(move || serve(runtime, listener, router(shared), stopped))
            .map_err(fault)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// # Errors
    /// [`Error::Input`] where the server is no more.
    pub(super) fn check(&self) -> Result<()> {
        match &self.thread {
            Some(thread) if !thread.is_finished() => Ok(()),
            _ => Err(Error::Input(format!("the HTTP server on {} has ended", self.address))),
        }
    }

    /// Ends it; clients are cut off after [`GRACE`].
    pub(super) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the HTTP server on {} had panicked", self.address);
        }
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections of an earlier run that linger don't hold the port. Elsewhere than on Unix
    // the option would let two programs have it.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(64)
}

/// Runs until `stopped` is sent or dropped, and [`GRACE`] longer at the most.
fn serve(runtime: Runtime, listener: TcpListener, router: Router, stopped: oneshot::Receiver<()>) {
    runtime.block_on(async move {
        let (end, ended) = oneshot::channel::<()>();
        let service = router.into_make_service_with_connect_info::<Wire>();
        let serving =
            axum::serve(Door::new(listener), service).with_graceful_shutdown(async { drop(ended.await) });
        let serving = tokio::spawn(serving.into_future());
        let _ = stopped.await;
        drop(end);
        let _ = tokio::time::timeout(GRACE, serving).await;
    });
}
