//! The bytes of a connection: answers that hyper would make are replaced, and a client that does not read is disconnected.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::Buf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::places::{Busy, Place};
use super::protocol_error;
use crate::ApiError;
use crate::state::RequestLimits;

/// How long what a client still sends is read and thrown away once its connection is being closed, and how much of it: a client
/// that is sending sees no answer, but a broken connection, where the server closes on it.
const LINGER: (Duration, usize) = (Duration::from_secs(1), 1 << 20);

/// How much of a connection's beginning is kept.
const HEARD: usize = 4;

/// A connection's stream of bytes.
pub(super) struct Transport<I> {
    io: I,
    place: Arc<Place>,
    limits: RequestLimits,
    /// The first bytes that came.
    heard: Vec<u8>,
    /// Our own answer instead of hyper's, as far as it is not yet sent.
    own: Bytes,
    answered: bool,
    /// The client does not take what is written: until when it may.
    stalled: Option<(Pin<Box<Sleep>>, Busy)>,
    lingering: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Transport<I> {
    pub(super) fn new(io: I, place: Arc<Place>, limits: RequestLimits) -> Self {
        let (heard, own) = (Vec::with_capacity(HEARD), Bytes::new());
        Self { io, place, limits, heard, own, answered: false, stalled: None, lingering: None }
    }

    /// What the connection began with.
    pub(super) fn heard(&self) -> &[u8] {
        &self.heard
    }

    /// Answer where hyper did not, and close.
    pub(super) async fn end_with(mut self, error: &ApiError) {
        if !std::mem::replace(&mut self.answered, true) {
            self.own = protocol_error::answer(error);
        }
        // A client that has disconnected gets no answer.
        let _ = std::future::poll_fn(|context| Pin::new(&mut self).poll_shutdown(context)).await;
    }

    /// What a write came to; a client that takes nothing for too long is an error.
    fn settle<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let (place, patience) = (&self.place, self.limits.write_time);
        let (until, _) =
            self.stalled.get_or_insert_with(|| (Box::pin(sleep_until(Instant::now() + patience)), place.busy()));
        ready!(until.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answer")))
    }

    /// Send our own answer.
    fn poll_own(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.own.has_remaining() {
            let written = Pin::new(&mut self.io).poll_write(context, &self.own);
            match ready!(self.settle(written, context))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.own.advance(count),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Read to no use until the client has closed, too, or for as long as is reasonable.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (until, left) =
            self.lingering.get_or_insert_with(|| (Box::pin(sleep_until(Instant::now() + LINGER.0)), LINGER.1));
        let mut bytes = [0; 4096];
        while *left > 0 {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.io).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    *left = left.saturating_sub(buffer.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return until.as_mut().poll(context),
            }
        }
        Poll::Ready(())
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Transport<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        let missing = HEARD - self.heard.len();
        if missing > 0 {
            self.heard.extend(buffer.filled()[before..].iter().take(missing));
        }
        read
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Transport<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut count = bytes.len();
        if !self.place.answering()
            && let Some((begin, status)) = protocol_error::find(bytes)
        {
            if begin == 0 {
                let error = protocol_error::error(status, &self.heard, self.limits.head_bytes);
                self.own = protocol_error::answer(&error);
                self.answered = true;
                return Poll::Ready(Ok(bytes.len()));
            }
            count = begin;
        }
        let written = Pin::new(&mut self.io).poll_write(context, &bytes[..count]);
        self.settle(written, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_own(context))?;
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        self.settle(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(self.poll_own(context))?;
            let shut = Pin::new(&mut self.io).poll_shutdown(context);
            ready!(self.settle(shut, context))?;
        }
        ready!(self.poll_linger(context));
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.place.answering() {
            let first = slices.iter().find(|slice| !slice.is_empty());
            return self.poll_write(context, first.map_or(&[], |slice| slice));
        }
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.settle(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
