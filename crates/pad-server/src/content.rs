//! What a body may be: JSON, and not compressed.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::ApiError;

/// Check what the headers say of a body.
///
/// A content type is asked for, since a browser lets every web page send a body without one, or of a few other types, to any server.
///
/// # Errors
/// 415 if the content type is another one or missing.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter().peekable();
    if types.peek().is_none() {
        return Err(ApiError::content_type_missing());
    }
    if let Some(other) = types.find(|value| !is_json(value)) {
        return Err(ApiError::unsupported_content_type(&shown(other)));
    }
    match headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .find(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        Some(encoding) => Err(ApiError::unsupported_content_encoding(&shown(encoding))),
        None => Ok(()),
    }
}

/// `application/json` or `application/*+json`, with any parameters.
fn is_json(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else { return false };
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some(subtype) = essence.strip_prefix("application/") else { return false };
    let name = subtype.strip_suffix("+json").unwrap_or(if subtype == "json" { "json" } else { "" });
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
}

fn shown(value: &HeaderValue) -> String {
    value.as_bytes().iter().take(100).flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn json_is_json_whatever_is_said_beside_it() {
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=UTF-8",
            "application/vnd.api+json",
            "application/problem+json; x=y",
        ] {
            assert!(check(&headers(&[("content-type", good)])).is_ok(), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "text/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/jsonp",
            "application/+json",
            "json",
            "text/plain; application/json",
            "text/plain, application/json",
            "application/json, text/plain",
        ] {
            let error = check(&headers(&[("content-type", bad)])).unwrap_err();
            assert_eq!(error.status().as_u16(), 415, "{bad}");
            assert!(error.body().error.message.contains("application/json"), "{error:?}");
        }
        let twice = headers(&[("content-type", "application/json"), ("content-type", "text/plain")]);
        assert!(check(&twice).is_err());
        let missing = check(&HeaderMap::new()).unwrap_err().body().error.message;
        assert!(missing.contains("Content-Type: application/json"), "{missing}");
    }

    #[test]
    fn a_compressed_body_is_refused() {
        let encoded =
            |encoding| check(&headers(&[("content-type", "application/json"), ("content-encoding", encoding)]));
        assert!(encoded("identity").is_ok());
        for bad in ["gzip", "br", "deflate, gzip", "aws-chunked"] {
            let error = encoded(bad).unwrap_err();
            assert!(error.status() == 415 && error.body().error.message.contains(bad), "{error:?}");
        }
    }
}
