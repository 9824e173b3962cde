//! The Content-Security-Policy of the page: what a browser may load for it, whatever an answer or a mistake puts into it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// Opens the one inline script: the map from names of modules to files. It is no program, but policies cover it.
const MAP: [&str; 2] = ["<script type=\"importmap\">", "</script>"];

/// Opens the one inline style sheet.
const STYLE: [&str; 2] = ["<style>", "</style>"];

/// The policy of a page. Scripts, styles and requests are the server's own; markup is set through `DOMPurify` alone.
pub(crate) struct Policy {
    /// Digests of what is written into the page itself, as sources; empty where there is none.
    map: String,
    style: String,
}

impl Policy {
    /// The policy of this page: it allows the import map and the style sheet that are in it, and no others.
    pub(crate) fn of(page: &str) -> Self {
        Self { map: digest(page, MAP), style: digest(page, STYLE) }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { map, style } = self;
        write!(
            f,
            "default-src 'none'; script-src 'self'{map}; style-src 'self'{style}; img-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
             trusted-types dompurify"
        )
    }
}

/// The first element between these tags, as a source.
fn digest(page: &str, [open, close]: [&str; 2]) -> String {
    let element = page.split_once(open).and_then(|(_, rest)| rest.split_once(close));
    element.map(|(text, _)| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(text)))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_map_and_the_sheet_may_stand_in_the_page() {
        let page =
            "<style>{}</style><p><script type=\"importmap\">{}</script><script>alert(1)</script><style>p{}</style>";
        let policy = Policy::of(page).to_string();
        // printf '{}' | openssl dgst -sha256 -binary | base64
        let braces = "'self' 'sha256-RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=';";
        assert!(policy.contains(&format!("script-src {braces} style-src {braces}")), "{policy}");
        assert_eq!(policy.matches("sha256").count(), 2);
        let bare = Policy::of("<p>").to_string();
        assert!(bare.contains("script-src 'self'; style-src 'self';") && !bare.contains("unsafe"), "{bare}");
    }
}
