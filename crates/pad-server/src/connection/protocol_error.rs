//! Answers to malformed HTTP: hyper's have no body, and every error of this server has one.

use axum::body::Bytes;
use axum::http::StatusCode;

use crate::ApiError;
use crate::head::MOST_HEADERS;

/// The longest target of a request that hyper reads.
const LONGEST_TARGET: usize = 65_534;

/// What a connection begins with that speaks something else.
const TLS_HANDSHAKE: &[u8] = &[0x16, 0x03];

/// Where hyper's own answer begins in bytes that it writes between two answers of this server, and its status. It is the last
/// thing that hyper writes. Answers of this server all have a request id.
pub(super) fn find(bytes: &[u8]) -> Option<(usize, StatusCode)> {
    const BEGIN: &[u8] = b"HTTP/1.1 4";
    if !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let begin = bytes.windows(BEGIN.len()).rposition(|window| window == BEGIN)?;
    let head = std::str::from_utf8(&bytes[begin..]).ok()?;
    let alone = head.find("\r\n\r\n") == Some(head.len() - 4);
    let empty = head.contains("\r\ncontent-length: 0\r\n") && !head.contains("\r\nx-request-id:");
    let status = StatusCode::from_bytes(head.as_bytes().get(9..12)?).ok()?;
    (alone && empty).then_some((begin, status))
}

/// The answer to send instead; `heard` holds the first bytes of the connection.
pub(super) fn error(status: StatusCode, heard: &[u8], head_limit: usize) -> ApiError {
    match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ApiError::head_too_large(head_limit, MOST_HEADERS),
        StatusCode::URI_TOO_LONG => ApiError::target_too_long(LONGEST_TARGET),
        _ if heard.starts_with(TLS_HANDSHAKE) => {
            ApiError::no_request("this port serves plain HTTP, but the client used TLS: use `http://`")
        }
        _ => ApiError::no_request(
            "this is not a valid HTTP/1.1 request: its first line, a header or the length of its body cannot be parsed",
        ),
    }
}

/// The whole answer, as it goes over the wire.
pub(super) fn answer(error: &ApiError) -> Bytes {
    let body = serde_json::to_string(&error.body()).unwrap_or_default();
    let status = error.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let id = crate::request_id::random();
    let head = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\nx-request-id: {id}\r\n\r\n",
        status.as_u16(),
        body.len()
    );
    (head + &body).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANNED: &str =
        "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";

    #[test]
    fn hypers_answer_is_found_behind_what_was_not_yet_sent() {
        assert_eq!(find(CANNED.as_bytes()), Some((0, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)));
        let behind = format!("the end of a body{CANNED}");
        assert_eq!(find(behind.as_bytes()), Some((17, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)));
    }

    #[test]
    fn answers_of_the_server_are_left_alone() {
        let ours = CANNED.replace("date: x", "x-request-id: y");
        let with_body = CANNED.replace("length: 0", "length: 2") + "{}";
        for bytes in [ours.as_str(), with_body.as_str(), "HTTP/1.1 100 Continue\r\n\r\n", "{}", ""] {
            assert_eq!(find(bytes.as_bytes()), None, "{bytes}");
        }
    }
}
