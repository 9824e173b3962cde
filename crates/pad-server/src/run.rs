//! Serving until told to stop, and then until the running streams are finished.

use std::future::Future;
use std::time::Duration;

use axum::serve::{Listener, ListenerExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::{AppState, Tls, connection};

/// Serve on `listener` until `shutdown` resolves; over TLS where there is a certificate.
///
/// Then the engine takes nothing new: `/ready` and new requests answer 503 while the running streams finish. Once the engine
/// is idle the listener is closed, and the function returns when every connection has got its last bytes, or when
/// `limits.drain` is over.
pub async fn run(
    listener: TcpListener,
    tls: Option<Tls>,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    // Chunks are small and must not wait for each other.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
    });
    serve(listener, tls, state, shutdown).await;
}

/// The same over anything that connections come from.
pub(crate) async fn serve<L: Listener>(
    listener: L,
    tls: Option<Tls>,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let (engine, limits) = (state.engine.clone(), state.limits);
    let (begin, begun) = oneshot::channel();
    let idle = async move {
        shutdown.await;
        tracing::info!("shutting down: running streams finish, nothing new is taken");
        engine.drain();
        // The other end is gone only if serving is over already.
        let _ = begin.send(());
        engine.idle().await;
    };
    tokio::select! {
        () = connection::accept(listener, tls, crate::app(state), limits, idle) => {}
        () = overdue(begun, limits.drain) => {
            tracing::warn!(seconds = limits.drain.as_secs(), "streams still ran when the time to finish was over");
        }
    }
}

/// Resolves when `patience` has passed since the shutdown began.
async fn overdue(begun: oneshot::Receiver<()>, patience: Duration) {
    match begun.await {
        Ok(()) => tokio::time::sleep(patience).await,
        Err(_) => std::future::pending().await,
    }
}
