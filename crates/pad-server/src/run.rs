//! Serves until a shutdown is requested, and then until the running requests are answered.

use std::future::Future;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::connection::{Places, Service, Source, accept};
use crate::lifecycle::Phase;
use crate::{AppState, Tls};

/// How long clients may take to read that their answers were interrupted.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every request that was taken was answered.
    Complete,
    /// Some answers were interrupted.
    Interrupted,
}

/// Serve on `listener` until `shutdown` resolves; over TLS where there is a certificate.
///
/// Then `/ready` answers 503, and for `limits.lame_duck` that is all. After that the engine takes nothing new: requests answer 503
/// while the running ones are answered. Once the engine is idle the listener and all connections are closed that have no answer to
/// wait for, and the function returns when the others have got their last bytes.
///
/// Where that is not done within `limits.drain`, or once `at_once` resolves, unfinished requests are interrupted: streams get an error
/// event and their end, other requests a 503.
pub async fn run(
    listener: TcpListener,
    tls: Option<Tls>,
    state: AppState,
    shutdown: impl Future<Output = ()>,
    at_once: impl Future<Output = ()>,
) -> Ended {
    serve(listener, tls, state, shutdown, at_once).await
}

/// The same over anything that connections come from.
pub(crate) async fn serve<S: Source>(
    source: S,
    tls: Option<Tls>,
    state: AppState,
    shutdown: impl Future<Output = ()>,
    at_once: impl Future<Output = ()>,
) -> Ended {
    let (engine, limits, lifecycle) = (state.engine.clone(), state.limits, state.lifecycle.clone());
    let places = Places::new(limits.connections);
    let service = Service { tls, app: crate::app(state), limits };
    let leave = async {
        shutdown.await;
        tracing::info!("shutting down: finishing running requests");
        // Not even for a moment where there is no such time.
        if !limits.lame_duck.is_zero() {
            lifecycle.enter(Phase::Leaving);
            sleep(limits.lame_duck).await;
        }
        lifecycle.enter(Phase::Draining);
        engine.drain();
        let end = Instant::now() + limits.drain;
        // Where it is not idle then, its requests are broken off below.
        let _ = timeout_at(end, engine.idle()).await;
        end
    };
    let complete = async {
        let end = tokio::select! {
            () = accept(source, service, places.clone()) => Instant::now(),
            end = leave => end,
        };
        places.close();
        timeout_at(end, places.empty()).await.is_ok()
    };
    let complete = tokio::select! {
        complete = complete => complete,
        () = at_once => false,
    };
    let running = places.busy();
    if complete || running == 0 {
        return Ended::Complete;
    }
    tracing::warn!(running, "interrupting unfinished answers: their time is over");
    lifecycle.enter(Phase::Interrupting);
    places.close();
    // A client that does not read is not waited for.
    let _ = timeout(LAST_WORDS, places.empty()).await;
    Ended::Interrupted
}
