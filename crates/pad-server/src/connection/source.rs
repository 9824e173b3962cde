//! Where connections come from.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use super::places::Places;

/// How long to wait before the system is asked again for what it has just refused.
const PAUSE: Duration = Duration::from_millis(50);

/// Something that accepts connections.
pub(crate) trait Source: Send + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection.
    ///
    /// # Errors
    /// Where one could not be accepted; the next may be.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

impl Source for TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<TcpStream> {
        let (stream, _) = Self::accept(self).await?;
        // Chunks are small and must not wait for each other.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        Ok(stream)
    }
}

/// The next connection. If the process has no file descriptor left for it, the connection that is idle longest is closed.
pub(crate) async fn next<S: Source>(source: &mut S, places: &Places) -> S::Io {
    loop {
        match source.accept().await {
            Ok(io) => return io,
            // It went before it was accepted.
            Err(error) if is_gone(&error) => {}
            Err(error) => {
                let closed = places.evict_longest_idle();
                tracing::warn!(%error, closed, "a connection could not be accepted; an idle one is closed for it");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
