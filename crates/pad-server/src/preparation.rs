//! Preparing a request: work on its texts that takes too long for a thread that serves requests.

use tracing::Span;

use crate::ApiError;

/// Runs work on a thread that may block, so that other requests do not wait for it; what it logs has the request's name. If the client
/// goes away meanwhile, the work still runs to its end.
///
/// # Errors
/// The work's own; 500 if it panicked.
pub(crate) async fn prepare<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, ApiError>
where
    T: Send + 'static,
    E: Into<ApiError> + Send + 'static,
{
    let span = Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(ApiError::internal("the request could not be prepared")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_internal_error() {
        assert_eq!(prepare(|| Ok::<_, ApiError>(1)).await.ok(), Some(1));
        let refused = prepare(|| Err::<(), _>(ApiError::invalid("a", "b"))).await.expect_err("an error");
        assert_eq!(refused.status().as_u16(), 400);
        let panicked = prepare(|| -> Result<(), ApiError> { panic!("on purpose") }).await.expect_err("a panic");
        assert_eq!(panicked.status().as_u16(), 500);
    }
}
