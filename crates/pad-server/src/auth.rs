//! Authentication: the bearer token, checked before the request's body is read.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use pad_store::Scope;

use crate::grant::Grant;
use crate::state::Shared;
use crate::{ApiError, ApiKey, ApiKeys};

/// Who sent a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The key that it came with; none where the server is open to everyone.
    key: Option<ApiKey>,
    /// All keys.
    keys: ApiKeys,
}

impl Caller {
    /// The key that the request came with.
    pub(crate) fn key(&self) -> Option<&ApiKey> {
        self.key.as_ref()
    }

    /// Whose data kept between requests these are.
    pub(crate) fn scope(&self) -> Scope {
        self.key.as_ref().map_or_else(Scope::common, ApiKey::scope)
    }

    /// A place for one choice, if there are tokens for it, as far as the caller has limits. What more a request takes is for
    /// [`Grant::admit`].
    ///
    /// # Errors
    /// 429 where a limit is reached.
    pub(crate) fn acquire(&self) -> Result<Grant, ApiError> {
        Grant::new(self.key.as_ref(), &self.keys)
    }
}

/// Refuse a request without a known key, tell the handler whose it is, and the client what is left of the key's limits.
pub(crate) async fn require_key(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let caller = caller(&shared.state.keys, request.headers())?;
    let key = caller.key.clone();
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    if let Some(key) = key {
        key.tell(response.headers_mut());
    }
    Ok(response)
}

fn caller(keys: &ApiKeys, headers: &HeaderMap) -> Result<Caller, ApiError> {
    if keys.open() {
        return Ok(Caller { key: None, keys: keys.clone() });
    }
    let secret =
        bearer(headers).ok_or_else(|| ApiError::unauthorized("send an API key as `Authorization: Bearer KEY`"))?;
    let key = keys.find(secret).ok_or_else(|| ApiError::unauthorized("unknown API key"))?;
    Ok(Caller { key: Some(key.clone()), keys: keys.clone() })
}

/// The token of `Authorization: Bearer TOKEN`; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn status(keys: &ApiKeys, authorization: Option<&'static str>) -> u16 {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        caller(keys, &headers).map_or_else(|error| error.status().as_u16(), |_| 200)
    }

    #[test]
    fn bearer_tokens_are_checked() {
        let keys = ApiKeys::new([ApiKey::new("alpha")]);
        assert_eq!(status(&keys, Some("Bearer alpha")), 200);
        assert_eq!(status(&keys, Some("bearer  alpha ")), 200);
        for wrong in
            [None, Some("Bearer beta"), Some("alpha"), Some("Basic alpha"), Some("Bearer "), Some("Bearer Alpha")]
        {
            assert_eq!(status(&keys, wrong), 401, "{wrong:?}");
        }
    }

    #[test]
    fn without_keys_everyone_is_let_in() {
        assert_eq!(status(&ApiKeys::default(), None), 200);
        assert_eq!(status(&ApiKeys::default(), Some("Bearer anything")), 200);
    }
}
