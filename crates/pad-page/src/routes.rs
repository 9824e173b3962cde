//! The routes: the page at `/`, and each of its files below `/page/VERSION`. A browser keeps the files of a version, so that a second
//! visit asks for the page alone.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum::routing::get;

use crate::asset::{self, Asset, Keeping};
use crate::document::{Document, FILES, INDEX};

/// One route for each file, so that any other path stays the server's own.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let (page, version) = (Kept::new(Document::read), Kept::new(asset::version));
    let mut router =
        Router::new().route("/", get(async move |headers: HeaderMap| page.with(|page| answer(page, &headers))));
    for name in asset::names().filter(|name| name != INDEX) {
        let path = format!("/{FILES}/{{version}}/{name}");
        let file = Kept::new(move || Asset::read(&name).unwrap_or_default());
        let version = Arc::clone(&version);
        let respond = async move |Path(asked): Path<String>, headers: HeaderMap| {
            // Another version's page may still be open: it gets what there is, and keeps it as nothing else.
            let keeping = if version.with(|version| *version == asked) { Keeping::Forever } else { Keeping::Asked };
            file.with(|file| file.respond(&headers, keeping))
        };
        router = router.route(&path, get(respond));
    }
    router
}

/// Something that is prepared when it is first asked for.
struct Kept<T> {
    read: Box<dyn Fn() -> T + Send + Sync>,
    kept: OnceLock<T>,
}

impl<T> Kept<T> {
    /// Shared, since handlers are cloned.
    fn new(read: impl Fn() -> T + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { read: Box::new(read), kept: OnceLock::new() })
    }

    fn with<R>(&self, look: impl Fn(&T) -> R) -> R {
        // A debug build reads the folder anew, since somebody works on the page.
        if cfg!(debug_assertions) {
            return look(&(self.read)());
        }
        look(self.kept.get_or_init(|| (self.read)()))
    }
}

fn answer(page: &Document, request: &HeaderMap) -> Response {
    let mut response = page.asset.respond(request, Keeping::Asked);
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&page.policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    response
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG};
    use axum::http::{Request, StatusCode};
    use tower::ServiceExt;

    use super::*;

    /// The module that asks for the others.
    const START: &str = "start.js";

    /// Where a file is now.
    fn at(name: &str) -> String {
        format!("/{FILES}/{}/{name}", asset::version())
    }

    async fn get(path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Vec<u8>) {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = routes().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        (head.status, head.headers, to_bytes(body, usize::MAX).await.unwrap().to_vec())
    }

    #[tokio::test]
    async fn the_page_comes_with_its_policy_and_each_file_with_its_kind() {
        let (status, headers, page) = get("/", &[]).await;
        assert_eq!(
            (status, &headers[CONTENT_TYPE]),
            (StatusCode::OK, &HeaderValue::from_static("text/html; charset=utf-8"))
        );
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self' 'sha256-"), "{policy}");
        assert!(String::from_utf8(page).unwrap().contains("<style>"));
        for (name, kind) in
            [("app.js", "text/javascript"), ("style.css", "text/css"), ("vendor/README.md", "text/plain")]
        {
            let path = at(name);
            let (status, headers, _) = get(&path, &[]).await;
            assert!(status == StatusCode::OK && headers[CONTENT_TYPE].to_str().unwrap().starts_with(kind), "{path}");
            assert!(!headers.contains_key(CONTENT_SECURITY_POLICY), "{path}");
        }
        for path in ["/page", "/page/", "/page/app.js"] {
            assert_eq!(get(path, &[]).await.0, StatusCode::NOT_FOUND, "{path}");
        }
        for name in ["index.html", "none.js", "../Cargo.toml", "..%2fCargo.toml", "view/app.js"] {
            let path = at(name);
            assert_eq!(get(&path, &[]).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn what_the_browser_has_is_not_sent_again() {
        let path = at("app.js");
        let (_, plain, bytes) = get(&path, &[]).await;
        let (_, zipped, fewer) = get(&path, &[("accept-encoding", "br, gzip")]).await;
        assert!(
            !plain.contains_key(CONTENT_ENCODING) && zipped[CONTENT_ENCODING] == "gzip" && fewer.len() < bytes.len()
        );
        assert_ne!(plain[ETAG], zipped[ETAG], "two representations");
        let tag = zipped[ETAG].to_str().unwrap();
        let (status, headers, body) = get(&path, &[("accept-encoding", "gzip"), ("if-none-match", tag)]).await;
        assert_eq!((status, headers[ETAG].to_str().unwrap(), body.len()), (StatusCode::NOT_MODIFIED, tag, 0));
        assert_eq!(get(&path, &[("if-none-match", tag)]).await.0, StatusCode::OK, "the other representation");
    }

    #[tokio::test]
    async fn a_browser_asks_again_for_the_page_alone() {
        let keeping = async |path: &str| get(path, &[]).await.1[CACHE_CONTROL].to_str().unwrap().to_owned();
        assert_eq!(keeping("/").await, "no-cache");
        assert!(keeping(&at("view/page.js")).await.ends_with("immutable"));
        assert_eq!(keeping("/page/another/view/page.js").await, "no-cache");
    }

    /// Once it is painted: until then they are in a template, which browsers leave alone.
    #[test]
    fn the_page_asks_for_all_modules_at_once() {
        let page = Asset::read(INDEX).unwrap();
        let (before, rest) = page.text().split_once("<template id=\"modules\">").unwrap();
        let (links, after) = rest.split_once("</template>").unwrap();
        let mut modules = 0;
        for name in asset::names().filter(|name| name != START && Asset::read(name).unwrap().is_script()) {
            let link = format!("<link rel=\"modulepreload\" href=\"page/{name}\">");
            assert!(links.contains(&link), "{link}");
            modules += 1;
        }
        assert_eq!(links.matches("<link").count(), modules);
        assert!(!before.contains("modulepreload") && !after.contains("modulepreload"));
        assert_eq!(page.text().matches("<script type=\"module\" src=\"page/start.js\">").count(), 1);
    }

    #[tokio::test]
    async fn the_whole_page_is_small() {
        let mut bytes = 0;
        for name in asset::names() {
            let path = if name == INDEX { "/".to_owned() } else { at(&name) };
            let (_, headers, body) = get(&path, &[("accept-encoding", "gzip")]).await;
            // Licences are there to be read, and not loaded.
            bytes += if headers[CONTENT_TYPE].to_str().unwrap().starts_with("text/plain") { 0 } else { body.len() };
        }
        assert!((20_000..250_000).contains(&bytes), "{bytes} bytes");
    }

    #[test]
    fn modules_name_their_files_and_load_nothing_from_elsewhere() {
        for name in asset::names().filter(|name| !name.starts_with("vendor/")) {
            let asset = Asset::read(&name).unwrap();
            let text = asset.text();
            assert!(text.lines().count() < 300, "{name} has {} lines", text.lines().count());
            for elsewhere in
                ["src=\"http", "href=\"http", "@import", "url(http", "fetch(\"http", "innerHTML =", "eval("]
            {
                assert!(!text.contains(elsewhere), "{name}: {elsewhere}");
            }
        }
    }
}
