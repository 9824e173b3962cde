//! `GET /docs`: the API for people, to read and to try. The page is in the binary and sends requests only to this server.

use axum::http::header;
use axum::response::IntoResponse;

const PAGE: &str = include_str!("../assets/docs.html");

/// What the page may load: itself, and answers of this server.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Show the API as a page. No key is needed; the description that it loads needs one if the server has keys.
#[utoipa::path(
    get, path = "/docs", tag = "Operation", operation_id = "docs", security(()),
    responses((status = 200, description = "The page.", body = String, content_type = "text/html"))
)]
pub(crate) async fn page() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, PAGE)
}

#[cfg(test)]
mod tests {
    use crate::tests::client;

    #[tokio::test]
    async fn the_page_is_whole_and_asks_nobody_else() {
        let answer = client::get(&crate::tests::server::app(), "/docs").await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["content-type"]),
            (200, &"text/html; charset=utf-8".parse().unwrap())
        );
        assert!(answer.text.contains("</html>") && answer.text.contains("/openapi.json"));
        for elsewhere in ["http://", "https://", "src=", "@import", "innerHTML"] {
            assert!(!answer.text.contains(elsewhere), "{elsewhere}");
        }
    }
}
