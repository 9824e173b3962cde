//! Connections without a network.

use std::io;

use tokio::io::DuplexStream;
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::connection::Source;

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

impl Source for MemoryListener {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<DuplexStream> {
        match self.0.recv().await {
            Some(stream) => Ok(stream),
            None => std::future::pending().await,
        }
    }
}
