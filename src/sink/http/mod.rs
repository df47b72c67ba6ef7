//! The picture in a browser, and the loop's state for programs.
//!
//! | path | answer |
//! |---|---|
//! | `/` | the page |
//! | `/restored.mjpg`, `/input.mjpg` | Motion JPEG |
//! | `/both.mjpg` | each frame as two parts, `X-Picture: input` and `restored` |
//! | `/snapshot.jpg`, `/snapshot.jpg?input` | the next frame |
//! | `/api/status` | [`crate::telemetry::Status`] as JSON |
//! | `/api/history` | the age of frames over the last minute, JSON |
//! | `/api/control` | what users ask for: GET, or POST of `{"bypass": true, "task": "dehaze"}` |
//! | `/metrics` | for Prometheus |
//! | `/healthz` | 200 while frames flow, else 503 and the reason |
//!
//! With a token (`?token=` of the sink's URI, or `VLUNET_HTTP_TOKEN`) all but the page and
//! `/healthz` take it, as `Authorization: Bearer TOKEN` or `?token=TOKEN`; an address that other
//! machines reach is refused without one. There is no TLS: on a network that isn't yours, put a
//! proxy before it.
//!
//! Frames are encoded on the sink's thread, each picture once for all clients and only while
//! there are any. The page takes both pictures from one connection, numbered, rather than as one
//! stacked picture or two `<img>`: so before and after are always of the same frame, a picture is
//! still encoded once whoever else watches, and the token stays out of URLs.

mod address;
mod api;
mod client;
mod flow;
mod guard;
mod metrics;
mod page;
mod pictures;
mod server;
mod stream;
mod token;
mod watching;

use super::{Output, Sink};
use crate::Result;
use crate::telemetry::Telemetry;
use crate::uri::Uri;
use address::Settings;
use pictures::Studio;
use server::{Server, Shared};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

/// Shows frames to browsers.
pub(super) struct Http {
    /// Gone once the stream has ended: that ends the clients' streams.
    studio: Option<Studio>,
    shared: Arc<Shared>,
    server: Server,
}

impl Http {
    pub(super) fn open(mut uri: Uri, telemetry: &Arc<Telemetry>) -> Result<Box<dyn Sink>> {
        let settings = Settings::read(&mut uri)?;
        let (studio, gallery) = pictures::studio(settings.quality);
        let shared = Arc::new(Shared::new(telemetry, gallery, &settings));
        let server = Server::start(&uri, settings.address, Arc::clone(&shared))?;
        log::info!("the live picture is at http://{}", server.address);
        Ok(Box::new(Self { studio: Some(studio), shared, server }))
    }

    fn end(&mut self) {
        self.studio = None;
        self.server.stop();
    }
}

impl Sink for Http {
    fn put(&mut self, output: &Output) -> Result<()> {
        self.server.check()?;
        let mut flow = self.shared.flow.lock().unwrap_or_else(PoisonError::into_inner);
        flow.add(output.input.captured, Instant::now());
        drop(flow);
        self.studio.as_mut().map_or(Ok(()), |studio| studio.show(output))
    }

    fn describe(&self) -> String {
        format!("http://{}", self.server.address)
    }

    fn finish(&mut self) -> Result<()> {
        self.end();
        Ok(())
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.end();
    }
}
