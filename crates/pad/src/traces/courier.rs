//! The HTTP client that takes spans to the receiver.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use ureq::Agent;

/// Most bytes of a receiver's answer that are read.
const LONGEST_ANSWER: u64 = 64 << 10;

/// Sends batches and tells the log when they begin to fail, and when they arrive again: not for each of them.
#[derive(Debug)]
pub struct Courier {
    agent: Agent,
    /// Whether the last batch did not arrive.
    failing: AtomicBool,
}

impl Courier {
    /// A client whose requests may take so long.
    pub fn new(patience: Duration) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(Some(patience));
        Self { agent: config.build().into(), failing: AtomicBool::new(false) }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let (head, mut body) = self.agent.run(Request::from_parts(head, &body[..]))?.into_parts();
        let body = body.with_config().limit(LONGEST_ANSWER).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }

    /// Keeps account of what arrives.
    fn note(&self, sent: &Result<Response<Bytes>, HttpError>) {
        let why = match sent {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("status {}", response.status().as_u16())),
            Err(error) => Some(error.to_string()),
        };
        let failed_before = self.failing.swap(why.is_some(), Ordering::Relaxed);
        match why {
            Some(why) if !failed_before => {
                tracing::warn!(
                    why,
                    "traces do not reach their receiver (traces.endpoint); requests are served without"
                );
            }
            None if failed_before => tracing::info!("traces reach their receiver again"),
            _ => {}
        }
    }
}

/// Waits on the thread that calls it, which is the one of the SDK that sends batches.
#[async_trait]
impl HttpClient for Courier {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.send(request);
        self.note(&sent);
        sent
    }
}
