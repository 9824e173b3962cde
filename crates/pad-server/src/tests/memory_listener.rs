//! Connections without a network.

use std::io;

use axum::serve::Listener;
use tokio::io::DuplexStream;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// Where clients connect.
#[derive(Clone)]
pub(super) struct Dialer(Sender<DuplexStream>);

/// Where the server accepts.
pub(super) struct MemoryListener(Receiver<DuplexStream>);

/// Both ends.
pub(super) fn listener() -> (Dialer, MemoryListener) {
    let (sender, receiver) = mpsc::channel(8);
    (Dialer(sender), MemoryListener(receiver))
}

impl Dialer {
    /// A new connection; an error once the server accepts no more.
    pub(super) async fn dial(&self) -> io::Result<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        self.0.send(theirs).await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(ours)
    }
}

impl Listener for MemoryListener {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(stream) => (stream, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}
