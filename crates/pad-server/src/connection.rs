//! Connections: accepted, secured where there is a certificate, served, and closed when their answers are complete.

use std::future::Future;
use std::pin::pin;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::state::RequestLimits;
use crate::tls::Tls;

/// Header lines of a request; more are answered with 431.
const MOST_HEADERS: usize = 100;

/// Serve connections until `shutdown` resolves. Then the listener is dropped, idle connections are closed, and the function
/// returns when the others have got their last bytes.
pub(crate) async fn accept<L: Listener>(
    mut listener: L,
    tls: Option<Tls>,
    app: Router,
    limits: RequestLimits,
    shutdown: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let io = tokio::select! {
            (io, _) = listener.accept() => io,
            () = &mut shutdown => break,
        };
        let (app, watcher) = (app.clone(), graceful.watcher());
        match tls.clone() {
            None => tokio::spawn(serve(io, app, limits, watcher)),
            Some(tls) => tokio::spawn(secure(io, tls, app, limits, watcher)),
        };
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Shake hands, then serve. A client that does not get that far in time is let go.
async fn secure(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    tls: Tls,
    app: Router,
    limits: RequestLimits,
    watcher: Watcher,
) {
    match tokio::time::timeout(limits.head_time, tls.0.accept(io)).await {
        Ok(Ok(io)) => serve(io, app, limits, watcher).await,
        Ok(Err(error)) => tracing::debug!(%error, "no secure connection"),
        Err(_) => tracing::debug!("a client did not finish its handshake"),
    }
}

async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    app: Router,
    limits: RequestLimits,
    watcher: Watcher,
) {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_headers(MOST_HEADERS)
        .max_buf_size(limits.head_bytes.max(SMALLEST_BUFFER));
    let connection = builder.serve_connection(TokioIo::new(io), TowerToHyperService::new(app));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection broke");
    }
}

/// The least that the protocol's reader takes.
const SMALLEST_BUFFER: usize = 8 << 10;
