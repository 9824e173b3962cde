//! The Content-Security-Policy of the page: what a browser may load for it, whatever an answer or a mistake puts into it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// Opens the one inline script: the map from names of modules to files. It is no program, but policies cover it.
const MAP: [&str; 2] = ["<script type=\"importmap\">", "</script>"];

/// Opens the one inline style sheet.
const STYLE: [&str; 2] = ["<style>", "</style>"];

/// The policy of a page: it allows the import map and the style sheet that are in it, and no others. Scripts, styles and requests are
/// the server's own; markup is set through `DOMPurify` alone.
pub(crate) fn policy(page: &str) -> String {
    let (map, style) = (digest(page, MAP), digest(page, STYLE));
    format!(
        "default-src 'none'; script-src 'self'{map}; style-src 'self'{style}; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types dompurify"
    )
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
        let both = policy(page);
        // printf '{}' | openssl dgst -sha256 -binary | base64
        let braces = "'self' 'sha256-RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=';";
        assert!(both.contains(&format!("script-src {braces} style-src {braces}")), "{both}");
        assert_eq!(both.matches("sha256").count(), 2);
        let bare = policy("<p>");
        assert!(bare.contains("script-src 'self'; style-src 'self';") && !bare.contains("unsafe"), "{bare}");
    }
}
