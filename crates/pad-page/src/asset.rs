//! One file of the page: its bytes, compressed and not, and the tag that says which version it is.

use std::borrow::Cow;
use std::io::Write;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

/// The folder.
#[derive(RustEmbed)]
#[folder = "assets"]
struct Folder;

/// The names of all files, with `/` between folders.
pub(crate) fn names() -> impl Iterator<Item = Cow<'static, str>> {
    Folder::iter()
}

/// The text of the file of this name; none where there is none, or it is not UTF-8.
pub(crate) fn text(name: &str) -> Option<String> {
    String::from_utf8(Folder::get(name)?.data.into_owned()).ok()
}

/// What this state of the folder is called: a digest of all names and contents.
pub(crate) fn version() -> String {
    let mut digest = Sha256::new();
    for name in names() {
        digest.update(name.as_bytes());
        digest.update(Folder::get(&name).map(|file| file.metadata.sha256_hash()).unwrap_or_default());
    }
    URL_SAFE_NO_PAD.encode(&digest.finalize()[..9])
}

/// What a browser does with what it has of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// Use it, without a question: the address holds the version.
    Forever,
    /// Ask each time whether it is still the same.
    Asked,
}

impl Keeping {
    fn header(self) -> &'static str {
        match self {
            Self::Forever => "public, max-age=31536000, immutable",
            Self::Asked => "no-cache",
        }
    }
}

/// What HTML is sent as.
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// A file as it is sent.
#[derive(Default)]
pub(crate) struct Asset {
    plain: Cow<'static, [u8]>,
    /// The same in gzip; none where that is no smaller.
    gzip: Option<Vec<u8>>,
    /// A strong validator: the digest of the bytes, in quotes.
    tag: String,
    kind: &'static str,
}

impl Asset {
    /// The file of this name; none where there is none.
    pub(crate) fn read(name: &str) -> Option<Self> {
        let file = Folder::get(name)?;
        Some(Self::new(file.data, kind(name)))
    }

    /// These bytes, sent as this kind of thing.
    pub(crate) fn new(plain: impl Into<Cow<'static, [u8]>>, kind: &'static str) -> Self {
        let plain = plain.into();
        let gzip = compressed(&plain).filter(|gzip| gzip.len() < plain.len());
        let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&Sha256::digest(&plain)[..12]));
        Self { plain, gzip, tag, kind }
    }

    /// Its text; empty where it is not UTF-8.
    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.plain).unwrap_or_default()
    }

    /// Whether it is a module of the page.
    #[cfg(test)]
    pub(crate) fn is_script(&self) -> bool {
        self.kind.starts_with("text/javascript")
    }

    /// Answer a request for it: 304 where the client has this version, else the bytes, compressed where the client reads gzip.
    pub(crate) fn respond(&self, request: &HeaderMap, keeping: Keeping) -> Response {
        let zipped = self.gzip.as_ref().filter(|_| accepts_gzip(request));
        // The two encodings are two representations, and a strong tag names one of them.
        let tag = match zipped {
            Some(_) => format!("{}-gzip\"", self.tag.trim_end_matches('"')),
            None => self.tag.clone(),
        };
        let mut response = if has(request, &tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Body::from(zipped.map_or_else(|| self.plain.to_vec(), Clone::clone)).into_response()
        };
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(CONTENT_TYPE, self.kind);
        set(ETAG, &tag);
        set(CACHE_CONTROL, keeping.header());
        set(VARY, "accept-encoding");
        set(X_CONTENT_TYPE_OPTIONS, "nosniff");
        if zipped.is_some() {
            set(CONTENT_ENCODING, "gzip");
        }
        response
    }
}

/// What a file is, by its ending.
fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => HTML,
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

fn compressed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// Whether the client reads gzip (RFC 9110, section 12.5.3): it names it, and not with a weight of 0.
fn accepts_gzip(request: &HeaderMap) -> bool {
    let named = request.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_some_and(|weight| weight > 0.0)
    })
}

/// Whether the client has this version. Weak tags compare equal to strong ones here (RFC 9110, section 13.1.2).
fn has(request: &HeaderMap, tag: &str) -> bool {
    let known = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn gzip_is_for_those_who_read_it() {
        for yes in ["gzip", "br, GZIP;q=0.5", "deflate,gzip ; q=1"] {
            assert!(accepts_gzip(&headers(ACCEPT_ENCODING, yes)), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "gzip;q=0.0, br", "xgzip", "gzip;level=9"] {
            assert!(!accepts_gzip(&headers(ACCEPT_ENCODING, no)), "{no}");
        }
    }

    #[test]
    fn a_known_version_is_recognised() {
        for yes in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(has(&headers(IF_NONE_MATCH, yes), "\"a\""), "{yes}");
        }
        for no in ["", "a", "\"b\"", "\"aa\""] {
            assert!(!has(&headers(IF_NONE_MATCH, no), "\"a\""), "{no}");
        }
    }
}
