//! The one shape of every error, and the constructors of those that the server finds itself.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pad_api::{ErrorBody, ErrorDetail, ParseError};

/// An error as a client sees it: `{"error": {"message", "type", "param", "code"}}` with a status and, for some, a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    detail: Box<ErrorDetail>,
    header: Option<(HeaderName, HeaderValue)>,
}

/// OpenAI's classes of errors, which SDKs show.
const INVALID: &str = "invalid_request_error";
const RATE: &str = "rate_limit_error";
const UNAVAILABLE: &str = "service_unavailable_error";
const SERVER: &str = "server_error";

/// Seconds after which a refused client may try again.
const RETRY_AFTER: &str = "1";

impl ApiError {
    fn new(status: StatusCode, kind: &str, code: Option<&str>, message: impl Into<String>) -> Self {
        let detail =
            ErrorDetail { message: message.into(), kind: kind.to_owned(), param: None, code: code.map(str::to_owned) };
        Self { status, detail: Box::new(detail), header: None }
    }

    /// 400: the request's field `param` is wrong.
    pub fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID, None, message).about(param)
    }

    /// 400 with a code that programs look for.
    pub fn invalid_code(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID, Some(code), message)
    }

    /// 400: in the middle of the answer, its grammar exceeded the limits of what one may cost.
    pub fn form_too_complex(why: &str) -> Self {
        let message = format!(
            "the answer cannot be completed in the requested form: {why}; ask for a simpler schema, pattern or grammar \
             (`grammar.memory` in the server's settings bounds what one may take)"
        );
        Self::invalid_code("form_too_complex", message)
    }

    /// 400: not an HTTP request.
    pub fn no_request(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID, Some("bad_request"), message)
    }

    /// 401: no key, or none that is known.
    pub fn unauthorized(message: &str) -> Self {
        let error = Self::new(StatusCode::UNAUTHORIZED, INVALID, Some("invalid_api_key"), message);
        error.with_header(header::WWW_AUTHENTICATE, "Bearer")
    }

    /// 400: the header `Host` is not what it has to be.
    pub fn bad_host(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID, Some("invalid_host"), message)
    }

    /// 403: the server does not go by this name.
    pub fn host_not_allowed(name: &str) -> Self {
        let message = format!(
            "the host `{name}` is not allowed: a server without API keys accepts `localhost`, the address that it listens on, \
             and the names in `server.allowed_hosts`"
        );
        Self::new(StatusCode::FORBIDDEN, INVALID, Some("host_not_allowed"), message)
    }

    /// 403: a web page of another origin sends the request.
    pub fn origin_not_allowed(origin: &str) -> Self {
        let message = format!("web pages of the origin `{origin}` are not allowed: see `server.cors_origins`");
        Self::new(StatusCode::FORBIDDEN, INVALID, Some("origin_not_allowed"), message)
    }

    /// 404: no model has this name.
    pub fn model_not_found(name: &str, served: &str) -> Self {
        let message = format!("the model `{name}` does not exist; available: `{served}`");
        Self::new(StatusCode::NOT_FOUND, INVALID, Some("model_not_found"), message).about("model")
    }

    /// 404: no response of this id is remembered.
    pub fn response_not_found(id: &str) -> Self {
        let message = format!(
            "the response `{id}` is not stored: it had `store` false, was deleted, or newer responses took its place"
        );
        Self::new(StatusCode::NOT_FOUND, INVALID, Some("response_not_found"), message)
    }

    /// 404: no profile has this name.
    pub fn profile_not_found(name: &str) -> Self {
        let message = format!("there is no profile `{name}`, and nothing else is stored under this name");
        Self::new(StatusCode::NOT_FOUND, INVALID, Some("profile_not_found"), message)
    }

    /// 404: no answers are stored under this id.
    pub fn answers_not_found(id: &str) -> Self {
        let message = format!("nothing is stored as `{id}`: a chat completion is stored if its request has `store`");
        Self::new(StatusCode::NOT_FOUND, INVALID, Some("answers_not_found"), message).about("id")
    }

    /// 404: a profile has no feedback of this id that stands.
    pub fn feedback_not_found(id: &str) -> Self {
        let message = format!("the profile has no feedback `{id}`, or it was undone");
        Self::new(StatusCode::NOT_FOUND, INVALID, Some("feedback_not_found"), message)
    }

    /// 404: the server stores no profiles.
    pub fn nothing_stored() -> Self {
        let message = "this server stores no profiles: `store.url` is `none` in its settings";
        Self::new(StatusCode::NOT_FOUND, INVALID, Some("nothing_stored"), message)
    }

    /// 412: a profile is not in the state that the request's headers expect.
    pub fn profile_changed() -> Self {
        let message = "the profile is not in the state that `if-match` or `if-none-match` expects: read it again";
        Self::new(StatusCode::PRECONDITION_FAILED, INVALID, Some("profile_changed"), message)
    }

    /// 404: no route has this path.
    pub fn route_not_found(path: &str) -> Self {
        let message = match elsewhere(path) {
            Some(what) => format!("there is no route `{path}`: this server generates text and has no {what}"),
            None => format!("there is no route `{path}`"),
        };
        Self::new(StatusCode::NOT_FOUND, INVALID, Some("route_not_found"), message)
    }

    /// 405: the route has other methods; axum adds `allow`.
    pub fn method_not_allowed(method: &str, path: &str) -> Self {
        let message = format!("`{path}` does not allow {method}; see the `allow` header");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, INVALID, Some("method_not_allowed"), message)
    }

    /// 408: the head did not come in time.
    pub fn head_too_slow(seconds: u64) -> Self {
        let message = format!("the head of the request did not arrive within {seconds} seconds");
        Self::new(StatusCode::REQUEST_TIMEOUT, INVALID, Some("head_timeout"), message)
    }

    /// 408: the body did not come in time.
    pub fn body_too_slow(seconds: u64) -> Self {
        let message = format!("the body did not arrive within {seconds} seconds");
        Self::new(StatusCode::REQUEST_TIMEOUT, INVALID, Some("body_timeout"), message)
    }

    /// 413: the body is longer than the limit.
    pub fn body_too_large(limit: usize) -> Self {
        let message = format!("the body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, INVALID, Some("body_too_large"), message)
    }

    /// 414: the request's target is longer than what is read.
    pub fn target_too_long(limit: usize) -> Self {
        let message = format!("the path and query are longer than {limit} bytes");
        Self::new(StatusCode::URI_TOO_LONG, INVALID, Some("target_too_long"), message)
    }

    /// 431: the head is longer than the limit, or has more lines.
    pub fn head_too_large(bytes: usize, headers: usize) -> Self {
        let message =
            format!("the head of the request is larger than {bytes} bytes, or has more than {headers} headers");
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, INVALID, Some("head_too_large"), message)
    }

    /// 415: nothing says that the body is JSON.
    pub fn content_type_missing() -> Self {
        let message =
            "the header `Content-Type: application/json` is missing (with curl: -H 'Content-Type: application/json')";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID, Some("unsupported_content_type"), message)
    }

    /// 415: the body is said not to be JSON.
    pub fn unsupported_content_type(found: &str) -> Self {
        let message = format!(
            "the content type is `{found}`; allowed: `application/json` and `application/*+json` \
             (with curl: -H 'Content-Type: application/json')"
        );
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID, Some("unsupported_content_type"), message)
    }

    /// 415: the body is compressed.
    pub fn unsupported_content_encoding(found: &str) -> Self {
        let message =
            format!("the content encoding is `{found}`; allowed: an uncompressed body without `Content-Encoding`");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID, Some("unsupported_content_encoding"), message)
            .with_header(header::ACCEPT_ENCODING, "identity")
    }

    /// 429: the server or the key has as much to do as it may have.
    pub fn too_many_requests(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, RATE, Some(code), message)
            .with_header(header::RETRY_AFTER, RETRY_AFTER)
    }

    /// 503: nothing is taken, for now or for good.
    pub fn unavailable(code: &str, message: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE, Some(code), message);
        error.with_header(header::RETRY_AFTER, RETRY_AFTER)
    }

    /// 503: no request is taken any more.
    pub fn draining() -> Self {
        Self::unavailable("draining", "the server is shutting down")
    }

    /// 503: the answer is not complete, and the server ends.
    pub fn interrupted() -> Self {
        Self::unavailable("interrupted", "the server is shutting down and had no time to complete this answer")
    }

    /// An error that another part has made, in the one shape.
    pub(crate) fn other(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, if status.is_server_error() { SERVER } else { INVALID }, None, message)
    }

    /// 500: the fault is the server's.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, SERVER, Some("internal_error"), message)
    }

    /// Name the request's field that is at fault.
    #[must_use]
    pub fn about(mut self, param: &str) -> Self {
        self.detail.param = Some(param.to_owned());
        self
    }

    /// Tell how long the client should wait before it tries again, in whole seconds.
    #[must_use]
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.header = Some((header::RETRY_AFTER, HeaderValue::from(wait.as_secs_f64().ceil().max(1.0) as u64)));
        self
    }

    fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, HeaderValue::from_static(value)));
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body, which a stream that fails half-way sends as an event.
    pub fn body(&self) -> ErrorBody {
        ErrorBody { error: (*self.detail).clone() }
    }
}

/// What a route of OpenAI's is about that this server does not have.
fn elsewhere(path: &str) -> Option<&'static str> {
    const ROUTES: [(&str, &str); 12] = [
        ("moderations", "moderation"),
        ("images", "images"),
        ("audio", "audio"),
        ("videos", "videos"),
        ("files", "stored files"),
        ("uploads", "stored files"),
        ("batches", "batches; send the requests themselves"),
        ("fine_tuning", "training over HTTP; see `pad train`"),
        ("assistants", "assistants; use `/v1/responses`"),
        ("threads", "assistants; use `/v1/responses`"),
        ("vector_stores", "stored files"),
        ("realtime", "speech"),
    ];
    let name = path.strip_prefix("/v1/")?.split('/').next()?;
    ROUTES.iter().find(|(route, _)| *route == name).map(|(_, what)| *what)
}

impl From<ParseError> for ApiError {
    fn from(error: ParseError) -> Self {
        let bad = Self::new(StatusCode::BAD_REQUEST, INVALID, None, error.message);
        match error.param {
            // A weight is part of the preference, an entry part of the map: clients look for that one name.
            Some(param) if param.starts_with("preference") => bad.about("preference"),
            Some(param) if param.starts_with("logit_bias") => bad.about("logit_bias"),
            Some(param) => bad.about(&param),
            None => bad,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
