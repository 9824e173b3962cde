//! Connections: accepted if there is a place, encrypted if there is a certificate, served, and closed when their answers are
//! complete.

mod answer_body;
mod places;
mod protocol_error;
mod source;
mod transport;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tower::ServiceExt;

use crate::head::MOST_HEADERS;
use crate::probes::PROBES;
use crate::state::RequestLimits;
use crate::tls::Tls;
use crate::{ApiError, request_id};

pub use places::ConnectionLimits;
pub(crate) use places::Places;
use places::{Ask, Place};
pub(crate) use source::Source;
use transport::Transport;

/// The least that the protocol's reader takes.
const SMALLEST_BUFFER: usize = 8 << 10;

/// How every connection is served.
#[derive(Clone)]
pub(crate) struct Service {
    /// Encryption, where there is a certificate.
    pub(crate) tls: Option<Tls>,
    /// All routes.
    pub(crate) app: Router,
    /// How much a request may be.
    pub(crate) limits: RequestLimits,
}

/// Serve connections for as long as this is awaited. Connections go on by themselves afterwards; see [`Places::close`].
pub(crate) async fn accept<S: Source>(mut source: S, service: Service, places: Arc<Places>) {
    loop {
        let io = source::next(&mut source, &places).await;
        let place = places.take().await;
        tokio::spawn(service.clone().serve(io, Arc::new(place)));
    }
}

impl Service {
    async fn serve(self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, place: Arc<Place>) {
        match self.tls.clone() {
            None => self.speak(io, place).await,
            Some(tls) => {
                let handshake = tokio::time::timeout(self.limits.head_time, tls.0.accept(io));
                let secured = tokio::select! {
                    secured = handshake => secured,
                    () = place.told_to_end() => return,
                };
                match secured {
                    Ok(Ok(io)) => self.speak(io, place).await,
                    Ok(Err(error)) => tracing::debug!(%error, "the TLS handshake failed"),
                    Err(_) => tracing::debug!("a client did not finish its handshake"),
                }
            }
        }
    }

    /// HTTP, until either side has had enough.
    async fn speak(self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, place: Arc<Place>) {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_time)
            .max_headers(MOST_HEADERS)
            .max_buf_size(self.limits.head_bytes.max(SMALLEST_BUFFER));
        let transport = Transport::new(io, Arc::clone(&place), self.limits);
        let (app, answering) = (self.app, Arc::clone(&place));
        let service = service_fn(move |request| answer(app.clone(), Arc::clone(&answering), request));
        let mut connection = builder.serve_connection(TokioIo::new(transport), service);
        let ended = loop {
            tokio::select! {
                biased;
                ended = &mut connection => break ended,
                ask = place.asked_to_end() => match ask {
                    Ask::End => return,
                    Ask::EndSoon => std::pin::Pin::new(&mut connection).graceful_shutdown(),
                },
            }
        };
        let Err(error) = ended else { return };
        tracing::debug!(%error, "a connection broke");
        let http1::Parts { io, read_buf, .. } = connection.into_parts();
        let transport = io.into_inner();
        // Where it does not answer at all.
        if error.is_timeout() && !read_buf.is_empty() {
            transport.end_with(&ApiError::head_too_slow(self.limits.head_time.as_secs())).await;
        } else if error.is_parse() && transport.heard().starts_with(b"PRI ") {
            transport.end_with(&ApiError::no_request("this server speaks HTTP/1.1, not HTTP/2")).await;
        }
    }
}

/// Answer one request. Its connection is not idle until the answer is complete.
async fn answer(app: Router, place: Arc<Place>, request: Request<Incoming>) -> Result<Response, Infallible> {
    if !place.spare() {
        let answering = place.answer();
        let response = app.oneshot(request.map(Body::new)).await?;
        return Ok(answer_body::hold(response, answering));
    }
    // On a spare place only those are answered who watch over the server, and none has a second request.
    let mut response = if PROBES.contains(&request.uri().path()) {
        let answering = place.answer();
        answer_body::hold(app.oneshot(request.map(Body::new)).await?, answering)
    } else {
        let message = "all connections are in use";
        let mut response = ApiError::unavailable("too_many_connections", message).into_response();
        request_id::name(&mut response);
        response
    };
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Ok(response)
}
