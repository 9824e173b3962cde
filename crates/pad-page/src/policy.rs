//! The Content-Security-Policy of the page: what a browser may load for it, whatever an answer or a mistake puts into it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// Opens the one inline script: the map from names of modules to files. It is no program, but policies cover it.
const MAP: &str = "<script type=\"importmap\">";

/// The policy of this page. Scripts, styles and requests are the server's own; markup is set through `DOMPurify` alone.
pub(crate) fn policy(page: &str) -> String {
    let map = import_map(page).map(|map| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(map))));
    format!(
        "default-src 'none'; script-src 'self'{}; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types dompurify",
        map.unwrap_or_default()
    )
}

fn import_map(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once(MAP)?;
    rest.split_once("</script>").map(|(map, _)| map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_map_may_stand_in_the_page() {
        let page = format!("<p>{MAP}{{}}</script><script>alert(1)</script>");
        // printf '{}' | openssl dgst -sha256 -binary | base64
        let of_the_map = "script-src 'self' 'sha256-RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=';";
        assert!(policy(&page).contains(of_the_map), "{}", policy(&page));
        assert!(policy("<p>").contains("script-src 'self';"));
        assert!(!policy(&page).contains("unsafe"));
    }
}
