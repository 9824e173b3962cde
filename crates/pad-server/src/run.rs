//! Serving until told to stop, and then until the running streams are finished.

use std::future::{Future, IntoFuture};
use std::io;
use std::time::Duration;

use axum::serve::{Listener, ListenerExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::AppState;

/// Serve on `listener` until `shutdown` resolves.
///
/// Then the engine takes nothing new: `/ready` and new requests answer 503 while the running streams finish. Once the engine
/// is idle the listener is closed, and the function returns when every connection has got its last bytes, or when
/// `limits.drain` is over.
///
/// # Errors
/// Where the listener fails.
pub async fn run(
    listener: TcpListener,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    // Chunks are small and must not wait for each other.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
    });
    serve(listener, state, shutdown).await
}

/// The same over anything that connections come from.
pub(crate) async fn serve<L>(
    listener: L,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()>
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    let (engine, patience) = (state.engine.clone(), state.limits.drain);
    let (begin, begun) = oneshot::channel();
    let idle = async move {
        shutdown.await;
        tracing::info!("shutting down: running streams finish, nothing new is taken");
        engine.drain();
        // The other end is gone only if serving is over already.
        let _ = begin.send(());
        engine.idle().await;
    };
    let serving = axum::serve(listener, crate::app(state)).with_graceful_shutdown(idle);
    tokio::select! {
        served = serving.into_future() => served,
        () = overdue(begun, patience) => {
            tracing::warn!(seconds = patience.as_secs(), "streams still ran when the time to finish was over");
            Ok(())
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
